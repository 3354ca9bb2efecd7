"""What the API server tells about the cluster: which controller is installed, and its first IP family."""

from __future__ import annotations

from webhook.kube.client import ApiError, Client
from webhook.policy.cluster import Owner

GROUPS = {"elbv2.k8s.aws": Owner.LBC, "eks.amazonaws.com": Owner.AUTO_MODE}
"""API groups whose TargetGroupBinding shows that the controller is installed."""
RESOURCE = "targetgroupbindings"
KUBERNETES = "/api/v1/namespaces/default/services/kubernetes"


def installed_owners(client: Client) -> tuple[Owner, ...]:
    """The controllers whose TargetGroupBinding the API server knows. Raises ApiError."""
    served = {
        group["name"]: group["preferredVersion"]["groupVersion"] for group in client.get("/apis")["groups"]
    }
    return tuple(
        owner for group, owner in GROUPS.items() if group in served and _serves(client, served[group])
    )


def _serves(client: Client, group_version: str) -> bool:
    try:
        resources = client.get(f"/apis/{group_version}")["resources"]
    except ApiError as failed:
        if failed.status == 404:
            return False
        raise
    return any(resource["name"] == RESOURCE for resource in resources)


def prefers_ipv6(client: Client) -> bool:
    """Whether a Service that names no family gets an IPv6 address. Raises ApiError."""
    families = client.get(KUBERNETES)["spec"].get("ipFamilies") or ["IPv4"]
    return bool(families[0] == "IPv6")
