"""Whether a pod still holds the sidecar that its status speaks of: in structure, not to the letter.

Image, resources, environment, mounts and labels belong to whoever changed them last (autoscalers,
rewriters of registries, the LimitRanger); place, restartPolicy and ports are what makes it work.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from webhook.policy.pod.objects import CONTAINERS, INIT_CONTAINERS, Placed

PLACES = {True: INIT_CONTAINERS, False: CONTAINERS}
"""The list of the pod that the sidecar stands in, by whether it is native."""


def damage(sidecars: Sequence[Placed], native: bool, ports: Collection[int]) -> str:
    """What is wrong with the containers of our name, in words; empty while one of them is intact."""
    if len(sidecars) != 1:
        return f"it is there {len(sidecars)} times"
    (sidecar,) = sidecars
    if sidecar.place != PLACES[native]:
        return f"it stands in spec.{sidecar.place}, not in spec.{PLACES[native]}"
    if native and not sidecar.container.restarts_always:
        return "its restartPolicy: Always is gone, so the pod would wait for it to end"
    if not native and sidecar.container.restart_policy not in ("", "Always"):
        return f"its restartPolicy is {sidecar.container.restart_policy}, so it may stay away"
    if served_ports(sidecar.container.args) != set(ports):
        return "its arguments do not name the ports of the status"
    return ""


def served_ports(args: Sequence[str]) -> set[int]:
    """The numbers behind `--port` on the sidecar's command line."""
    values = [value for option, value in pairwise(args) if option == "--port"]
    numbers = (value.partition(",")[0] for value in values)
    return {int(number) for number in numbers if number.isascii() and number.isdecimal() and len(number) <= 5}
