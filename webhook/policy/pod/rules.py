"""What udplb says about pods and why a pod is left alone: the rows that docs/rules.md is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from webhook.policy.finding import Finding, Severity


class SkipReason(StrEnum):
    """Why a pod, or one of its ports, is left alone: a closed list, also a metric's and a log's label."""

    NAMESPACE_NOT_ENABLED = "namespace_not_enabled"
    DISABLED_BY_POD = "disabled_by_pod"
    NO_UDP_PORT = "no_udp_port"
    NO_MATCHING_SERVICE = "no_matching_service"
    LOOKUP_FAILED = "lookup_failed"
    LOOKUP_LIMITED = "lookup_limited"
    TARGET_TYPE_INSTANCE = "target_type_instance"
    CHECK_PORT_ELSEWHERE = "check_port_elsewhere"
    TCP_PORT_IN_USE = "tcp_port_in_use"
    HOST_NETWORK = "host_network"
    WINDOWS = "windows"
    MIRROR_POD = "mirror_pod"
    FOREIGN_CONTAINER = "foreign_container"
    ALREADY_INJECTED = "already_injected"
    WOULD_NEVER_COMPLETE = "would_never_complete"
    NO_ROOM = "no_room"
    MALFORMED_ANNOTATION = "malformed_annotation"
    MALFORMED_OBJECT = "malformed_object"


@dataclass(frozen=True, slots=True)
class PodRule:
    """One row of the rules about pods: `about` tells people in a paragraph, `source` says how we know.

    A skip has one sentence for every pod (`title`), a field and a way out; the others say more exactly
    what is wrong, each time.
    """

    code: str
    severity: Severity
    title: str
    about: str
    source: str
    field: str = ""
    fix: str = ""

    def finding(self, field: str, reason: str, fix: str = "", value: str = "") -> Finding:
        return Finding(self.code, self.severity, field, reason, fix, value)

    def skipped(self) -> Finding:
        return self.finding(self.field, f"no sidecar: {self.title}", self.fix)


MALFORMED_KEY = PodRule(
    "UDPLB920",
    Severity.REJECT,
    "A udplb key of a pod has a value that udplb cannot read",
    "One malformed key skips the whole pod, since nobody can tell what was meant. It is refused where a "
    "person writes it: in a workload's template and in a pod without a controller. A pod that a controller "
    "owns is admitted without a sidecar, so that no rollout and no drained node hangs on it.",
    "docs/annotations.md",
)
UNKNOWN_KEY = PodRule(
    "UDPLB921",
    Severity.WARN,
    "A udplb key of a pod is none that udplb reads",
    "The key has no effect. The nearest key that udplb reads is named.",
    "docs/annotations.md",
)
MISPLACED_KEY = PodRule(
    "UDPLB922",
    Severity.WARN,
    "A udplb key stands where udplb does not look for it",
    "The pod switch is a label, so that the API server can use it without calling the webhook; the other "
    "keys of a pod are annotations; some keys belong to the Service or to the namespace.",
    "docs/annotations.md",
)
IDLE_KEY = PodRule(
    "UDPLB923",
    Severity.WARN,
    "A udplb key of a pod has nothing to act on",
    "The sidecar is added as if the key were absent. A probe of a single port, udplb/probe.PORT, needs a port "
    "that the sidecar listens on: a Service's target port, one that the pod declares, or one of udplb/ports. "
    "udplb/drain needs a container without a preStop hook, since it never replaces one.",
    "docs/annotations.md",
)
UNRESOLVED_TARGET = PodRule(
    "UDPLB924",
    Severity.WARN,
    "A Service names a target port that the pod does not declare on UDP",
    "A named targetPort is resolved in each pod, by name and protocol. A pod that lacks it never becomes a "
    "target of that port, and nothing else says so.",
    "Kubernetes pkg/api/v1/pod/util.go, FindPort",
)
LOW_PORT = PodRule(
    "UDPLB925",
    Severity.WARN,
    "The sidecar may not be allowed to listen below 1024",
    "A process without root binds a port below 1024 only where net.ipv4.ip_unprivileged_port_start allows "
    "it. udplb sets it in the pod, but never over the pod's own value and never on Fargate. Where the "
    "container runtime opens low ports by itself (containerd 2), nothing is missing.",
    "Linux Documentation/networking/ip-sysctl.rst; Kubernetes safe sysctls",
)
TOO_MANY_PORTS = PodRule(
    "UDPLB926",
    Severity.WARN,
    "More UDP ports than one sidecar listens on",
    "The sidecar holds 64 ports. The lowest numbers are served, the others stay red.",
    "sidecar/README.md",
)
BROKEN_SIDECAR = PodRule(
    "UDPLB927",
    Severity.REJECT,
    "The sidecar was damaged after udplb had added it",
    "Another webhook changed the container's place, restartPolicy or ports, or doubled it. Such a pod hangs "
    "in its start or is red for good. Webhooks that use typed models of old versions drop restartPolicy "
    "from every native sidecar.",
    "Kubernetes documentation, admission webhook good practices",
)
ABSENT_SIDECAR = PodRule(
    "UDPLB928",
    Severity.WARN,
    "The status says that the sidecar was added, but it is not there",
    "Another webhook removed it, or the manifest is a copy of a running pod's that was edited while udplb "
    "was away. The pod works, its target is red.",
    "docs/operations.md",
)
PREVIEW = PodRule(
    "UDPLB929",
    Severity.WARN,
    "What the pods of this workload will get",
    "Said on a dry run only: the ports, whom they come from, and what the sidecar adds to the pod's "
    "requests and limits, which counts against a ResourceQuota.",
    "docs/operations.md",
)
SHORT_DRAIN = PodRule(
    "UDPLB930",
    Severity.WARN,
    "The drain ends before the load balancer has moved the flows",
    "The controller deregisters a pod when its deletion begins, but AWS takes two to five minutes to act on it, "
    "and flows stay on a draining target until the Service's deregistration delay (300 seconds unless "
    "target-group-attributes say otherwise) ends. What the application does not serve until then is lost.",
    "AWS documentation, target group attributes; AWS support, as quoted by users of the controller",
)
MESH_INTERCEPTS = PodRule(
    "UDPLB931",
    Severity.WARN,
    "A service mesh answers the health check in the sidecar's place",
    "A proxy that takes all inbound TCP accepts the load balancer's check itself, so that the target is green "
    "whatever the sidecar says. udplb excludes its ports by annotation, which the mesh reads when it injects: "
    'here it had injected before. The status says "mesh":"intercepted".',
    "Istio tools/istio-iptables; Linkerd proxy-init",
)
AMBIENT = PodRule(
    "UDPLB932",
    Severity.WARN,
    "Istio ambient answers the health check in the sidecar's place",
    "ztunnel accepts a TCP connection before it knows whether anybody listens in the pod, so that a closed port "
    "looks open. Its only switch would take mTLS from the whole pod, so udplb never sets it. The status says "
    '"mesh":"ambient".',
    "Istio issue 60955",
)
SPLIT_TARGET = PodRule(
    "UDPLB933",
    Severity.WARN,
    "TCP and UDP of one listener are two numbers in the pod",
    "The controller registers a pod once for both, with the number of the first entry. Where the Service names a "
    "target port that is another number in this pod, one of the two protocols loses its traffic.",
    "LBC pkg/backend/endpoint_resolver.go",
)

_POLICY = "docs/architecture.md"

SKIPS = {
    SkipReason.NAMESPACE_NOT_ENABLED: PodRule(
        "UDPLB950",
        Severity.WARN,
        "the namespace has not opted in",
        "Pods of a namespace without the label udplb/inject are left alone, whatever the pod's own label "
        "says.",
        _POLICY,
        "metadata.namespace",
        "label the namespace udplb/inject=enabled",
    ),
    SkipReason.DISABLED_BY_POD: PodRule(
        "UDPLB951",
        Severity.WARN,
        "the pod's label switches udplb off",
        'The label udplb/inject: "false" leaves the pod alone.',
        _POLICY,
        "metadata.labels[udplb/inject]",
    ),
    SkipReason.NO_UDP_PORT: PodRule(
        "UDPLB952",
        Severity.WARN,
        "no UDP target port of its Services exists in this pod",
        "A UDP load balancer selects the pod, but names target ports that the pod does not declare on UDP, "
        "so the pod is no target of them.",
        _POLICY,
        "spec.containers",
        "declare the named ports with protocol UDP, or set udplb/ports",
    ),
    SkipReason.NO_MATCHING_SERVICE: PodRule(
        "UDPLB953",
        Severity.WARN,
        "no UDP load balancer selects the pod",
        "No Service of type LoadBalancer with a UDP port in this namespace selects the pod, and the pod's "
        "own UDP ports, if it declares any, do not count (injection.trigger: service).",
        _POLICY,
        "metadata.labels",
        "check the Service's selector, or set udplb/ports",
    ),
    SkipReason.LOOKUP_FAILED: PodRule(
        "UDPLB954",
        Severity.WARN,
        "the Services of the namespace could not be listed in time",
        "udplb knew no Service that selects the pod and asked the API server, which did not answer in time. "
        "A webhook never holds up a pod for that.",
        _POLICY,
        "metadata.labels",
        "create the pod again, declare its UDP ports, or set udplb/ports",
    ),
    SkipReason.LOOKUP_LIMITED: PodRule(
        "UDPLB955",
        Severity.WARN,
        "the Services of the namespace could not be listed, too many pods asked for it",
        "udplb knew no Service that selects the pod; its questions to the API server are paced, and this "
        "pod's turn did not come before its deadline.",
        _POLICY,
        "metadata.labels",
        "create the pod again, declare its UDP ports, or set udplb/ports",
    ),
    SkipReason.TARGET_TYPE_INSTANCE: PodRule(
        "UDPLB956",
        Severity.WARN,
        "the load balancer's targets are nodes, so it never probes the pod",
        "With instance targets the load balancer probes a port of the node. A sidecar would change nothing.",
        "LBC pkg/service/model_build_target_group.go",
        "metadata.labels",
        "use target type ip on the Service if pods shall be probed",
    ),
    SkipReason.CHECK_PORT_ELSEWHERE: PodRule(
        "UDPLB957",
        Severity.WARN,
        "the Service's check goes to another port, which the application answers",
        "An explicit healthcheck-port that is none of the pod's UDP ports is the application's own.",
        "LBC pkg/service/model_build_target_group.go",
        "metadata.labels",
        "set healthcheck-port to traffic-port on the Service if the sidecar shall answer",
    ),
    SkipReason.TCP_PORT_IN_USE: PodRule(
        "UDPLB958",
        Severity.WARN,
        "the application itself listens on TCP on every port that is probed",
        "Where a container declares the same number on TCP, or a TCP port of a load balancer has it as its "
        "target, the application answers the check, and the check tells about TCP only.",
        _POLICY,
        "spec.containers",
        "set udplb/ports if the application does not listen on TCP there",
    ),
    SkipReason.HOST_NETWORK: PodRule(
        "UDPLB959",
        Severity.WARN,
        "the pod uses the node's network, where a sidecar would take the node's ports",
        "On the host network the sidecar would listen on the node itself, beside every other pod there.",
        _POLICY,
        "spec.hostNetwork",
        "set hostNetwork: false, or answer TCP on the port in the application",
    ),
    SkipReason.WINDOWS: PodRule(
        "UDPLB960",
        Severity.WARN,
        "the sidecar is a Linux program and the pod runs on Windows",
        "Windows pods are told by spec.os.name or the node selector kubernetes.io/os.",
        _POLICY,
        "spec.os.name",
        "answer TCP on the port in the application",
    ),
    SkipReason.MIRROR_POD: PodRule(
        "UDPLB961",
        Severity.WARN,
        "this is the kubelet's copy of a static pod, which nobody can change",
        "The API server refuses a changed mirror pod.",
        "Kubernetes documentation, admission webhook good practices",
        "metadata.annotations[kubernetes.io/config.mirror]",
        "run the application by a Deployment, StatefulSet or DaemonSet",
    ),
    SkipReason.FOREIGN_CONTAINER: PodRule(
        "UDPLB962",
        Severity.WARN,
        "the pod has a container udp-healthcheck of its own",
        "A container of our name without our status was written by hand. It is left alone; a warning says "
        "so where it does not name the ports that are probed.",
        _POLICY,
        "spec.containers",
        "give it the ports that are probed, or remove it and let udplb add the sidecar",
    ),
    SkipReason.ALREADY_INJECTED: PodRule(
        "UDPLB963",
        Severity.WARN,
        "the sidecar is there and intact",
        "A second call for the same pod, or a sidecar of a newer version, changes nothing.",
        _POLICY,
        "metadata.annotations[udplb/status]",
    ),
    SkipReason.WOULD_NEVER_COMPLETE: PodRule(
        "UDPLB964",
        Severity.WARN,
        "as an ordinary container the sidecar would keep this pod from ever completing",
        "A pod whose restartPolicy is not Always ends when its containers end. With udplb/native-sidecar: "
        '"false" the sidecar is one of them and never does.',
        "Kubernetes documentation, sidecar containers",
        "metadata.annotations[udplb/native-sidecar]",
        'remove udplb/native-sidecar: "false"',
    ),
    SkipReason.NO_ROOM: PodRule(
        "UDPLB965",
        Severity.WARN,
        "a LimitRange of the namespace leaves no room for it",
        "A LimitRange bounds what a container or a whole pod may ask for. With the sidecar the pod would be "
        "refused; it is admitted without. A ratio of a resource other than cpu and memory, without a default for "
        "it, refuses every container that says nothing of it.",
        "Kubernetes plugin/pkg/admission/limitranger",
        "spec.containers",
        "raise the LimitRange's max, give a default beside its ratio, or lower what the pod asks for",
    ),
    SkipReason.MALFORMED_ANNOTATION: PodRule(
        "UDPLB966",
        Severity.WARN,
        "a udplb key of the pod has a value that udplb cannot read",
        "See UDPLB920: what a controller owns is admitted, but left alone.",
        "docs/annotations.md",
        "metadata.annotations",
        "correct the key in the workload's template",
    ),
    SkipReason.MALFORMED_OBJECT: PodRule(
        "UDPLB967",
        Severity.WARN,
        "a field of the pod has a type that the API does not have",
        "The API server refuses such an object in words of its own.",
        _POLICY,
        "spec",
    ),
}

EXPECTED = frozenset(
    {
        SkipReason.HOST_NETWORK,
        SkipReason.MALFORMED_ANNOTATION,
        SkipReason.WOULD_NEVER_COMPLETE,
        SkipReason.NO_ROOM,
        SkipReason.TCP_PORT_IN_USE,
    }
)
"""Skips where a user would expect a sidecar: a warning says so, and the status."""

RULES = (
    MALFORMED_KEY,
    UNKNOWN_KEY,
    MISPLACED_KEY,
    IDLE_KEY,
    UNRESOLVED_TARGET,
    LOW_PORT,
    TOO_MANY_PORTS,
    BROKEN_SIDECAR,
    ABSENT_SIDECAR,
    PREVIEW,
    SHORT_DRAIN,
    MESH_INTERCEPTS,
    AMBIENT,
    SPLIT_TARGET,
    *SKIPS.values(),
)
"""Every row, in the order of their codes."""
