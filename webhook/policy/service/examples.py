"""A Service that earns each rule's finding and the same Service put right, by the rule's code.

They are shown in docs/rules.md and by `udplb explain`. Everything that is not written is that of a game
server: UDP 7777, a selector, and an opted-in namespace beside a Service `other` with UDP 53.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.policy import keys
from webhook.policy.cluster import AUTO_MODE_CLASS, LBC_CLASS, Owner
from webhook.policy.example import Example, Fragment
from webhook.policy.service.annotations import SOURCE_RANGES

_GAME = {"name": "game", "port": 7777, "protocol": "UDP", "targetPort": 7777}
_DNS = {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353}
_DNS_TCP = {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 5353}
_WEB = {"name": "web", "port": 80, "protocol": "TCP", "targetPort": 8080}
_SCTP = {"name": "sctp", "port": 53, "protocol": "SCTP", "targetPort": 5353}
_MANY = [{"port": number, "protocol": "UDP"} for number in range(7000, 7051)]

_ACTION = "service.beta.kubernetes.io/actions.UDP-7777"
_FORWARD = '{{"type":"forward","forwardConfig":{{"targetGroups":[{{"serviceName":"{}","servicePort":53}}]}}}}'
_RUNNING: Fragment = {
    "metadata": {"name": "game-0", "labels": {"app": "game"}},
    "spec": {
        "containers": [
            {"name": "game", "ports": [{"name": "game", "containerPort": 7777, "protocol": "UDP"}]}
        ]
    },
}
_TO_OTHER = '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"other","servicePort":53}]}}'
_GROUP = "target-group-attributes"
_CROSS_ZONE = "load_balancing.cross_zone.enabled"
_ENDS_FLOWS = "deregistration_delay.connection_termination.enabled"
_TERMINATION = "target_health_state.unhealthy.connection_termination.enabled"
_PREFIX = "enable-prefix-for-ipv6-source-nat"
_TO_LEGACY = {"type": "nlb", keys.KEEP: "loadBalancerClass"}
_TLS = {"ssl-cert": "arn:aws:acm:…"}
_NO_GROUPS = {"disable-nlb-sg": "true"}
_QUIC = _NO_GROUPS | {"quic-enabled-ports": "game"}
_DUALSTACK = {"ip-address-type": "dualstack"}
_DRAINING = "target_health_state.unhealthy.draining_interval_seconds"


def _service(annotations: Mapping[str, str | None] | None = None, *ports: Fragment, **spec: Any) -> Fragment:
    """A part of a Service; an annotation of AWS's by its short name, every other one by its whole key."""
    written = {name if "/" in name else keys.aws(name): value for name, value in (annotations or {}).items()}
    fields = ({"ports": list(ports)} if ports else {}) | spec
    return ({"metadata": {"annotations": written}} if written else {}) | ({"spec": fields} if fields else {})


def _annotated(name: str, before: str | None, after: str | None, *ports: Fragment, **spec: Any) -> Example:
    """Two Services that differ in one annotation."""
    return Example(_service({name: before}, *ports, **spec), _service({name: after}, *ports, **spec))


def _beside(
    always: Mapping[str, str], name: str, before: str | None, after: str | None, *ports: Fragment, **spec: Any
) -> Example:
    """Two Services that differ in one annotation, beside others that both have."""
    first, second = _service({**always, name: before}, *ports, **spec), {**always, name: after}
    return Example(first, _service(second, *ports, **spec))


def _update(before: Fragment, after: Fragment, old: Fragment, also: frozenset[str] = frozenset()) -> Example:
    """Two updates of a Service that LBC serves."""
    spec = {"loadBalancerClass": LBC_CLASS, **old["spec"]}
    return Example(before, after, old={**old, "spec": spec}, also=also)


def _changed(name: str, was: str | None, becomes: str) -> Example:
    """One annotation of a Service that LBC serves: changed, and left as it was."""
    old = _service({name: was}, loadBalancerClass=LBC_CLASS)
    return Example(_service({name: becomes}), _service({name: was}), old=old)


EXAMPLES: dict[str, Example] = {
    "UDPLB101": Example(
        _service(loadBalancerClass=None),
        _service(loadBalancerClass=LBC_CLASS),
        final=True,
    ),
    "UDPLB103": Example(
        _service({"type": "NLB"}, loadBalancerClass=LBC_CLASS),
        _service({"type": "external"}, loadBalancerClass=LBC_CLASS),
    ),
    "UDPLB104": Example(
        _service({"type": "nlb", "scheme": "internal"}, loadBalancerClass=LBC_CLASS),
        _service({"type": "external", "scheme": "internal"}, loadBalancerClass=LBC_CLASS),
    ),
    "UDPLB105": Example(
        _service(loadBalancerClass="example.com/balancer"), _service(loadBalancerClass=LBC_CLASS)
    ),
    "UDPLB106": Example(
        _service({SOURCE_RANGES: "10.0.0.0/8"}, loadBalancerSourceRanges=["10.0.0.0/8"]),
        _service({SOURCE_RANGES: None}, loadBalancerSourceRanges=["10.0.0.0/8"]),
        when="EKS Auto Mode serves the cluster.",
        cluster={"owner": Owner.AUTO_MODE},
    ),
    "UDPLB107": Example(
        _service({"type": "nlb", "scheme": None}), _service({"type": "nlb", "scheme": "internet-facing"})
    ),
    "UDPLB108": Example(
        _service(_TO_LEGACY, _DNS, _WEB),
        _service(_TO_LEGACY, _DNS),
        when="udplb/keep leaves the Service to the legacy controller.",
    ),
    "UDPLB109": Example(
        _service(_TO_LEGACY, sessionAffinity="ClientIP"),
        _service(_TO_LEGACY, sessionAffinity="None"),
        when="udplb/keep leaves the Service to the legacy controller.",
    ),
    "UDPLB110": Example(_service(loadBalancerIP="203.0.113.7"), _service(loadBalancerIP=None)),
    "UDPLB115": Example(
        _service({"type": "external", "nlb-target-type": "ip"}, type="ClusterIP"),
        _service({"type": None, "nlb-target-type": "ip"}, type="ClusterIP"),
    ),
    "UDPLB116": Example(
        _service(loadBalancerClass=LBC_CLASS),
        _service(loadBalancerClass=AUTO_MODE_CLASS),
        when="The controller runs with `--feature-gates=EnableServiceController=false`.",
        cluster={"feature_gates": {"EnableServiceController": False}},
    ),
    "UDPLB140": Example(
        _service(loadBalancerClass=None),
        _service(loadBalancerClass=LBC_CLASS),
        when="Both controllers are installed, and the setting `owner` is `detect`.",
        cluster={"owner": None},
    ),
    "UDPLB141": _annotated(keys.KEEP, "crossZone", "externalTrafficPolicy"),
    "UDPLB142": Example(
        _service({"type": "nlb", "healthcheck-interval": "20"}),
        _service({"type": "nlb", "healthcheck-interval": "20", keys.INJECT: "false"}),
        when="Only deleting and creating it again gives it to a controller that checks; to keep it and have quiet:",
        old=_service({"type": "nlb"}),
    ),
    "UDPLB143": _annotated(keys.ALLOW, "UDPLB9999", "UDPLB410"),
    "UDPLB144": Example(
        {"metadata": {"labels": {keys.INJECT: "false"}}}, {"metadata": {"labels": {keys.INJECT: None}}}
    ),
    "UDPLB201": Example(
        _service({"nlb-target-type": None}),
        _service({"nlb-target-type": "ip"}),
        final=True,
        also=frozenset({"UDPLB423"}),
    ),
    "UDPLB202": Example(
        _service({"nlb-target-type": "IP"}),
        _service({"nlb-target-type": "ip"}),
        also=frozenset({"UDPLB423"}),
    ),
    "UDPLB203": _annotated("nlb-target-type", "instance", "ip"),
    "UDPLB204": Example(
        _service(
            {"nlb-target-type": "instance"},
            externalTrafficPolicy="Local",
            allocateLoadBalancerNodePorts=False,
        ),
        _service(
            {"nlb-target-type": "instance"},
            externalTrafficPolicy="Local",
            allocateLoadBalancerNodePorts=True,
        ),
    ),
    "UDPLB205": Example(
        _service(_TO_LEGACY, allocateLoadBalancerNodePorts=False),
        _service(_TO_LEGACY, allocateLoadBalancerNodePorts=True),
        when="udplb/keep leaves the Service to the legacy controller.",
    ),
    "UDPLB206": Example(
        _service({"nlb-target-type": "ip"}, externalTrafficPolicy="Local"),
        _service({"nlb-target-type": "instance"}, externalTrafficPolicy="Local"),
        when="The controller runs with `--feature-gates=EnableIPTargetType=false`.",
        cluster={"feature_gates": {"EnableIPTargetType": False}},
    ),
    "UDPLB207": Example(
        _service({"type": "nlb-ip", "nlb-target-type": "instance"}),
        _service({"type": "nlb-ip", "nlb-target-type": "ip"}),
    ),
    "UDPLB209": Example(_service(selector=None), _service(selector={"app": "game"})),
    "UDPLB240": Example(
        _service({"nlb-target-type": "instance", "healthcheck-port": "web"}, _GAME, _WEB),
        _service({"nlb-target-type": "ip", "healthcheck-port": "web"}, _GAME, _WEB),
    ),
    "UDPLB301": _annotated("enable-tcp-udp-listener", "false", "true", _DNS, _DNS_TCP),
    "UDPLB302": Example(
        _service({"enable-tcp-udp-listener": "true"}, _DNS, _DNS_TCP | {"targetPort": 8053}),
        _service({"enable-tcp-udp-listener": "true"}, _DNS, _DNS_TCP),
    ),
    "UDPLB303": Example(
        _service({}, _DNS | {"targetPort": "dns"}, _DNS_TCP | {"targetPort": "dns-tcp"}),
        _service({}, _DNS | {"targetPort": 5353}, _DNS_TCP | {"targetPort": 5353}),
    ),
    "UDPLB304": Example(
        _service({"enable-tcp-udp-listener": "true"}, _DNS, _SCTP),
        _service({"enable-tcp-udp-listener": "true"}, _DNS, _DNS_TCP),
        also=frozenset({"UDPLB306"}),
    ),
    "UDPLB305": _annotated("enable-tcp-udp-listener", "yes", "true"),
    "UDPLB306": Example(_service({}, _GAME, _SCTP), _service({}, _GAME)),
    "UDPLB308": _beside(
        _TLS | {"enable-tcp-udp-listener": "true"}, "ssl-ports", "dns-tcp", "web", _DNS, _DNS_TCP, _WEB
    ),
    "UDPLB309": _beside(_TLS, "ssl-ports", "game", "web", _GAME, _WEB),
    "UDPLB310": _annotated("ssl-ports", "443", "web", _GAME, _WEB),
    "UDPLB311": _beside(_NO_GROUPS, "quic-enabled-ports", "web", "game", _GAME, _WEB),
    "UDPLB312": _beside(_NO_GROUPS, "quic-enabled-ports", "gmae", "game", _GAME),
    "UDPLB313": _beside(
        _NO_GROUPS | {"enable-tcp-udp-listener": "true"},
        "quic-enabled-ports",
        "dns-tcp",
        "53",
        _DNS,
        _DNS_TCP,
    ),
    "UDPLB314": _beside(_QUIC, "nlb-target-type", "instance", "ip", externalTrafficPolicy="Local"),
    "UDPLB315": _beside({"quic-enabled-ports": "game"}, "disable-nlb-sg", "false", "true", _GAME),
    "UDPLB316": _beside(_QUIC, "ip-address-type", "dualstack", "ipv4", ipFamilyPolicy="PreferDualStack"),
    "UDPLB317": Example(
        {"metadata": {"labels": {keys.INJECT: "enabled"}}},
        {"metadata": {"labels": {keys.INJECT: "enabled", keys.QUIC_SERVER_ID: "enabled"}}},
        kind="Namespace",
        service=_service(_QUIC),
        when="The Service of the namespace has `quic-enabled-ports`.",
    ),
    "UDPLB318": _beside(_QUIC, "healthcheck-port", "traffic-port", "web", _GAME, _WEB),
    "UDPLB320": _annotated("listener-attributes.UDP-7777", "tcp.idle_timeout.seconds=60", None),
    "UDPLB321": Example(
        _service({"listener-attributes.TLS-80": "tcp.idle_timeout.seconds=60"}, _GAME, _WEB),
        _service({"listener-attributes.TCP-80": "tcp.idle_timeout.seconds=60"}, _GAME, _WEB),
    ),
    "UDPLB323": Example(_service({}, *_MANY), _service({}, *_MANY[:-1])),
    "UDPLB325": Example(
        _service({}, _GAME | {"targetPort": "play"}),
        _service({}, _GAME | {"targetPort": "game"}),
        pod=_RUNNING,
    ),
    "UDPLB340": Example(
        _service({"ssl-cert": "arn:aws:acm:…", "alpn-policy": "h2"}, _GAME, _WEB),
        _service({"ssl-cert": "arn:aws:acm:…", "alpn-policy": "HTTP2Preferred"}, _GAME, _WEB),
    ),
    "UDPLB341": Example(
        _service({}, _DNS, _DNS_TCP),
        _service({}, _DNS, _DNS_TCP | {"port": 5300}),
    ),
    "UDPLB342": _beside(_TLS, "ssl-ports", None, "web", _GAME, _WEB),
    "UDPLB343": Example(
        _service({}, _GAME | {"name": "tftp", "port": 69}),
        _service({}, _GAME | {"name": "tftp", "port": 6969}),
    ),
    "UDPLB344": Example(_service({}, *_MANY[:9]), _service({}, *_MANY[:8])),
    "UDPLB352": _annotated(
        _ACTION,
        '{"type":"redirect"}',
        '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"other","servicePort":53}]}}',
    ),
    "UDPLB353": _annotated(
        _ACTION,
        '{"type":"forward"}',
        '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"other","servicePort":53}]}}',
    ),
    "UDPLB354": _annotated(
        _ACTION,
        '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"other"}]}}',
        '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"other","servicePort":53}]}}',
    ),
    "UDPLB355": Example(
        _service({_ACTION: _FORWARD.format("canary")}),
        _service({_ACTION: _FORWARD.format("other")}),
        when="Service canary is of type ClusterIP, Service other a UDP load balancer.",
    ),
    "UDPLB358": Example(
        _service({_ACTION: _TO_OTHER}),
        _service({_ACTION: None}),
        when="The controller runs with `--feature-gates=WeightedTargetGroups=false`.",
        cluster={"feature_gates": {"WeightedTargetGroups": False}},
    ),
    "UDPLB402": Example(
        _service(selector={"app": "game"}),
        _service(selector={"app": "arena"}),
        when="The pods were made before the namespace was opted in.",
        pod=_RUNNING,
    ),
    "UDPLB403": _annotated("healthcheck-protocol", "udp", "tcp"),
    "UDPLB404": _annotated("healthcheck-port", "game", "traffic-port", _GAME | {"targetPort": "game"}),
    "UDPLB405": _annotated("healthcheck-port", "Traffic-Port", "traffic-port"),
    "UDPLB407": _annotated("healthcheck-port", "70000", "traffic-port"),
    "UDPLB408": _annotated("healthcheck-port", "8080", "traffic-port"),
    "UDPLB409": _annotated("healthcheck-port", "7777", "traffic-port", _GAME, _DNS),
    "UDPLB410": _annotated("healthcheck-port", "10256", "traffic-port"),
    "UDPLB411": Example(_service({"targettype": "ip"}), _service({"nlb-target-type": "ip"})),
    "UDPLB412": _annotated("healthcheck-protocol", "http", "tcp", _GAME, _WEB),
    "UDPLB413": Example(
        _service({"healthcheck-protocol": "tcp", "healthcheck-path": "/health"}),
        _service({"healthcheck-protocol": "tcp"}),
    ),
    "UDPLB414": _annotated("healthcheck-interval", "301", "300"),
    "UDPLB415": _annotated("healthcheck-interval", "10s", "10"),
    "UDPLB416": Example(
        _service({"healthcheck-interval": "10", "healthcheck-timeout": "11"}),
        _service({"healthcheck-interval": "10", "healthcheck-timeout": "10"}),
    ),
    "UDPLB417": Example(
        _service({"healthcheck-interval": "5", "healthcheck-timeout": None}),
        _service({"healthcheck-interval": "5", "healthcheck-timeout": "5"}),
        final=True,
    ),
    "UDPLB418": _annotated("healthcheck-protocol", "https", "http"),
    "UDPLB419": Example(
        _service({"proxy-protocol": "*", "healthcheck-protocol": "http"}, _GAME, _WEB),
        _service({"proxy-protocol": "*", "healthcheck-protocol": "tcp"}, _GAME, _WEB),
        also=frozenset({"UDPLB412"}),
    ),
    "UDPLB420": Example(
        _service({"healthcheck-protocol": "http"}),
        _service({"healthcheck-protocol": "tcp"}),
        when="The controller runs with `--feature-gates=NLBHealthCheckAdvancedConfig=false`.",
        old=_service(loadBalancerClass=LBC_CLASS),
        cluster={"feature_gates": {"NLBHealthCheckAdvancedConfig": False}},
    ),
    "UDPLB423": Example(
        _service(
            {"nlb-target-type": "instance", "healthcheck-port": "traffic-port"}, externalTrafficPolicy="Local"
        ),
        _service({"nlb-target-type": "instance"}, externalTrafficPolicy="Local"),
    ),
    "UDPLB501": Example(
        _service({_GROUP: "preserve_client_ip.enabled=false"}, _GAME, _WEB),
        _service({f"{_GROUP}.80": "preserve_client_ip.enabled=false"}, _GAME, _WEB),
    ),
    "UDPLB502": _annotated(_GROUP, "preserve_client_ip.enabled=yes", "preserve_client_ip.enabled=true"),
    "UDPLB503": _annotated("attributes", f"{_CROSS_ZONE}=true,", f"{_CROSS_ZONE}=true"),
    "UDPLB504": Example(
        _service({"proxy-protocol": "enabled"}, _GAME, _WEB),
        _service({"proxy-protocol-per-target-group": "80"}, _GAME, _WEB),
        also=frozenset({"UDPLB540"}),
    ),
    "UDPLB505": _annotated("proxy-protocol", "*", None),
    "UDPLB506": _annotated("proxy-protocol-per-target-group", "web", "80", _GAME, _WEB),
    "UDPLB507": _annotated(_GROUP, f"{_TERMINATION}=true", f"{_TERMINATION}=false"),
    "UDPLB508": _annotated(_GROUP, f"{_DRAINING}=30", f"{_TERMINATION}=false,{_DRAINING}=30"),
    "UDPLB509": _annotated(_GROUP, f"{_ENDS_FLOWS}=false", f"{_ENDS_FLOWS}=true"),
    "UDPLB510": _annotated(_GROUP, "stickiness.type=lb_cookie", "stickiness.type=source_ip"),
    "UDPLB511": _annotated(_GROUP, f"{_CROSS_ZONE}=false", None),
    "UDPLB512": Example(
        _service({"attributes": f"{_CROSS_ZONE}=true"}),
        _service({"attributes": f"{_CROSS_ZONE}=true,deletion_protection.enabled=false"}),
        old=_service(
            {"attributes": f"{_CROSS_ZONE}=true,deletion_protection.enabled=true"},
            loadBalancerClass=LBC_CLASS,
        ),
    ),
    "UDPLB513": _annotated(
        _GROUP, "slow_start.duration_seconds=30", "deregistration_delay.timeout_seconds=30"
    ),
    "UDPLB514": Example(
        _service(_TO_LEGACY | {_GROUP: "deregistration_delay.timeout_seconds=30"}),
        _service(_TO_LEGACY | {_GROUP: "preserve_client_ip.enabled=true"}),
        when="udplb/keep leaves the Service to the legacy controller.",
    ),
    "UDPLB540": Example(
        _service({"proxy-protocol": "*"}, _GAME, _WEB),
        _service({"proxy-protocol-per-target-group": "80"}, _GAME, _WEB),
    ),
    "UDPLB601": _annotated("attributes", f"{_CROSS_ZONE}=false", f"{_CROSS_ZONE}=true"),
    "UDPLB602": Example(
        _service({"cross-zone-load-balancing-enabled": "false", "attributes": f"{_CROSS_ZONE}=true"}),
        _service({"attributes": f"{_CROSS_ZONE}=true"}),
    ),
    "UDPLB603": _annotated("internal", "0.0.0.0/0", "true"),
    "UDPLB607": _annotated(
        "attributes",
        f"{_CROSS_ZONE}=true,dns_record.client_routing_policy=nearest",
        f"{_CROSS_ZONE}=true,dns_record.client_routing_policy=any_availability_zone",
    ),
    "UDPLB608": _annotated(
        "attributes",
        f"{_CROSS_ZONE}=true,dns_record.client_routing_policy=availability_zone_affinity",
        f"{_CROSS_ZONE}=true,dns_record.client_routing_policy=partial_availability_zone_affinity",
    ),
    "UDPLB609": _annotated(
        "attributes",
        f"{_CROSS_ZONE}=true,deletion_protection.enabled=yes",
        f"{_CROSS_ZONE}=true,deletion_protection.enabled=false",
    ),
    "UDPLB610": _annotated(
        "attributes",
        f"{_CROSS_ZONE}=true,deletion_protection.enabled=true",
        f"{_CROSS_ZONE}=true,deletion_protection.enabled=false",
    ),
    "UDPLB611": _annotated("scheme", "public", "internet-facing"),
    "UDPLB612": _annotated("name", "the-load-balancer-of-the-game-servers", "game-servers"),
    "UDPLB613": _annotated("name", "game_servers", "game-servers"),
    "UDPLB614": Example(
        _service({"name": "arena"}),
        _service({"name": "arena-2"}),
        beside=_service({"name": "arena"}, loadBalancerClass=LBC_CLASS),
    ),
    "UDPLB615": Example(
        _service({"eip-allocations": "eipalloc-1"}),
        _service({"eip-allocations": "eipalloc-1", "scheme": "internet-facing"}),
    ),
    "UDPLB616": Example(
        _service({"scheme": "internet-facing", "eip-allocations": "eipalloc-1", "subnets": "zone-a,zone-b"}),
        _service(
            {
                "scheme": "internet-facing",
                "eip-allocations": "eipalloc-1,eipalloc-2",
                "subnets": "zone-a,zone-b",
            }
        ),
    ),
    "UDPLB617": _annotated("private-ipv4-addresses", "10.0.0.256", "10.0.0.25"),
    "UDPLB640": _annotated(
        "attributes",
        "access_logs.s3.enabled=false",
        f"access_logs.s3.enabled=false,{_CROSS_ZONE}=true",
    ),
    "UDPLB641": _annotated("minimum-load-balancer-capacity", "Units=500", "CapacityUnits=500"),
    "UDPLB642": Example(
        _service({"scheme": "internal", "internal": "false"}), _service({"scheme": "internal"})
    ),
    "UDPLB643": Example(
        _service({"attributes": "zonal_shift.config.enabled=true"}),
        _service({"attributes": f"zonal_shift.config.enabled=true,{_CROSS_ZONE}=true"}),
        also=frozenset({"UDPLB640"}),
    ),
    "UDPLB644": _annotated("attributes", f"{_CROSS_ZONE}=yes", f"{_CROSS_ZONE}=true"),
    "UDPLB651": Example(_service(ipFamilies=["IPv4", "IPv6"]), _service(ipFamilies=["IPv4"])),
    "UDPLB652": _annotated("ip-address-type", "DualStack", "dualstack", ipFamilyPolicy="PreferDualStack"),
    "UDPLB653": _beside(_DUALSTACK, _PREFIX, "off", "on", ipFamilies=["IPv6"]),
    "UDPLB654": Example(
        _service(_DUALSTACK, ipFamilies=["IPv4"]),
        _service(_DUALSTACK, ipFamilies=["IPv4", "IPv6"]),
    ),
    "UDPLB655": Example(
        _service(_DUALSTACK | {_PREFIX: "true"}, ipFamilies=["IPv6"]),
        _service(_DUALSTACK | {_PREFIX: "on"}, ipFamilies=["IPv6"]),
        also=frozenset({"UDPLB653"}),
    ),
    "UDPLB656": _annotated(_PREFIX, "on", "off"),
    "UDPLB658": _beside(
        _DUALSTACK, "source-nat-ipv6-prefixes", "2001:db8::/64", "2001:db8::/80", ipFamilies=["IPv6"]
    ),
    "UDPLB661": Example(
        _service(loadBalancerSourceRanges=["2001:db8::/32"]),
        _service(loadBalancerSourceRanges=["10.0.0.0/8"]),
    ),
    "UDPLB690": Example(
        _service({"ip-address-type": None}),
        _service({"ip-address-type": "dualstack"}),
        when="The cluster's first family is IPv6.",
        cluster={"ipv6": True},
    ),
    "UDPLB701": _beside({"security-groups": "sg-1"}, "manage-backend-security-group-rules", "false", "true"),
    "UDPLB704": Example(
        _service(_NO_GROUPS, loadBalancerSourceRanges=None),
        _service(_NO_GROUPS, loadBalancerSourceRanges=["10.0.0.0/8"]),
    ),
    "UDPLB705": Example(
        _service(_NO_GROUPS, _DNS, _DNS_TCP, loadBalancerSourceRanges=["10.0.0.0/8"]),
        _service(_NO_GROUPS, _DNS, _DNS_TCP, loadBalancerSourceRanges=["0.0.0.0/0"]),
    ),
    "UDPLB707": _update(
        _service({"disable-nlb-sg": "true"}),
        _service({"disable-nlb-sg": None}),
        _service(loadBalancerSourceRanges=["10.0.0.0/8"]),
    ),
    "UDPLB710": Example(
        _service({SOURCE_RANGES: "10.0.0.0/8"}, loadBalancerSourceRanges=["10.1.0.0/16"]),
        _service({SOURCE_RANGES: None}, loadBalancerSourceRanges=["10.1.0.0/16"]),
    ),
    "UDPLB740": _annotated("inbound-sg-rules-on-private-link-traffic", "true", "on"),
    "UDPLB757": Example(
        _service(allocateLoadBalancerNodePorts=False), _service(allocateLoadBalancerNodePorts=True)
    ),
    "UDPLB758": Example(_service(sessionAffinity="ClientIP"), _service(sessionAffinity="None")),
    "UDPLB761": Example(_service(publishNotReadyAddresses=True), _service(publishNotReadyAddresses=False)),
    "UDPLB762": Example(_service(externalIPs=["203.0.113.7"]), _service(externalIPs=None)),
    "UDPLB763": Example(
        _service(externalTrafficPolicy="Cluster"), _service(externalTrafficPolicy="Local"), final=True
    ),
    "UDPLB801": Example(
        _service({"type": "external", "nlb-target-type": "ip"}),
        _service({"type": "nlb", "nlb-target-type": "ip"}),
        old=_service({"type": "nlb"}),
    ),
    "UDPLB802": Example(
        _service({"type": "nlb", "nlb-target-type": "ip"}),
        _service({"type": "external", "nlb-target-type": "ip", "healthcheck-interval": "20"}),
        old=_service({"type": "external", "nlb-target-type": "ip"}),
        also=frozenset({"UDPLB142"}),
    ),
    "UDPLB803": Example(
        _service({"type": "external", "nlb-target-type": "ip"}, _WEB, _GAME),
        _service({"type": None}, _WEB, _GAME),
        when="The legacy controller built a Classic load balancer for the TCP port.",
        old=_service({"type": None}, _WEB),
    ),
    "UDPLB805": _update(
        _service(loadBalancerClass="eks.amazonaws.com/nlb"),
        _service(loadBalancerClass=LBC_CLASS),
        _service(loadBalancerClass=LBC_CLASS),
    ),
    "UDPLB806": Example(
        _service({"nlb-target-type": "ip"}, loadBalancerClass=LBC_CLASS),
        _service({"nlb-target-type": "instance"}, loadBalancerClass=LBC_CLASS),
        old=_service(
            {"nlb-target-type": "instance"}, loadBalancerClass=LBC_CLASS, externalTrafficPolicy="Local"
        ),
    ),
    "UDPLB807": Example(
        _service({"nlb-target-type": "instance"}, loadBalancerClass=LBC_CLASS),
        _service({"nlb-target-type": "ip"}, loadBalancerClass=LBC_CLASS),
        old=_service({"nlb-target-type": "ip"}, loadBalancerClass=LBC_CLASS),
        also=frozenset({"UDPLB423"}),
    ),
    "UDPLB808": _update(
        _service({"enable-tcp-udp-listener": "true"}, _DNS, _DNS_TCP),
        _service({"enable-tcp-udp-listener": "true"}, _DNS, _WEB),
        _service({"enable-tcp-udp-listener": "true"}, _DNS),
    ),
    "UDPLB809": _update(
        _service({}, _GAME, _WEB | {"protocol": "UDP"}),
        _service({}, _GAME, _WEB, _WEB | {"name": "quic", "port": 81, "protocol": "UDP"}),
        _service({"ip-address-type": "dualstack"}, _GAME, _WEB),
        also=frozenset({"UDPLB808"}),
    ),
    "UDPLB812": _update(
        _service({}, _GAME | {"port": 7778}),
        _service({}, _GAME, _GAME | {"name": "new", "port": 7778}),
        _service({}, _GAME),
    ),
    "UDPLB813": _update(
        _service({}, _GAME | {"targetPort": 7778}),
        _service({}, _GAME | {"name": "play"}),
        _service({}, _GAME),
    ),
    "UDPLB814": Example(
        _service({"scheme": "internet-facing"}, loadBalancerClass=LBC_CLASS),
        _service({"scheme": "internal"}, loadBalancerClass=LBC_CLASS),
        old=_service({"scheme": "internal"}, loadBalancerClass=LBC_CLASS),
    ),
    "UDPLB816": _changed("name", "game", "arena"),
    "UDPLB817": _changed("private-ipv4-addresses", "10.0.0.10", "10.0.0.11"),
    "UDPLB819": _update(
        _service(_DUALSTACK | {_PREFIX: "on"}),
        _service({"ip-address-type": "ipv4"}),
        _service({}, _GAME, ipFamilyPolicy="PreferDualStack"),
    ),
    "UDPLB821": Example(
        _service({"ip-address-type": "ipv4", _PREFIX: None}),
        _service({"ip-address-type": "dualstack", _PREFIX: "on"}),
        old=_service(
            _DUALSTACK | {_PREFIX: "on"}, loadBalancerClass=LBC_CLASS, ipFamilyPolicy="PreferDualStack"
        ),
    ),
    "UDPLB822": Example(
        _service({"source-nat-ipv6-prefixes": "2001:db8:0:1::/80"}),
        _service({"source-nat-ipv6-prefixes": "2001:db8::/80"}),
        old=_service(
            _DUALSTACK | {"source-nat-ipv6-prefixes": "2001:db8::/80"},
            loadBalancerClass=LBC_CLASS,
            ipFamilies=["IPv6"],
        ),
    ),
    "UDPLB823": Example(
        _service(ipFamilies=["IPv4"]),
        _service(ipFamilies=["IPv6"]),
        old=_service(_DUALSTACK, loadBalancerClass=LBC_CLASS, ipFamilies=["IPv6"]),
        also=frozenset({"UDPLB654"}),
    ),
    "UDPLB829": _update(_service(type="ClusterIP"), _service(type="LoadBalancer"), _service({}, _GAME)),
    "UDPLB830": _changed(keys.INJECT, None, "false"),
    "UDPLB832": Example(
        _service({"proxy-protocol-per-target-group": "80"}, _GAME, _WEB),
        _service({"proxy-protocol-per-target-group": None}, _GAME, _WEB),
        old=_service({"proxy-protocol-per-target-group": None}, _GAME, _WEB, loadBalancerClass=LBC_CLASS),
    ),
    "UDPLB833": _update(
        _service({"quic-enabled-ports": "7777"}),
        _service({"quic-enabled-ports": None}),
        _service({}, _GAME),
        also=frozenset({"UDPLB315", "UDPLB317", "UDPLB808"}),
    ),
    "UDPLB901": Example(
        {"metadata": {"labels": {keys.INJECT: "enabled", keys.READINESS_GATE: None}}},
        {"metadata": {"labels": {keys.INJECT: "enabled", keys.READINESS_GATE: "enabled"}}},
        kind="Namespace",
    ),
    "UDPLB909": Example(
        _service(selector={"app": "game"}),
        _service(selector={"app": "game", "tier": "lobby"}),
        when="The setting rbac.listPods is off.",
        beside=_service({}, _DNS, selector={"app": "game", "tier": "arena"}),
    ),
}
