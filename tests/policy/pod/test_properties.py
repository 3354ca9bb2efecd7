"""What holds for every pod, however it was written or mangled."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.policy.pod.pods import CLUSTER, CONTROLLED, GAMES, STATUS, apply, sidecars, status
from webhook.policy.pod.decision import mutate, needs_lookup, preview, validate
from webhook.policy.pod.rules import SkipReason
from webhook.policy.raw import MalformedObject
from webhook.policy.service.demand import Demand

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
    },
)
STATUSES = st.sampled_from(
    [
        "",
        "{",
        '{"schema":1,"version":"0.1.0","injected":true,"hash":"0","ports":{"5555":"declared"}}',
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
        "udplb/probe.53": st.just("dns"),
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
        if key not in (STATUS, "kubectl.kubernetes.io/default-container")
    }
    for place in ("containers", "initContainers"):
        spec[place] = [entry for entry in spec.get(place) or [] if entry["name"] != "udp-healthcheck"]
    context = spec.setdefault("securityContext", {})
    context["sysctls"] = [
        entry for entry in context.get("sysctls", []) if not entry["name"].endswith("port_start")
    ]
    spec.pop("resources", None)
    return rest


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
        numbers = [int(word) for word in sidecar["args"][1::2]]
        assert numbers == sorted(set(numbers)) == sorted(int(number) for number in status(after)["ports"])
        assert validate(after, GAMES, demands, CLUSTER).findings == ()


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


@given(raw=PODS, path=st.integers(min_value=0), value=JSON, demands=DEMANDS)
def test_a_mangled_pod_raises_nothing_but_malformed_object(
    raw: dict[str, Any], path: int, value: Any, demands: list[Demand]
) -> None:
    mangled = mangle(raw, path, value)
    workload = {"kind": "Deployment", "metadata": mangled, "spec": {"template": mangled}}
    for answer in (
        lambda: json.dumps([edit.value for edit in mutate(mangled, GAMES, demands, CLUSTER).edits]),
        lambda: needs_lookup(mangled, GAMES, demands, CLUSTER),
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
