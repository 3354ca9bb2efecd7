"""Every reason for leaving a pod alone shows: in the answer, in the metric and in the documentation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.webhook.reviews import pod, review
from tests.webhook.serving import FewServices
from webhook.admission import decode_review
from webhook.handlers import handlers
from webhook.metrics import Metrics
from webhook.policy.cluster import LimitRange, Namespace
from webhook.policy.pod.rules import SKIPS, SkipReason
from webhook.policy.service.demand import Demand, LookupFailed

ANNOTATIONS = Path(__file__).parents[2] / "docs/annotations.md"
ECHO = {"app": "echo"}


class Crowded(FewServices):
    """A namespace whose LimitRange leaves no room."""

    def namespace(self, name: str) -> Namespace:
        return Namespace(name, {"udplb/inject": "enabled"}, (LimitRange("Pod", max={"memory": "1Mi"}),))


@dataclass(frozen=True)
class Row:
    """A pod that is left alone: what it is made of, and the cluster around it."""

    cache: FewServices = field(default_factory=FewServices)
    spec: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "games"


def known(*demands: Demand) -> FewServices:
    return FewServices(known=demands)


SIDECAR = {"name": "udp-healthcheck", "args": ["--port", "5555"], "restartPolicy": "Always"}
APP = {"name": "app", "image": "echo:1"}
ROWS = {
    "namespace_not_enabled": Row(namespace="other"),
    "disabled_by_pod": Row(labels={"udplb/inject": "false"}),
    "no_udp_port": Row(known(Demand("echo", ECHO, probed=("game",), udp=True))),
    "no_matching_service": Row(known()),
    "lookup_failed": Row(FewServices(known=(), live=LookupFailed("lookup_failed"))),
    "lookup_limited": Row(FewServices(known=(), live=LookupFailed("lookup_limited"))),
    "target_type_instance": Row(known(Demand("echo", ECHO, instance=True, udp=True))),
    "check_port_elsewhere": Row(known(Demand("echo", ECHO, elsewhere=(5555,), check_port=8080, udp=True))),
    "tcp_port_in_use": Row(known(Demand("echo", ECHO, probed=(5555,), tcp=(5555,), udp=True))),
    "host_network": Row(spec={"hostNetwork": True}),
    "windows": Row(spec={"os": {"name": "windows"}}),
    "mirror_pod": Row(annotations={"kubernetes.io/config.mirror": "x"}),
    "foreign_container": Row(spec={"initContainers": [SIDECAR]}),
    "already_injected": Row(
        spec={"initContainers": [SIDECAR]}, annotations={"udplb/status": '{"schema":2,"injected":true}'}
    ),
    "would_never_complete": Row(
        spec={"restartPolicy": "Never"}, annotations={"udplb/native-sidecar": "false"}
    ),
    "no_room": Row(Crowded()),
    "malformed_annotation": Row(annotations={"udplb/ports": "game"}),
    "malformed_object": Row(spec={"hostNetwork": "no"}),
}


def test_every_reason_has_its_row() -> None:
    assert set(ROWS) == set(SkipReason)


@pytest.mark.parametrize("reason", ROWS)
def test_a_reason_shows_in_the_answer_and_in_the_metric(reason: str) -> None:
    row, metrics = ROWS[reason], Metrics("0.1.0")
    raw = pod(annotations=dict(row.annotations), labels={**ECHO, **row.labels})
    raw["spec"] |= row.spec
    asked = decode_review(json.dumps(review(raw, namespace=row.namespace)).encode())
    handler = handlers(row.cache, row.cache, row.cache.cluster)["/mutate/pods"]
    answer = asyncio.run(handler.answer(asked))
    assert (answer.reason, answer.response["allowed"]) == (reason, True)
    metrics.reviewed(asked, answer, 0.001)
    assert f'reason="{reason}"' in metrics.exposition().decode()


@pytest.mark.parametrize("reason", SkipReason)
def test_a_reason_is_documented_with_its_rule(reason: SkipReason) -> None:
    code = SKIPS[reason].code
    assert f"| `{reason}` | [{code}](rules.md#{code.lower()}) |" in ANNOTATIONS.read_text()
