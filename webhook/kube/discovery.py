"""What the API server tells of its cluster: whose load balancers these are, and the default IP family."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.kube.client import ApiClient, ApiError, Json
from webhook.policy.cluster import Owner
from webhook.policy.raw import MalformedObject, Raw

GROUPS = {"elbv2.k8s.aws": Owner.LBC, "eks.amazonaws.com": Owner.AUTO_MODE}
"""The API group of each controller's TargetGroupBindings."""
RESOURCE = "targetgroupbindings"
CLOSED = (401, 403, 404)
"""Nothing there, or not for our eyes: the cluster does not tell, and asking again will not help."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """`owner` is None where both controllers, or neither, have installed their resource."""

    owner: Owner | None = None
    ipv6: bool = False
    version: str = ""


def discover(client: ApiClient) -> Discovered:
    """Ask now, with a handful of requests.

    Raises:
        ApiError: the API server cannot be asked, or answers nonsense.
    """
    try:
        owners = [owner for group, owner in GROUPS.items() if _serves(client, group)]
        families = (
            _get(client, "/api/v1/namespaces/default/services/kubernetes").map("spec").texts("ipFamilies")
        )
        version = _get(client, "/version").text("gitVersion")
    except MalformedObject as fault:
        raise ApiError(f"discovery: a field of a wrong type: {fault}") from fault
    return Discovered(owners[0] if len(owners) == 1 else None, families[:1] == ("IPv6",), version)


def _serves(client: ApiClient, group: str) -> bool:
    """Whether any version of the group has the resource."""
    versions = _get(client, f"/apis/{group}").maps("versions")
    return any(
        resource.text("name") == RESOURCE
        for version in versions
        for resource in _get(client, f"/apis/{version.text('groupVersion')}").maps("resources")
    )


def _get(client: ApiClient, path: str) -> Raw:
    try:
        answer: Json = client.get(path)
    except ApiError as failed:
        if failed.status in CLOSED:
            return Raw(None)
        raise
    return Raw(answer)
