"""A pod that earns each finding and the same pod put right, by the code; see Example.

Everything that is not written is that of a game server: one container with UDP 7777 in an opted-in
namespace, selected by a Service `game` whose load balancer probes that number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.policy import keys
from webhook.policy.cluster import Trigger
from webhook.policy.example import Example, Fragment
from webhook.policy.pod.objects import PORT_START, SIDECAR_NAME

UNILLUSTRATED: Mapping[str, str] = {
    "UDPLB929": "tells, on a dry run, what a healthy workload gets",
    "UDPLB963": "a sidecar that is there is no fault",
    "UDPLB965": "the fault is the LimitRange's, see its own manifest",
}
"""Codes without an example, each with its reason."""


def _pod(
    *,
    labels: Mapping[str, str | None] | None = None,
    annotations: Mapping[str, str | None] | None = None,
    **spec: Any,
) -> Fragment:
    metadata = {"labels": labels, "annotations": annotations}
    written = {name: entries for name, entries in metadata.items() if entries}
    return ({"metadata": written} if written else {}) | ({"spec": spec} if spec else {})


def _container(*ports: Fragment, **fields: Any) -> Fragment:
    return {"name": "game", "image": "game:1", **({"ports": list(ports)} if ports else {}), **fields}


def _udp(number: int, **fields: Any) -> Fragment:
    return {"containerPort": number, "protocol": "UDP", **fields}


def _tcp(number: int, **fields: Any) -> Fragment:
    return {"containerPort": number, "protocol": "TCP", **fields}


def _port(number: int, target: int | str) -> Fragment:
    return {"spec": {"ports": [{"port": number, "protocol": "UDP", "targetPort": target}]}}


def _annotated(key: str, before: str | None, after: str | None, **others: Any) -> Example:
    return Example(_pod(annotations={key: before}), _pod(annotations={key: after}), kind="Pod", **others)


_INJECTED = (
    '{"schema":1,"version":"0.1.0","injected":true,"hash":"0123456789ab","ports":{"7777":"service/game"}}'
)
_SIDECAR = {"name": SIDECAR_NAME, "args": ["--port", "7777"]}
_ISTIO_INIT = {"name": "istio-init"}
_NO_SERVICE: Fragment = {"spec": {"selector": {"app": "another"}}}
_UNDECLARED = [_container()]

EXAMPLES: dict[str, Example] = {
    "UDPLB920": _annotated(keys.PORTS, "game", "7777"),
    "UDPLB921": Example(
        _pod(annotations={"udplb/port": "7777"}), _pod(annotations={keys.PORTS: "7777"}), kind="Pod"
    ),
    "UDPLB922": Example(
        _pod(annotations={keys.INJECT: "true"}), _pod(labels={keys.INJECT: "true"}), kind="Pod"
    ),
    "UDPLB923": Example(
        _pod(annotations={f"{keys.PROBE_OF_PORT}7776": "a2s"}),
        _pod(annotations={f"{keys.PROBE_OF_PORT}7777": "a2s"}),
        kind="Pod",
    ),
    "UDPLB924": Example(
        _pod(containers=[_container(_udp(7777))]),
        _pod(containers=[_container(_udp(7777, name="game"))]),
        kind="Pod",
        service=_port(7777, "game"),
    ),
    "UDPLB925": Example(
        _pod(securityContext={"sysctls": [{"name": PORT_START, "value": "1000"}]}),
        _pod(securityContext={"sysctls": [{"name": PORT_START, "value": "53"}]}),
        kind="Pod",
        service=_port(53, 53),
    ),
    "UDPLB926": Example(
        _pod(containers=[_container(*map(_udp, range(7000, 7065)))]),
        _pod(containers=[_container(*map(_udp, range(7000, 7064)))]),
        kind="Pod",
        when="No Service selects the pod, so that the ports count that it declares.",
        service=_NO_SERVICE,
    ),
    "UDPLB927": Example(
        _pod(annotations={keys.STATUS: _INJECTED}, initContainers=[_SIDECAR]),
        _pod(annotations={keys.STATUS: _INJECTED}, initContainers=[_SIDECAR | {"restartPolicy": "Always"}]),
        kind="Pod",
        final=True,
    ),
    "UDPLB928": _annotated(keys.STATUS, _INJECTED, None, final=True),
    "UDPLB930": _annotated(keys.DRAIN, "60s", "300s"),
    "UDPLB931": Example(
        _pod(initContainers=[_ISTIO_INIT | {"args": ["-b", "*", "-d", "15090,15021"]}]),
        _pod(initContainers=[_ISTIO_INIT | {"args": ["-b", "*", "-d", "15090,15021,7777"]}]),
        kind="Pod",
    ),
    "UDPLB932": Example(
        _pod(labels={"istio.io/dataplane-mode": "ambient"}),
        _pod(labels={"istio.io/dataplane-mode": "none"}),
        kind="Pod",
    ),
    "UDPLB933": Example(
        _pod(containers=[_container(_tcp(8443, name="https"), _udp(8444, name="http3"))]),
        _pod(containers=[_container(_tcp(8443, name="https"), _udp(8443, name="http3"))]),
        kind="Pod",
        service={
            "spec": {
                "ports": [
                    {"name": "https", "port": 443, "protocol": "TCP", "targetPort": "https"},
                    {"name": "http3", "port": 443, "protocol": "UDP", "targetPort": "http3"},
                    {"name": "stun", "port": 3478, "protocol": "UDP", "targetPort": 3478},
                ]
            }
        },
    ),
    "UDPLB950": Example(
        {"metadata": {"labels": {keys.INJECT: None}}},
        {"metadata": {"labels": {keys.INJECT: "enabled"}}},
        kind="Namespace",
    ),
    "UDPLB951": Example(_pod(labels={keys.INJECT: "false"}), _pod(labels={keys.INJECT: "true"}), kind="Pod"),
    "UDPLB952": Example(
        _pod(containers=[_container({"name": "game", "containerPort": 7777})]),
        _pod(containers=[_container(_udp(7777, name="game"))]),
        kind="Pod",
        service=_port(7777, "game"),
    ),
    "UDPLB953": Example(
        _pod(labels={"app": "gane"}),
        _pod(labels={"app": "game"}),
        kind="Pod",
        when="The setting `injection.trigger` is `service`, so that no port counts that the pod declares.",
        cluster={"trigger": Trigger.SERVICE},
    ),
    "UDPLB954": Example(
        _pod(containers=_UNDECLARED),
        _pod(containers=[_container(_udp(7777))]),
        kind="Pod",
        when="The Service came a moment before the pod, and the API server does not answer in time.",
        service=_NO_SERVICE,
    ),
    "UDPLB955": Example(
        _pod(containers=_UNDECLARED),
        _pod(containers=[_container(_udp(7777))]),
        kind="Pod",
        when="The Service came a moment before the pod, as one of very many.",
        service=_NO_SERVICE,
    ),
    "UDPLB956": Example(
        {"metadata": {"annotations": {keys.aws("nlb-target-type"): "instance"}}},
        {"metadata": {"annotations": {keys.aws("nlb-target-type"): "ip"}}},
    ),
    "UDPLB957": Example(
        {"metadata": {"annotations": {keys.aws("healthcheck-port"): "8080"}}},
        {"metadata": {"annotations": {keys.aws("healthcheck-port"): "traffic-port"}}},
    ),
    "UDPLB958": Example(
        _pod(containers=[_container(_udp(7777), _tcp(7777))]),
        _pod(containers=[_container(_udp(7777))]),
        kind="Pod",
    ),
    "UDPLB959": Example(_pod(hostNetwork=True), _pod(hostNetwork=False), kind="Pod"),
    "UDPLB960": Example(_pod(os={"name": "windows"}), _pod(os={"name": "linux"}), kind="Pod"),
    "UDPLB961": _annotated(keys.MIRROR_POD, "3f2a", None),
    "UDPLB962": Example(
        _pod(initContainers=[_SIDECAR | {"args": ["--port", "7000"], "restartPolicy": "Always"}]),
        _pod(initContainers=None),
        kind="Pod",
    ),
    "UDPLB964": Example(
        _pod(annotations={keys.NATIVE_SIDECAR: "false"}, restartPolicy="Never"),
        _pod(annotations={keys.NATIVE_SIDECAR: "true"}, restartPolicy="Never"),
        kind="Pod",
    ),
    "UDPLB966": _annotated(
        keys.PORTS, "game", "7777", when="The pod is a ReplicaSet's, so that it is not refused."
    ),
    "UDPLB967": Example(_pod(hostNetwork="no"), _pod(hostNetwork=False), kind="Pod"),
}
