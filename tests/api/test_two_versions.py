"""Two releases behind one Service, as during an upgrade: whichever is called, no pod suffers."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import urllib3
from hypothesis import settings

from tests.lab.control_plane import ControlPlane
from tests.lab.newer import IMAGE
from tests.lab.other_webhook import Respond, serving
from tests.lab.webhook import Webhook, install
from tests.policy.pod.pods import container, pod, sidecars, status

pytestmark = pytest.mark.cluster

PODS = 200 if settings.get_current_profile_name() == "long" else 20
NEWER = (sys.executable, "-m", "tests.lab.newer")
KINDS: tuple[dict[str, Any], ...] = (
    {"containers": [container("5555/UDP")]},
    {"containers": [container("53/UDP")]},
    {"containers": [container("5555/UDP")], "annotations": {"udplb/native-sidecar": "false"}},
    {"containers": [container("5555/UDP")], "annotations": {"udplb/drain": "300s", "udplb/probe": "dns"}},
    {"containers": [container("5555/UDP")], "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
)


def in_turns(*webhooks: Webhook) -> Respond:
    """Each call goes to the next of them, as a Service's connections do."""
    turns = itertools.cycle(webhooks)
    pools = {one.url: urllib3.PoolManager(ca_certs=str(one.ca_file), maxsize=8) for one in webhooks}

    def respond(path: str, body: bytes) -> bytes:
        url = next(turns).url
        answer = pools[url].request(
            "POST", url + path, body=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status == 200, answer.data
        return answer.data

    return respond


class Both:
    """What `install` asks of a webhook."""

    def __init__(self, url: str, ca_file: Path, *parts: Webhook) -> None:
        self.url, self.ca_file, self._parts = url, ca_file, parts

    def log(self) -> str:
        return "\n".join(part.log() for part in self._parts)


@pytest.fixture
def both(cluster: ControlPlane, webhook: Webhook, tmp_path: Path) -> Iterator[None]:
    """The chart's webhook objects, calling this release and a later one in turns."""
    with ExitStack() as stack:
        newer = stack.enter_context(Webhook(cluster.kubeconfig, program=NEWER))
        url, authority = stack.enter_context(serving(in_turns(webhook, newer)))
        (tmp_path / "ca.crt").write_text(authority)
        stack.callback(install, cluster, webhook)
        install(cluster, Both(url, tmp_path / "ca.crt", webhook, newer))
        yield


def test_two_versions_take_turns_and_no_pod_is_refused_or_repaired_to_and_fro(
    cluster: ControlPlane, both: None
) -> None:
    where = cluster.namespace("two-versions", {"udplb/inject": "enabled"})
    path = f"/api/v1/namespaces/{where}/pods?dryRun=All"
    images = set()
    for number, kind in zip(range(PODS), itertools.cycle(KINDS), strict=False):
        raw, seen = pod(owned=False, **kind), []
        for _ in range(3):
            answer = cluster.request("POST", path, raw)
            assert answer.status == 201, (number, answer.body)
            assert [text for text in answer.warnings if "UDPLB92" in text] == []
            ((place, _, sidecar),) = sidecars(answer.body)
            seen.append((place, sidecar["args"], sidecar["image"], status(answer.body)["schema"]))
            raw = {"metadata": answer.body["metadata"], "spec": answer.body["spec"]}
            raw["metadata"].pop("uid")
        images.add(seen[0][2])
        assert len({one[:3] for one in map(as_text, seen)}) == 1, seen
        assert [one[3] for one in seen] == sorted(one[3] for one in seen)
    assert IMAGE in images
    assert len(images) == 2


def as_text(one: tuple[str, list[str], str, int]) -> tuple[str, str, str, int]:
    place, args, image, schema = one
    return place, " ".join(args), image, schema
