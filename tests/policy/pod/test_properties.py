"""What holds for every pod, however it was written or mangled."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.policy.pod.pods import CLUSTER as PLAIN
from tests.policy.pod.pods import CONTROLLED, GAMES, STATUS, apply, sidecars, status
from webhook.patch import apply as applied_as_any_client_does
from webhook.patch import operations
from webhook.policy.pod.decision import mutate, preview, uninject, validate
from webhook.policy.pod.rules import SkipReason
from webhook.policy.raw import MalformedObject
from webhook.policy.service.demand import Demand

CLUSTER = replace(PLAIN, sidecar=replace(PLAIN.sidecar, pull_secrets=("ours",)))
NUMBERS = st.sampled_from([1, 53, 1023, 1024, 5555, 9001, 65535])
NAMES = st.sampled_from(["game", "voice", "web"])
PORTS = st.fixed_dictionaries(
    {"containerPort": NUMBERS, "x-future": st.integers()},
    optional={"protocol": st.sampled_from(["UDP", "TCP", "SCTP"]), "name": NAMES},
)
QUANTITIES = st.dictionaries(
    st.sampled_from(["cpu", "memory"]), st.sampled_from(["1", "100m", "64Mi", "1Gi"])
)
RESOURCES = st.fixed_dictionaries({}, optional={"requests": QUANTITIES, "limits": QUANTITIES})
CONTAINERS = st.fixed_dictionaries(
    {"name": st.sampled_from(["app", "proxy", "udp-healthcheck"]), "x-future": st.just({"a": [1]})},
    optional={
        "ports": st.lists(PORTS, max_size=3),
        "restartPolicy": st.sampled_from(["Always", "Never"]),
        "resources": RESOURCES,
        "args": st.sampled_from([[], ["--port", "5555"], ["--port", "5555,probe=none", "--port"]]),
        "lifecycle": st.sampled_from(
            [
                {"preStop": {"exec": {"command": ["x"]}}},
                {"x-future": 1},
                {"preStop": {"sleep": {"seconds": 5}}},
            ]
        ),
    },
)
STATUSES = st.sampled_from(
    [
        "",
        "{",
        '{"schema":1,"version":"0.1.0","injected":true,"hash":"0","ports":{"5555":"declared"}}',
        '{"schema":1,"version":"0.1.0","injected":true,"hash":"0","ports":{"53":"declared"},"changed":'
        '{"spec.terminationGracePeriodSeconds":7,"spec.containers[app].lifecycle.preStop":null,'
        '"spec.securityContext.sysctls[net.ipv4.ip_unprivileged_port_start]":null,'
        '"spec.resources.limits.cpu":"1"}}',
        '{"schema":1,"version":"9.9.9","injected":true,"hash":"0","ports":{"5555":"declared"}}',
        '{"schema":1,"version":"0.1.0","injected":false,"reason":"windows"}',
        '{"schema":9}',
    ]
)
ANNOTATIONS = st.fixed_dictionaries(
    {"example.com/kept": st.just("é")},
    optional={
        "udplb/ports": st.sampled_from(["5555", "53,9001", "", "x", "70000"]),
        "udplb/native-sidecar": st.sampled_from(["true", "false", "maybe"]),
        "udplb/probe.53": st.sampled_from(["dns", "bound,tcp=9001"]),
        "udplb/probe": st.sampled_from(["a2s,udp=9001", "none", "snmp,community=x"]),
        "udplb/drain": st.sampled_from(["300s", "5m", "soon"]),
        "linkerd.io/inject": st.sampled_from(["enabled", "disabled"]),
        "config.linkerd.io/skip-inbound-ports": st.sampled_from(["", "80,", "5000-6000"]),
        "udplb/prots": st.just("1"),
        STATUS: STATUSES,
        "kubernetes.io/config.mirror": st.just("x"),
    },
)
LABELS = st.fixed_dictionaries(
    {"app": st.sampled_from(["echo", "other"])},
    optional={"udplb/inject": st.sampled_from(["true", "false", "on"])},
)
SPECS = st.fixed_dictionaries(
    {
        "containers": st.lists(CONTAINERS, min_size=1, max_size=3),
        "x-future": st.just({"deep": [{"b": None}]}),
    },
    optional={
        "initContainers": st.lists(CONTAINERS, max_size=3) | st.none(),
        "hostNetwork": st.booleans(),
        "terminationGracePeriodSeconds": st.sampled_from([0, 30, 3600]),
        "imagePullSecrets": st.lists(st.sampled_from([{"name": "ours"}, {"name": "theirs"}]), max_size=2),
        "restartPolicy": st.sampled_from(["Always", "Never"]),
        "resources": RESOURCES,
        "securityContext": st.fixed_dictionaries(
            {"x-future": st.just(1)},
            optional={
                "sysctls": st.lists(
                    st.fixed_dictionaries(
                        {
                            "name": st.sampled_from(["net.ipv4.ip_unprivileged_port_start", "kernel.other"]),
                            "value": st.sampled_from(["0", "500", "many"]),
                        }
                    ),
                    max_size=2,
                )
            },
        ),
        "schedulerName": st.sampled_from(["default-scheduler", "fargate-scheduler"]),
    },
)
PODS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"labels": LABELS},
            optional={"annotations": ANNOTATIONS | st.none(), "ownerReferences": st.just(CONTROLLED)},
        ),
        "spec": SPECS,
    }
)
TARGETS = st.lists(NUMBERS | NAMES, max_size=3).map(tuple)
DEMANDS = st.lists(
    st.builds(
        Demand,
        service=st.sampled_from(["echo", "voice"]),
        selector=st.sampled_from([{"app": "echo"}, {}, {"app": "other"}]),
        probed=TARGETS,
        elsewhere=TARGETS,
        check_port=st.sampled_from([0, 53, 8080]),
        tcp=TARGETS,
        instance=st.booleans(),
        udp=st.booleans(),
    ),
    max_size=3,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def without_ours(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The pod without anything that is ours to change."""
    rest = copy.deepcopy(dict(raw))
    metadata, spec = rest["metadata"], rest["spec"]
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {
        key: value
        for key, value in annotations.items()
        if key
        not in (STATUS, "kubectl.kubernetes.io/default-container", "config.linkerd.io/skip-inbound-ports")
    }
    for entry in spec["containers"]:
        entry["lifecycle"] = {
            key: hook for key, hook in (entry.get("lifecycle") or {}).items() if key != "preStop"
        }
    for place in ("containers", "initContainers"):
        spec[place] = [entry for entry in spec.get(place) or [] if entry["name"] != "udp-healthcheck"]
    context = spec.setdefault("securityContext", {})
    context["sysctls"] = [
        entry for entry in context.get("sysctls", []) if not entry["name"].endswith("port_start")
    ]
    spec["imagePullSecrets"] = [
        entry for entry in spec.get("imagePullSecrets", []) if entry["name"] != "ours"
    ]
    for field in ("resources", "terminationGracePeriodSeconds"):
        spec.pop(field, None)
    return rest


def never_injected(raw: dict[str, Any]) -> dict[str, Any]:
    """The pod without a status or a container of our name; it has one, and their names differ, as they must."""
    fresh = copy.deepcopy(raw)
    (fresh["metadata"].get("annotations") or {}).pop(STATUS, None)
    for place in ("containers", "initContainers"):
        listed = [entry for entry in fresh["spec"].get(place) or [] if entry["name"] != "udp-healthcheck"]
        fresh["spec"][place] = listed
        for number, entry in enumerate(listed):
            entry["name"] = f"{entry['name']}-{number}"
    fresh["spec"]["containers"] = fresh["spec"]["containers"] or [{"name": "app"}]
    return fresh


def without_empty(value: Any) -> Any:
    """Without maps and lists that hold nothing, which the API does not tell from absent ones."""
    if isinstance(value, dict):
        kept = {key: without_empty(entry) for key, entry in value.items()}
        return {key: entry for key, entry in kept.items() if entry not in ({}, [], None)}
    return [without_empty(entry) for entry in value] if isinstance(value, list) else value


@given(raw=PODS, demands=DEMANDS)
def test_a_second_pass_never_changes_anything(raw: dict[str, Any], demands: list[Demand]) -> None:
    first = mutate(raw, GAMES, demands, CLUSTER)
    after = apply(raw, first.edits)
    second = mutate(after, GAMES, demands, CLUSTER)
    assert second.edits == ()
    assert second.reason == (first.reason or SkipReason.ALREADY_INJECTED)


@given(raw=PODS, demands=DEMANDS)
def test_everything_that_is_not_ours_survives(raw: dict[str, Any], demands: list[Demand]) -> None:
    before = copy.deepcopy(raw)
    after = apply(raw, mutate(raw, GAMES, demands, CLUSTER).edits)
    assert raw == before
    assert without_ours(after) == without_ours(raw)


@given(raw=PODS, demands=DEMANDS)
def test_an_injected_pod_holds_one_sidecar_that_passes_validation(
    raw: dict[str, Any], demands: list[Demand]
) -> None:
    decision = mutate(raw, GAMES, demands, CLUSTER)
    after = apply(raw, decision.edits)
    if not decision.reason:
        ((_, _, sidecar),) = sidecars(after)
        numbers = [int(word.partition(",")[0]) for word in sidecar["args"][1::2]]
        assert numbers == sorted(set(numbers)) == sorted(int(number) for number in status(after)["ports"])
        assert validate(after, GAMES, demands, CLUSTER).findings == ()


@given(raw=PODS, demands=DEMANDS)
def test_taking_our_additions_out_gives_back_the_original(raw: dict[str, Any], demands: list[Demand]) -> None:
    fresh = never_injected(raw)
    after = apply(fresh, mutate(fresh, GAMES, demands, CLUSTER).edits)
    assert without_empty(apply(after, uninject(after, CLUSTER))) == without_empty(fresh)


@given(raw=PODS, then=DEMANDS, now=DEMANDS)
def test_a_copy_of_an_injected_pod_gets_what_the_original_would_get_now(
    raw: dict[str, Any], then: list[Demand], now: list[Demand]
) -> None:
    fresh = never_injected(raw)
    copied = apply(fresh, mutate(fresh, GAMES, then, CLUSTER).edits)
    expected = apply(fresh, mutate(fresh, GAMES, now, CLUSTER).edits)
    assert without_empty(apply(copied, mutate(copied, GAMES, now, CLUSTER).edits)) == without_empty(expected)


@given(raw=PODS, demands=DEMANDS)
def test_the_patch_does_what_the_edits_say(raw: dict[str, Any], demands: list[Demand]) -> None:
    edits = mutate(raw, GAMES, demands, CLUSTER).edits
    assert applied_as_any_client_does(raw, operations(raw, edits)) == apply(raw, edits)


def inject_another(raw: dict[str, Any]) -> dict[str, Any]:
    """What a generic injector does: a container, an init container, a volume and an annotation of its own."""
    changed = copy.deepcopy(raw)
    if any(entry["name"] == "agent" for entry in changed["spec"]["containers"]):
        return changed
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}}  # which leaves the pod its class
    agent = {"name": "agent", "ports": [{"containerPort": 15000}], "resources": resources}
    starter = {"name": "agent-init", "resources": resources}
    changed["spec"]["containers"].append(agent)
    changed["spec"]["initContainers"] = [starter, *(changed["spec"].get("initContainers") or [])]
    changed["spec"].setdefault("volumes", []).append({"name": "agent"})
    changed["metadata"]["annotations"] = {**(changed["metadata"].get("annotations") or {}), "agent": "on"}
    return changed


@given(raw=PODS, demands=DEMANDS)
def test_the_order_of_two_injectors_does_not_matter(raw: dict[str, Any], demands: list[Demand]) -> None:
    """But for the places in the lists, and with the second pass that a reinvocation brings."""

    def ours(pod: dict[str, Any]) -> dict[str, Any]:
        return apply(pod, mutate(pod, GAMES, demands, CLUSTER).edits)

    def sorted_lists(pod: dict[str, Any]) -> dict[str, Any]:
        for place in ("containers", "initContainers"):
            pod["spec"][place] = sorted(pod["spec"].get(place) or [], key=lambda entry: json.dumps(entry))
        return pod

    fresh = never_injected(raw)
    assert sorted_lists(ours(inject_another(ours(fresh)))) == sorted_lists(ours(inject_another(fresh)))


@given(one=PODS, other=PODS, demands=DEMANDS)
def test_the_hash_differs_if_and_only_if_the_injected_spec_does(
    one: dict[str, Any], other: dict[str, Any], demands: list[Demand]
) -> None:
    def injected(raw: dict[str, Any]) -> tuple[Any, ...] | None:
        fresh = never_injected(raw)
        after = apply(fresh, mutate(fresh, GAMES, demands, CLUSTER).edits)
        if not sidecars(after):
            return None
        ((place, _, sidecar),) = sidecars(after)
        sysctls = (after["spec"].get("securityContext") or {}).get("sysctls", [])
        changed = str(status(after).get("changed"))
        opened = [entry["value"] for entry in sysctls if f"[{entry['name']}]" in changed]
        spec = (place, sidecar["args"], sidecar["lifecycle"], sidecar.get("ports"), opened)
        return status(after)["hash"], json.dumps(spec)

    here, there = injected(one), injected(other)
    if here and there:
        assert (here[0] == there[0]) is (here[1] == there[1])


@given(raw=PODS, demands=DEMANDS)
def test_the_order_of_services_makes_no_difference(raw: dict[str, Any], demands: list[Demand]) -> None:
    forwards = mutate(raw, GAMES, demands, CLUSTER)
    backwards = mutate(raw, GAMES, demands[::-1], CLUSTER)
    assert forwards.edits == backwards.edits
    assert forwards.reason == backwards.reason


@given(raw=PODS, demands=DEMANDS)
def test_a_pod_that_a_controller_owns_is_never_refused_by_the_mutating_answer(
    raw: dict[str, Any], demands: list[Demand]
) -> None:
    raw["metadata"]["ownerReferences"] = CONTROLLED
    assert not mutate(raw, GAMES, demands, CLUSTER).rejected


SELECTORS = st.sampled_from(
    [
        {"app": "echo"},
        {"pod-template-hash": "5d9f"},
        {"statefulset.kubernetes.io/pod-name": "echo-0"},
        {"app": "echo", "apps.kubernetes.io/pod-index": "0"},
    ]
)
ADDED = {
    "Deployment": {"pod-template-hash": "5d9f"},
    "StatefulSet": {"statefulset.kubernetes.io/pod-name": "echo-0", "apps.kubernetes.io/pod-index": "0"},
    "DaemonSet": {},
    "Job": {},
}


@given(raw=PODS, kind=st.sampled_from(sorted(ADDED)), demands=DEMANDS, selector=SELECTORS)
def test_the_preview_names_exactly_the_ports_that_a_pod_of_the_template_gets(
    raw: dict[str, Any], kind: str, demands: list[Demand], selector: dict[str, str]
) -> None:
    template = copy.deepcopy(raw)
    template["metadata"].pop("ownerReferences", None)
    workload = {"kind": kind, "metadata": {"name": "echo"}, "spec": {"template": template}}
    demands = [*demands, Demand("chosen", selector, probed=(7000, "game"), udp=True)]
    previewed = preview(kind, workload, None, GAMES, demands, CLUSTER, True)
    made = copy.deepcopy(template)
    made["metadata"] |= {"generateName": "echo-5d9f-", "ownerReferences": CONTROLLED}
    made["metadata"]["labels"] |= ADDED[kind]
    decision = mutate(made, GAMES, demands, CLUSTER)
    told = [finding.reason for finding in previewed.findings if finding.code == "UDPLB929"]
    if decision.reason in ("", SkipReason.ALREADY_INJECTED) and sidecars(apply(made, decision.edits)):
        ports = status(apply(made, decision.edits)).get("ports")
        if ports is not None:  # a newer version's sidecar has a status that we cannot read
            assert [dict(re.findall(r"([0-9]+) \(([^)]+)\)", text)) for text in told] in ([ports], [])
        assert bool(told) is not (previewed.reason == SkipReason.ALREADY_INJECTED)
    else:
        assert told == []
        assert previewed.reason == decision.reason


@given(raw=PODS, path=st.integers(min_value=0), value=JSON, demands=DEMANDS)
def test_a_mangled_pod_raises_nothing_but_malformed_object(
    raw: dict[str, Any], path: int, value: Any, demands: list[Demand]
) -> None:
    mangled = mangle(raw, path, value)
    workload = {"kind": "Deployment", "metadata": mangled, "spec": {"template": mangled}}
    for answer in (
        lambda: json.dumps([edit.value for edit in mutate(mangled, GAMES, demands, CLUSTER).edits]),
        lambda: validate(mangled, GAMES, demands, CLUSTER),
        lambda: preview("Deployment", workload, {"spec": mangled}, GAMES, demands, CLUSTER, True),
    ):
        with suppress(MalformedObject):
            answer()


def mangle(raw: dict[str, Any], choice: int, value: Any) -> Any:
    """The object with one of its values, anywhere, replaced."""
    changed: dict[str, Any] = {"root": copy.deepcopy(raw)}
    places: list[tuple[Any, Any]] = []
    waiting: list[Any] = [changed]
    while waiting:
        holder = waiting.pop()
        entries = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, entry in entries:
            places.append((holder, key))
            if isinstance(entry, dict | list):
                waiting.append(entry)
    holder, key = places[choice % len(places)]
    holder[key] = value
    return changed["root"]
