"""`udplb/drain`: the application goes on serving while AWS moves the flows to other targets.

The sidecar turns red as soon as the deletion begins, by its own preStop. The load balancer needs minutes to act
on it, so the containers sleep before they are told to stop, and the grace period grows by as much.
"""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Edit
from webhook.policy.pod.change import CODE, GRACE, Change, is_sleep, pre_stop
from webhook.policy.pod.injection import Facts
from webhook.policy.pod.objects import CONTAINERS, SIDECAR_NAME
from webhook.policy.raw import Raw

DEFAULT_GRACE = 30
"""Seconds from deletion to SIGKILL where the pod names none. Source: Kubernetes core/v1, PodSpec."""
AWS_ACTS_WITHIN = 180
"""Seconds that AWS takes at least to act on a deregistration, as its support says."""

_LONGEST_GRACE = 2**31


def changes(facts: Facts) -> Iterator[Change]:
    """The sleeps and the grace period; nothing without the annotation."""
    seconds = facts.wishes.drain
    if seconds:
        yield from _sleeps(facts, seconds)
        yield from _grace(facts, seconds)


def _sleeps(facts: Facts, seconds: int) -> Iterator[Change]:
    """A preStop of the application's own is its word; `sleep` needs no program in the image."""
    for index, item in enumerate(facts.spec.items(CONTAINERS)):
        container = Raw(item, f"spec.{CONTAINERS}[{index}]")
        name = pre_stop(container.text("name"))
        hook = container.map("lifecycle").get("preStop")
        ours = name in facts.changed and is_sleep(hook)
        if container.text("name") == SIDECAR_NAME or not (hook is None or ours):
            continue
        wanted = {"sleep": {"seconds": seconds}}
        path = ("spec", CONTAINERS, index, "lifecycle", "preStop")
        edit = Edit(CODE, path, wanted, says=f"the container would serve for {seconds} s more")
        yield Change(name, None, None if hook == wanted else edit)


def _grace(facts: Facts, seconds: int) -> Iterator[Change]:
    """The application keeps, after the sleep, the time that it had; another webhook's longer one stands."""
    own = facts.spec.get("terminationGracePeriodSeconds")
    present = _present_grace(facts.spec)
    before = facts.changed.get(GRACE, own)
    if before is not None and not (isinstance(before, int) and 0 <= before < _LONGEST_GRACE):
        before = own
    wanted = (DEFAULT_GRACE if before is None else int(before)) + seconds
    edit = Edit(CODE, ("spec", "terminationGracePeriodSeconds"), wanted, says=f"would be raised to {wanted}")
    yield Change(GRACE, before, edit if present < wanted else None)


def _present_grace(spec: Raw) -> int:
    """Seconds from deletion to SIGKILL."""
    given = spec.integer("terminationGracePeriodSeconds")
    return DEFAULT_GRACE if spec.get("terminationGracePeriodSeconds") is None else given
