"""Every setting of a cluster changes a verdict on a Service: from the file's spelling to what is said or set."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tests.policy.service.services import DNS_TCP, DNS_UDP, OPTED_IN, OURS, service
from webhook import settings
from webhook.policy.cluster import Cluster
from webhook.policy.service import decision

CHECKED_ELSEWHERE = service({"healthcheck-port": "8080"})
ON_AUTO_MODE = service({}, DNS_UDP, DNS_TCP, loadBalancerClass="eks.amazonaws.com/nlb")
WITHOUT_TARGET_TYPE = {name: value for name, value in OURS.items() if name != "nlb-target-type"}
BY_LBC: dict[str, Any] = {"loadBalancerClass": "service.k8s.aws/nlb"}

ROWS: list[tuple[str, str, dict[str, Any], str]] = [
    ("owner", "owner: auto-mode", service(), "loadBalancerClass=eks.amazonaws.com/nlb"),
    ("lbc_class", "lbc: {loadBalancerClass: games/nlb}", service(), "loadBalancerClass=games/nlb"),
    ("default_target_type", "lbc: {defaultTargetType: ip}", service(WITHOUT_TARGET_TYPE, **BY_LBC), "not final UDPLB201 reject"),
    ("default_scheme", "lbc: {defaultScheme: internet-facing}", service({"eip-allocations": "a"}), "not first UDPLB615 reject"),
    ("feature_gates", "lbc: {featureGates: {EnableIPTargetType: false}}", service(), "first UDPLB206 reject"),
    ("auto_mode_tcp_udp", "autoMode: {tcpUdp: allow}", ON_AUTO_MODE, "enable-tcp-udp-listener=true"),
    ("cross_zone", "crossZone: false", service(), "not attributes=load_balancing.cross_zone.enabled=true"),
    ("check_interval", "healthcheck: {interval: 20}", service(), "healthcheck-interval=20"),
    ("ipv6", "ipFamily: IPv6", service(), "ip-address-type=dualstack"),
    ("sees_pods", "rbac: {listPods: false}", CHECKED_ELSEWHERE, "first UDPLB408 warn"),
    ("severities", "ruleSeverity: {UDPLB640: reject}", service({"attributes": "a=b"}), "first UDPLB640 reject"),
]  # fmt: skip
OF_PODS = {"sidecar", "trigger", "version"}
"""What decides about pods alone: tests/policy/pod."""


def told(directory: Path, text: str, raw: dict[str, Any]) -> set[str]:
    """What the webhooks set and say, in the cluster of this file."""
    config = directory / "udplb.yaml"
    config.write_text(text if text.startswith("owner") else f"owner: lbc\n{text}")
    pair = {"cert_file": "tls.crt", "key_file": "tls.key"}
    cluster = settings.load(pair, {}, config).cluster()
    early = decision.mutate(raw, None, OPTED_IN, (), cluster)
    final = decision.validate(raw, None, OPTED_IN, (), cluster)
    heard = {f"first {finding.code} {finding.severity.value}" for finding in early.findings}
    heard |= {f"final {finding.code} {finding.severity.value}" for finding in final.findings}
    return heard | {
        f"{str(edit.path[-1]).rpartition('aws-load-balancer-')[2]}={edit.value}" for edit in early.edits
    }


@pytest.mark.parametrize(("text", "raw", "words"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_setting_changes_the_verdict(tmp_path: Path, text: str, raw: dict[str, Any], words: str) -> None:
    without, with_it = told(tmp_path, "", raw), told(tmp_path, text, raw)
    wanted = words.removeprefix("not ")
    assert wanted in (without - with_it if words.startswith("not ") else with_it - without)


def test_no_setting_is_forgotten() -> None:
    assert {row[0] for row in ROWS} | OF_PODS == {field.name for field in fields(Cluster)}
