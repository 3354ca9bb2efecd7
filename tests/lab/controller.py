"""The AWS Load Balancer Controller's own verdict on Services, from `modules/lbc`: no AWS, no cluster."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.lab import programs
from tests.lab.process import LabError
from webhook.policy.cluster import Cluster
from webhook.policy.service.addresses import Subnet

Object = Mapping[str, Any]
SECONDS = 300
"""A bound for a long run; ten thousand Services take a few seconds."""


@dataclass(frozen=True)
class Question:
    """A Service as the API server stores it, the others of its namespace, and the controller's surroundings."""

    service: Object
    siblings: Sequence[Object]
    cluster: Cluster
    subnets: Sequence[Subnet]

    def line(self) -> str:
        started = {
            "loadBalancerClass": self.cluster.lbc_class,
            "defaultTargetType": self.cluster.default_target_type,
            "defaultScheme": self.cluster.default_scheme,
            "featureGates": dict(self.cluster.feature_gates),
            "subnets": [{"id": net.id, "ipv4": net.ipv4, "ipv6": list(net.ipv6)} for net in self.subnets],
        }
        return json.dumps({"service": self.service, "siblings": list(self.siblings), "cluster": started})


def verdicts(questions: Iterable[Question]) -> list[dict[str, Any]]:
    """What the controller makes of each Service, in order, in the words of the recorded verdicts."""
    asked = [question.line() for question in questions]
    done = subprocess.run(
        [programs.find("lbc-model")],
        input="\n".join(asked),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or len(answers) != len(asked):
        raise LabError(f"lbc-model answered {len(answers)} of {len(asked)}: {done.stderr[-2000:]}")
    return answers
