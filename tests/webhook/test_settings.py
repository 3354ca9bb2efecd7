"""Where settings come from, and what is said about those that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from webhook import settings
from webhook.policy.cluster import Owner, Trigger
from webhook.policy.finding import Severity

PAIR = {"cert_file": "tls.crt", "key_file": "tls.key"}


def load(flags: dict[str, str] | None = None, environ: dict[str, str] | None = None) -> settings.Settings:
    return settings.load({**PAIR, **(flags or {})}, environ or {})


def from_file(directory: Path, text: str, **flags: str) -> settings.Settings:
    config = directory / "udplb.yaml"
    config.write_text(text)
    return settings.load({**PAIR, **flags}, {}, config)


def faults(flags: dict[str, str], environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(settings.SettingsError) as error:
        load(flags, environ)
    return error.value.faults


def test_flags_beat_the_environment_and_that_beats_the_file(tmp_path: Path) -> None:
    config = tmp_path / "udplb.yaml"
    config.write_text("port: 1000\nopsPort: 1001\ndrainSeconds: 7\n")
    environ = {"UDPLB_PORT": "2000", "UDPLB_OPS_PORT": "2001"}
    loaded = settings.load({**PAIR, "port": "3000"}, environ, config)
    assert (loaded.port, loaded.ops_port, loaded.drain_seconds, loaded.owner) == (3000, 2001, 7, "detect")


def test_every_setting_is_spelt_alike_everywhere() -> None:
    (name,) = [name for name in settings.names() if name.path == ("autoMode", "tcpUdp")]
    assert (name.flag, name.variable) == ("--auto-mode-tcp-udp", "UDPLB_AUTO_MODE_TCP_UDP")
    assert load(environ={"UDPLB_AUTO_MODE_TCP_UDP": "allow"}).auto_mode.tcp_udp == "allow"


def test_maps_stand_in_the_file_only() -> None:
    spelt = {".".join(name.path) for name in settings.names()}
    assert not spelt & {"ruleSeverity", "lbc.featureGates", "sidecar.resources.requests"}
    assert "sidecar.pullSecrets" in spelt


def test_every_setting_is_explained() -> None:
    assert all(name.about for name in settings.names())


def test_the_file_reaches_the_policy(tmp_path: Path) -> None:
    text = """
owner: auto-mode
crossZone: false
healthcheck: {interval: 5}
autoMode: {tcpUdp: allow}
ruleSeverity: {UDPLB202: warn}
lbc: {loadBalancerClass: example.com/nlb, defaultTargetType: ip, featureGates: {NLBSecurityGroup: false}}
injection: {trigger: service}
rbac: {listPods: false}
ipFamily: IPv6
sidecar:
  image: registry.example/udp-healthcheck@sha256:01
  pullSecrets: [one, two]
  uid: 1000
  resources: {requests: {cpu: 1, memory: null}, limits: {cpu: 2}}
"""
    cluster = from_file(tmp_path, text).cluster()
    assert cluster.check_interval == 5
    assert (cluster.owner, cluster.cross_zone, cluster.auto_mode_tcp_udp, cluster.ipv6) == (
        Owner.AUTO_MODE,
        False,
        True,
        True,
    )
    assert cluster.severities == {"UDPLB202": Severity.WARN}
    assert (cluster.lbc_class, cluster.default_target_type) == ("example.com/nlb", "ip")
    assert cluster.feature_gates == {"NLBSecurityGroup": False}
    assert cluster.trigger is Trigger.SERVICE
    assert not cluster.sees_pods
    assert (cluster.sidecar.pull_secrets, cluster.sidecar.uid) == (("one", "two"), 1000)
    assert (cluster.sidecar.requests, cluster.sidecar.limits) == ({"cpu": "1"}, {"cpu": "2"})


def test_without_settings_the_image_is_that_of_this_version() -> None:
    cluster = load().cluster()
    assert (cluster.owner, cluster.ipv6, cluster.sees_pods) == (None, False, True)
    assert cluster.sidecar.image == f"udp-healthcheck:{cluster.version}"


def test_a_list_is_written_with_commas() -> None:
    assert load({"sidecar_pull_secrets": "one, two"}).sidecar.pull_secrets == ("one", "two")


def test_null_and_an_empty_file_are_no_settings(tmp_path: Path) -> None:
    assert from_file(tmp_path, "").port == 9443
    assert from_file(tmp_path, "port: null\nlbc:\n", lbc_default_scheme="internal").port == 9443


def test_what_the_kubelet_writes_for_services_of_our_name_is_ignored() -> None:
    kubelet = {
        "UDPLB_PORT": "tcp://10.0.0.1:443",
        "UDPLB_PORT_443_TCP_PROTO": "tcp",
        "UDPLB_SERVICE_HOST": "10.0.0.1",
        "UDPLB_OPS_PORT": "tcp://10.0.0.2:8080",
    }
    assert load(environ=kubelet) == load()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"port": "x"}, ["port: 'x' is refused: input should be a valid integer"]),
        ({"port": "0"}, ["port: '0' is refused: input should be greater than or equal to 1"]),
        ({"owner": "aws"}, ["owner: 'aws' is refused: input should be 'detect', 'lbc' or 'auto-mode'"]),
        ({"port": "8080"}, ["opsPort: 8080 is the port of the reviews too"]),
        ({"drain_seconds": "301"}, ["drainSeconds: '301' is refused"]),
        ({"drain_seconds": "-1"}, ["drainSeconds: '-1' is refused"]),
        ({"concurrency": "255"}, ["concurrency: '255' is refused"]),
        ({"lbc_default_scheme": "public"}, ["lbc.defaultScheme: 'public' is refused"]),
        ({"port": "x", "owner": "aws"}, ["port: ", "owner: "]),
        ({"port": "x", "ops_port": "y"}, ["port: ", "opsPort: "]),
    ],
)
def test_each_fault_names_its_setting(flags: dict[str, str], said: list[str]) -> None:
    found = faults(flags)
    assert len(found) == len(said)
    assert all(fault.startswith(begin) for fault, begin in zip(found, said, strict=True))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"tls_namespace": "a", "cert_file": "b"}, "certFile: given, but tls.mode is self"),
        ({"tls_namespace": "a", "key_file": "b"}, "keyFile: given, but tls.mode is self"),
        ({}, "tls.namespace: missing; with tls.mode self name the namespace"),
    ],
)
def test_who_signs_for_himself_is_given_a_namespace_and_no_files(flags: dict[str, str], said: str) -> None:
    with pytest.raises(settings.SettingsError) as error:
        settings.load({"tls_mode": "self", **flags}, {})
    (fault,) = error.value.faults
    assert fault.startswith(said)


@pytest.mark.parametrize("given", [{"cert_file": "a"}, {"key_file": "a"}, {"cert_file": "a", "port": "x"}])
def test_a_certificate_and_a_key_need_each_other(given: dict[str, str]) -> None:
    with pytest.raises(settings.SettingsError) as error:
        settings.load(given, {})
    missing = (
        "keyFile: missing, which certFile needs"
        if "cert_file" in given
        else "certFile: missing, which keyFile needs"
    )
    assert any(fault.startswith(missing) for fault in error.value.faults)
    assert len(error.value.faults) == len(given)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot: 1", "prot: there is no such setting"),
        ("lbc: {class: x}", "lbc.class: there is no such setting"),
        ("ruleSeverity: {T2: warn}", "ruleSeverity.T2: 'T2' is no rule code; write one like UDPLB202"),
        ("ruleSeverity: {UDPLB202: none}", "ruleSeverity.UDPLB202: 'none' is refused"),
        (
            "sidecar: {resources: {limits: {cpu: much}}}",
            "sidecar.resources.limits.cpu: 'much' is no Kubernetes quantity",
        ),
        (
            "sidecar: {resources: {limits: {cpu: -1}}}",
            "sidecar.resources.limits.cpu: '-1' is no Kubernetes quantity",
        ),
        (
            "sidecar: {resources: {requests: {cpu: 2}, limits: {cpu: 1}}}",
            "sidecar.resources.requests.cpu: 2 is more than the limit of 1",
        ),
        ("- port", "config: "),
        ("a: [", "config: "),
        ("lbc: 7", "lbc: 7 is refused"),
        ("1: x", "1: there is no such setting"),
        ("null: x", "None: there is no such setting"),
        ("sidecar: {1: x}", "sidecar.1: there is no such setting"),
        ("lbc: {loadBalancerClass: ''}", "lbc.loadBalancerClass: '' is refused"),
        ("sidecar: {image: ''}", "sidecar.image: '' is no image"),
        ("sidecar: {image: 'a b'}", "sidecar.image: 'a b' is no image; write its reference without blanks"),
        ("ruleSeverity: {UDPLB202: on}", "ruleSeverity.UDPLB202: True is refused"),
        pytest.param(f"port: {'[' * 3000}", "config: ", id="deeper than any reader goes"),
    ],
)
def test_each_fault_of_the_file_names_its_setting(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(settings.SettingsError) as error:
        from_file(tmp_path, text, lbc_default_scheme="internal")
    (fault,) = error.value.faults
    assert fault.startswith(said)
    assert "\n" not in fault


def test_off_needs_no_quotes_in_the_file(tmp_path: Path) -> None:
    """YAML reads it as false."""
    loaded = from_file(tmp_path, "ruleSeverity: {UDPLB202: off}")
    assert loaded.cluster().severities == {"UDPLB202": Severity.OFF}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(settings.SettingsError, match=r"config: .*none.yaml: No such file"):
        settings.load(PAIR, {}, tmp_path / "none.yaml")


def test_settings_do_not_change() -> None:
    loaded: Any = load()
    with pytest.raises(ValueError, match="frozen"):
        loaded.port = 1
