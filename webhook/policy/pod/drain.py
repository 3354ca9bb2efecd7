"""`udplb/drain`: the application goes on serving while AWS moves the flows to other targets.

The sidecar turns red as soon as the deletion begins, by its own preStop. The load balancer needs minutes to act
on it, so the containers sleep before they are told to stop, and the grace period grows by as much.
"""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Edit
from webhook.policy.pod.change import CODE, GRACE, LONGEST_GRACE, Change, is_sleep, pre_stop
from webhook.policy.pod.injection import Facts
from webhook.policy.pod.objects import CONTAINERS, SIDECAR_NAME
from webhook.policy.raw import Raw

DEFAULT_GRACE = 30
"""Seconds from deletion to SIGKILL where the pod names none. Source: Kubernetes core/v1, PodSpec."""
AWS_ACTS_WITHIN = 180
"""Seconds that AWS takes at least to act on a deregistration, as its support says."""


def changes(facts: Facts) -> Iterator[Change]:
    """The sleeps and the grace period; nothing without the annotation."""
    if facts.wishes.drain:
        yield from sleeps(facts)
        yield from _grace(facts)


def sleeps(facts: Facts) -> Iterator[Change]:
    """A preStop of the application's own is its word; `sleep` needs no program in the image."""
    for index, item in enumerate(facts.spec.items(CONTAINERS)):
        container = Raw(item, f"spec.{CONTAINERS}[{index}]")
        name = pre_stop(container.text("name"))
        hook = container.map("lifecycle").get("preStop")
        ours = name in facts.changed and is_sleep(hook)
        if container.text("name") == SIDECAR_NAME or not (hook is None or ours):
            continue
        seconds = facts.wishes.drain
        wanted = {"sleep": {"seconds": seconds}}
        path = ("spec", CONTAINERS, index, "lifecycle", "preStop")
        edit = Edit(CODE, path, wanted, says=f"the container would serve for {seconds} s more")
        yield Change(name, None, None if hook == wanted else edit)


def _grace(facts: Facts) -> Iterator[Change]:
    """The application keeps, after the sleep, the time that it had; another webhook's longer one stands."""
    own = _grace_of(facts.spec)
    before = facts.changed.get(GRACE, own)
    wanted = min((int(before) if before is not None else DEFAULT_GRACE) + facts.wishes.drain, LONGEST_GRACE)
    edit = Edit(CODE, ("spec", "terminationGracePeriodSeconds"), wanted, says=f"would be raised to {wanted}")
    yield Change(GRACE, before, edit if (DEFAULT_GRACE if own is None else own) < wanted else None)


def _grace_of(spec: Raw) -> int | None:
    """Seconds from deletion to SIGKILL, as the pod says. Kubernetes takes 1 for what is below 0."""
    given = spec.integer("terminationGracePeriodSeconds")
    if spec.get("terminationGracePeriodSeconds") is None:
        return None
    return 1 if given < 0 else given
