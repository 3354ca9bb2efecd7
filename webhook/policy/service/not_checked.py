"""What nobody can tell from a Service at admission, and where to look instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NotChecked:
    """One thing that can go wrong and stays out of sight: why, and how to see it.

    `name` is a word for tests and links; it never changes.
    """

    name: str
    title: str
    why: str
    look: str


NOT_CHECKED = (
    NotChecked(
        "api-server",
        "What the API server refuses by itself",
        "Ports without names, fields that do not go together, source ranges that are no networks: its own validation "
        "comes right after us and says it better.",
        "`kubectl apply --dry-run=server`",
    ),
    NotChecked(
        "subnets",
        "The subnets of the load balancer",
        "Their number where discovery finds them, their zones, free addresses and IPv6 blocks are facts of AWS. Two in "
        "one zone, or one without IPv6 under dualstack, stop the controller; a zone that has pods and no subnet gets "
        "no traffic while cross-zone balancing is off.",
        "the Service's events; the tags and zones of the VPC's subnets",
    ),
    NotChecked(
        "security-groups",
        "Rules of security groups that are not the controller's",
        "Groups of your own need UDP in and the check's TCP port out. A pod's network interface with several groups "
        "needs exactly one that carries the cluster's tag. A controller started without its back-end group opens "
        "nothing.",
        "reachability analysis in AWS; the events of TargetGroupBindings; the controller's flags",
    ),
    NotChecked(
        "network-policies",
        "NetworkPolicies",
        "They are objects of their own and change without the Service. One that admits UDP and not TCP of the same "
        "number shuts out the check.",
        "`udplb explain svc/NAME`",
    ),
    NotChecked(
        "meshes",
        "A mesh that intercepts the check",
        "What intercepts TCP is in the pod or on its node, not in the Service. udplb excludes its ports where the pod "
        "shows a mesh.",
        "the warnings on the pod, its annotation udplb/status",
    ),
    NotChecked(
        "pod-network",
        "Whether the load balancer reaches the pods",
        "ip targets need pod addresses that are routed in the VPC. Overlay networks have none, and replies can leave by "
        "another interface than the request came in (old releases of the VPC CNI).",
        "target health in AWS; the CNI's version",
    ),
    NotChecked(
        "hairpin",
        "Pods that are clients of their own load balancer",
        "The client's address is kept, so a pod that is sent its own datagram sees itself as the sender and drops it.",
        "use the cluster address inside the cluster",
    ),
    NotChecked(
        "other-family",
        "Clients of the other address family",
        "An IPv4 client of an IPv6 target, and the reverse, is seen with an address of the load balancer.",
        "the server's log of client addresses",
    ),
    NotChecked(
        "own-answer",
        "How the application answers a check on its own port",
        "The request carries the load balancer's address as its Host, and each of its nodes in each zone sends one an "
        "interval. A server that routes by Host or limits rates may refuse it. The sidecar does neither.",
        "target health in AWS",
    ),
    NotChecked(
        "targets-quota",
        "Quotas on targets",
        "With cross-zone balancing a load balancer has 500 targets, and a pod counts once for each of its ports. How "
        "many pods there will be is not in the Service, and AWS raises the quota on request.",
        "AWS Service Quotas; the events of TargetGroupBindings",
    ),
    NotChecked(
        "zone-costs",
        "What traffic between zones costs",
        "AWS bills it by volume: about two thirds of the traffic at three zones.",
        "the setting `crossZone`",
    ),
    NotChecked(
        "foreign-groups",
        "Target groups made by hand",
        "A TargetGroupBinding of your own, and a weighted action's ARN, name a group whose protocol and check are known "
        "to AWS alone.",
        "the group in AWS; pods behind it take their ports from udplb/ports",
    ),
)
