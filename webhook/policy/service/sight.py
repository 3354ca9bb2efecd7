"""The pods behind a Service, as far as anybody has them in sight: for advice only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PodInSight:
    """What a Service's rules read of a pod, or of a workload's template; equal pods of a workload are one value.

    `ports` holds protocol, name and number of each port that the applications declare. `sidecar` holds the
    TCP ports that its sidecar answers on, None without one. `owner` is what a person would roll:
    `deployment/game`.
    """

    owner: str
    labels: frozenset[tuple[str, str]] = frozenset()
    ports: frozenset[tuple[str, str, int]] = frozenset()
    sidecar: frozenset[int] | None = None
    unchanging: bool = False
    """A new pod of its kind would be the same: its own keys decide, or it can have no sidecar."""
    running: bool = True
    """Not a template or a manifest, of which no pod may exist yet."""

    def resolve(self, target: int | str, protocol: str) -> int | None:
        """A target port as a number in this pod: a name counts with its protocol only."""
        if isinstance(target, int):
            return target
        named = (number for kind, name, number in self.ports if (kind, name) == (protocol, target))
        return min(named, default=None)

    def declared(self, protocol: str) -> set[int]:
        return {number for kind, _, number in self.ports if kind == protocol}


Sight = Mapping[PodInSight, int]
"""How often each kind of pod runs; empty where none is in sight."""
NOTHING: Sight = {}
MOST_OWNERS_SHOWN = 50
"""Characters of a warning's 256; one name may be as long."""


def listed_owners(sight: Sight) -> str:
    """Whose pods these are, in the words of kubectl; of many owners the first and how many more."""
    first, *more = sorted({pod.owner for pod in sight})
    shown = first if len(first) <= MOST_OWNERS_SHOWN else f"{first[: MOST_OWNERS_SHOWN - 1]}…"
    return f"{shown} and {len(more)} more" if more else shown
