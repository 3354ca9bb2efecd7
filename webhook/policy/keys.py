"""Every `udplb/*` key that we read or write, and the keys of others that we look at, in one place."""

from __future__ import annotations

from webhook.policy.finding import AWS_PREFIX

INJECT = "udplb/inject"
"""Namespace label `enabled` or `audit`; pod label and Service annotation `"true"` or `"false"`."""
OWNER = "udplb/owner"
"""Namespace label: `lbc` or `auto-mode`, in clusters that run both."""

PORTS = "udplb/ports"
PROBE = "udplb/probe"
PROBE_OF_PORT = "udplb/probe."
DRAIN = "udplb/drain"
NATIVE_SIDECAR = "udplb/native-sidecar"
STATUS = "udplb/status"

ALLOW = "udplb/allow"
KEEP = "udplb/keep"

ENABLED = "enabled"
MODES = (ENABLED, "audit")

READINESS_GATE = "elbv2.k8s.aws/pod-readiness-gate-inject"
"""Namespace label that makes LBC add readiness gates to new pods."""
QUIC_SERVER_ID = "elbv2.k8s.aws/quic-server-id-inject"
"""Namespace label that makes LBC give new pods a QUIC server id."""
LBC_FINALIZER = "service.k8s.aws/resources"
AUTO_MODE_FINALIZER = "service.eks.amazonaws.com/resources"
"""On a Service: its controller holds AWS resources for it."""
MIRROR_POD = "kubernetes.io/config.mirror"
"""On a pod: the kubelet's copy of a static pod, which nobody can change."""
ISTIO_SWITCHES = ("sidecar.istio.io/inject", "istio-injection", "istio.io/rev")
LINKERD_SWITCHES = ("linkerd.io/inject",)
MESH_SWITCHES = (*ISTIO_SWITCHES, *LINKERD_SWITCHES)
"""On a pod or a namespace, as label or annotation: a service mesh puts its proxy into the pods."""
POD_TEMPLATE_HASH = "pod-template-hash"
STATEFULSET_POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


def aws(name: str) -> str:
    """The full key of an AWS load balancer annotation."""
    return AWS_PREFIX + name
