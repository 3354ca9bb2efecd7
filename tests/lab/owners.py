"""What udplb tells the load balancer's controller by: the custom resource that each of them installs."""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.control_plane import ControlPlane
from tests.lab.process import LabError, wait_until

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SERVED_SECONDS = 15.0


@dataclass(frozen=True)
class Owner:
    """A controller's API group for TargetGroupBindings."""

    group: str
    version: str

    @property
    def definition(self) -> str:
        return f"targetgroupbindings.{self.group}"


LBC = Owner("elbv2.k8s.aws", "v1beta1")
AUTO_MODE = Owner("eks.amazonaws.com", "v1")


def add_owner(control_plane: ControlPlane, owner: Owner) -> None:
    """Define the controller's resource, as its installation does; return when discovery lists it."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": owner.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {
        "kind": "TargetGroupBinding",
        "listKind": "TargetGroupBindingList",
        "plural": "targetgroupbindings",
        "singular": "targetgroupbinding",
    }
    definition = {
        "metadata": {"name": owner.definition},
        "spec": {"group": owner.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
    answer = control_plane.request("POST", DEFINITIONS, definition)
    if answer.status != 201:
        raise LabError(f"{owner.definition} was not defined: {answer.body}")
    wait_until(lambda: all(_listed(control_plane, owner)), f"{owner.definition} in discovery", SERVED_SECONDS)


def remove_owner(control_plane: ControlPlane, owner: Owner) -> None:
    """Undo `add_owner`."""
    control_plane.request("DELETE", f"{DEFINITIONS}/{owner.definition}")
    wait_until(lambda: not any(_listed(control_plane, owner)), f"end of {owner.definition}", SERVED_SECONDS)


def _listed(control_plane: ControlPlane, owner: Owner) -> tuple[bool, bool]:
    """In the list of groups, and by itself: two controllers of the API server keep them."""
    groups = [group["name"] for group in control_plane.request("GET", "/apis").body["groups"]]
    resources = control_plane.request("GET", f"/apis/{owner.group}/{owner.version}")
    return owner.group in groups, resources.status == 200
