"""The rotation over a cluster in memory and a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs import trust, validity
from certs.authority import CertificateAuthority
from certs.rotation import (
    LEAF_LIFETIME,
    LOADED_AFTER,
    SECRET_AWAITED,
    Authorities,
    Conflict,
    Rotation,
    Stored,
    Unreachable,
    due,
)
from certs.tls import Refused, Swapped, Unchanged
from tests.certs.tls import echo_server, served_serial, trusting

START = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "udplb.udplb-system.svc"
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
CONFIGURATIONS = ("0-udplb", "udplb")


class Cluster:
    """The Secret and the caBundles as an API server keeps them, with their optimistic locks."""

    def __init__(self) -> None:
        self.stored = Stored(None, "")
        self.bundles = dict.fromkeys(CONFIGURATIONS, b"")
        self.down = False
        self.writes = 0

    def authority(self) -> CertificateAuthority:
        assert self.stored.authorities is not None
        return self.stored.authorities.current

    def replica(self, draw: float = 0.0) -> Rotation:
        return Rotation(_Secret(self), _Bundles(self), [NAME], draw)


class _Secret:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(self) -> Stored:
        if self._cluster.down:
            raise Unreachable("Secret: no answer")
        return self._cluster.stored

    def write(self, authorities: Authorities, version: str) -> None:
        if version != self._cluster.stored.version:
            raise Conflict("Secret")
        self._cluster.writes += 1
        self._cluster.stored = Stored(authorities, str(self._cluster.writes))


class _Bundles:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read(self) -> Mapping[str, Collection[bytes]]:
        if self._cluster.down:
            raise Unreachable("webhook configuration: no answer")
        return {name: {pem} for name, pem in self._cluster.bundles.items()}

    def write(self, name: str, pem: bytes) -> None:
        self._cluster.writes += 1
        self._cluster.bundles[name] = pem


def signed_by(replica: Rotation, authority: CertificateAuthority) -> bool:
    assert replica.keypair is not None
    replica.keypair.certificate.verify_directly_issued_by(authority.keypair.certificate)
    return True


def accepted(replica: Rotation, bundle: bytes, now: datetime) -> bool:
    assert replica.keypair is not None
    return not isinstance(validity.judge(replica.keypair, bundle, [NAME], now), validity.Broken)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def ready(cluster: Cluster) -> Rotation:
    replica = cluster.replica()
    assert isinstance(replica.poll(START), Swapped)
    return replica


def test_the_first_replica_makes_the_authority_publishes_it_and_signs_at_once(
    cluster: Cluster, ready: Rotation
) -> None:
    assert ready.unready == ""
    assert all(accepted(ready, pem, START) for pem in cluster.bundles.values())
    assert ready.published == frozenset(cluster.bundles.values())


def test_a_second_replica_signs_at_once_by_the_same_authority(cluster: Cluster, ready: Rotation) -> None:
    second = cluster.replica()
    assert isinstance(second.poll(START + SECOND), Swapped)
    assert signed_by(second, cluster.authority())
    assert second.keypair != ready.keypair


def test_a_step_with_nothing_due_writes_nothing(cluster: Cluster, ready: Rotation) -> None:
    before = cluster.writes
    assert ready.poll(START + DAY) == Unchanged()
    assert cluster.writes == before


def test_a_replica_that_lost_the_race_for_the_secret_adopts_the_winners(cluster: Cluster) -> None:
    first, second = cluster.replica(), cluster.replica()
    second._secret = racing = _Racing(cluster, first)
    assert second.poll(START) == Unchanged()
    assert racing.lost
    assert isinstance(second.poll(START + SECOND), Swapped)
    assert signed_by(second, cluster.authority())


class _Racing(_Secret):
    """Another replica writes between this one's read and its write."""

    def __init__(self, cluster: Cluster, winner: Rotation) -> None:
        super().__init__(cluster)
        self._winner: Rotation | None = winner
        self.lost = False

    def write(self, authorities: Authorities, version: str) -> None:
        if self._winner is not None:
            self._winner.poll(START)
            self._winner, self.lost = None, True
        super().write(authorities, version)


@pytest.mark.parametrize(
    ("draw", "days", "expected"),
    [(0.0, 4.64, Unchanged), (0.0, 4.66, Swapped), (0.999, 3.94, Unchanged), (0.999, 3.96, Swapped)],
)
def test_a_leaf_is_renewed_at_two_thirds_of_its_life_or_a_draw_earlier(
    cluster: Cluster, draw: float, days: float, expected: type
) -> None:
    replica = cluster.replica(draw)
    replica.poll(START)
    assert isinstance(replica.poll(START + days * DAY), expected)


def test_an_authority_with_a_third_of_its_life_left_gets_a_successor_that_signs_a_minute_later(
    cluster: Cluster, ready: Rotation
) -> None:
    old = cluster.authority()
    now = START + 245 * DAY
    ready.poll(now)
    assert cluster.stored.authorities is not None
    assert cluster.stored.authorities.previous == old
    assert signed_by(ready, old), "published is not loaded"
    assert all(len(trust.certificates(pem)) == 2 for pem in cluster.bundles.values())
    ready.poll(now + SECOND)
    ready.poll(now + LOADED_AFTER)
    assert signed_by(ready, old)
    ready.poll(now + LOADED_AFTER + 2 * SECOND)
    assert signed_by(ready, cluster.authority())
    assert cluster.authority() != old


def test_a_replica_that_starts_during_a_rotation_is_ready_at_once_by_the_old_authority(
    cluster: Cluster, ready: Rotation
) -> None:
    old = cluster.authority()
    now = START + 245 * DAY
    ready.poll(now)
    late = cluster.replica()
    late.poll(now + SECOND)
    assert signed_by(late, old)
    late.poll(now + LOADED_AFTER + 2 * SECOND)
    assert signed_by(late, cluster.authority())


def test_an_authority_out_of_a_backup_does_not_sign_before_it_is_loaded(
    cluster: Cluster, ready: Rotation
) -> None:
    served = cluster.authority()
    cluster.stored = Stored(Authorities(CertificateAuthority.create(START - 300 * DAY)), "backup")
    for moment in range(3):
        ready.poll(START + DAY + moment * SECOND)
    assert signed_by(ready, served)
    ready.poll(START + DAY + LOADED_AFTER + 2 * SECOND)
    assert signed_by(ready, cluster.authority())


def test_the_old_authority_leaves_the_secret_and_the_bundles_when_it_expires(
    cluster: Cluster, ready: Rotation
) -> None:
    ready.poll(START + 245 * DAY)
    ready.poll(START + 366 * DAY)
    assert cluster.stored.authorities is not None
    assert cluster.stored.authorities.previous is None
    ready.poll(START + 366 * DAY + SECOND)
    assert all(len(trust.certificates(pem)) == 1 for pem in cluster.bundles.values())


def test_a_cluster_that_slept_past_the_authoritys_end_starts_afresh_at_once(
    cluster: Cluster, ready: Rotation
) -> None:
    late = cluster.replica()
    assert isinstance(late.poll(START + 400 * DAY), Swapped)
    assert signed_by(late, cluster.authority())


@pytest.mark.parametrize("version", ["", "9"], ids=["deleted", "corrupt"])
def test_a_lost_secret_is_put_back_from_memory(cluster: Cluster, ready: Rotation, version: str) -> None:
    before = cluster.stored.authorities
    cluster.stored = Stored(None, version)
    ready.poll(START + SECOND)
    assert cluster.stored.authorities == before


def test_a_replica_without_memory_leaves_a_lost_secret_to_those_that_have_one(
    cluster: Cluster, ready: Rotation
) -> None:
    before = cluster.stored.authorities
    cluster.stored = Stored(None, "")
    fresh = cluster.replica()
    fresh.poll(START + SECOND)
    assert cluster.stored.version == ""
    assert "waiting for a replica that remembers it" in fresh.unready
    ready.poll(START + 2 * SECOND)
    fresh.poll(START + 3 * SECOND)
    assert cluster.stored.authorities == before
    assert fresh.unready == ""


def test_where_no_replica_remembers_the_authority_a_new_one_signs_once_it_is_loaded(
    cluster: Cluster, ready: Rotation
) -> None:
    cluster.stored = Stored(None, "")
    fresh = cluster.replica()
    for moment in (0 * SECOND, SECRET_AWAITED, SECRET_AWAITED + SECOND):
        fresh.poll(START + moment)
    assert fresh.keypair is None
    assert "every API server has loaded" in fresh.unready
    fresh.poll(START + SECRET_AWAITED + SECOND + LOADED_AFTER)
    assert signed_by(fresh, cluster.authority())


def test_an_emptied_bundle_is_filled_again_and_the_leaf_stays(cluster: Cluster, ready: Rotation) -> None:
    leaf = ready.keypair
    cluster.bundles["udplb"] = b""
    assert ready.poll(START + DAY) == Unchanged()
    assert accepted(ready, cluster.bundles["udplb"], START + DAY)
    assert ready.keypair == leaf


def test_an_unreachable_api_server_is_named_once_and_leaves_a_ready_replica_ready(
    cluster: Cluster, ready: Rotation
) -> None:
    cluster.down = True
    assert ready.poll(START + SECOND) == Refused("webhook configuration: no answer")
    assert ready.poll(START + 2 * SECOND) == Unchanged()
    assert ready.unready == ""
    cluster.down = False
    assert ready.poll(START + 3 * SECOND) == Unchanged()
    cluster.down = True
    assert isinstance(ready.poll(START + 4 * SECOND), Refused)


def test_a_replica_that_never_reached_the_api_server_says_so(cluster: Cluster) -> None:
    cluster.down = True
    replica = cluster.replica()
    replica.poll(START)
    assert replica.unready == "webhook configuration: no answer"
    assert replica.not_after is None
    assert replica.poll_seconds < cluster.replica().poll_seconds or replica.poll_seconds == 1.0


def test_an_authority_of_a_clock_that_is_months_ahead_does_not_sign(
    cluster: Cluster, ready: Rotation
) -> None:
    first = cluster.authority()
    cluster.replica().poll(START + 270 * DAY)
    assert cluster.authority() != first
    for seconds in (5, 70, 4 * 86_400, 6 * 86_400):
        ready.poll(START + seconds * SECOND)
    assert ready.not_after is not None
    assert ready.not_after > START + LEAF_LIFETIME
    assert signed_by(ready, first)


def test_the_only_authority_does_not_sign_before_it_is_valid(cluster: Cluster) -> None:
    cluster.replica().poll(START + 500 * DAY)
    late = cluster.replica()
    late.poll(START)
    assert late.keypair is None
    assert late.unready.startswith(
        "the authority is not valid before 2027-05-15 23:00 UTC: the clock of this node"
    )


def test_a_leaf_never_outlives_its_authority(cluster: Cluster) -> None:
    old = CertificateAuthority.create(START - 364 * DAY)
    successor = CertificateAuthority.create(START)
    cluster.stored = Stored(Authorities(successor, old), "1")
    cluster.bundles = dict.fromkeys(CONFIGURATIONS, successor.cert_pem + old.cert_pem)
    replica = cluster.replica()
    replica.poll(START)
    assert signed_by(replica, old)
    assert replica.not_after is not None
    assert replica.not_after <= old.keypair.not_after < START + LEAF_LIFETIME


def test_what_the_secret_holds_does_not_change_before_it_is_due() -> None:
    known = Authorities(CertificateAuthority.create(START))
    assert due(known, START + 240 * DAY) == known


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.sampled_from([1, 5, 30, 61, 86_400, 40 * 86_400])),
        st.tuples(st.just("step"), st.integers(0, 2)),
        st.tuples(st.just("restart"), st.integers(0, 2)),
        st.tuples(st.just("lose"), st.sampled_from(["deleted", "corrupt"])),
        st.tuples(st.just("down"), st.booleans()),
    ),
    max_size=40,
)


@pytest.mark.parametrize("skew", [0, 4], ids=lambda minutes: f"clocks {minutes} minutes apart")
@given(EVENTS)
def test_whatever_happens_every_served_leaf_is_trusted_by_what_api_servers_have_loaded(
    skew: int, events: list[tuple[str, int | str | bool]]
) -> None:
    """An API server may be up to a minute behind; while nobody steps for days leaves may expire, no more."""
    clocks = [timedelta(minutes=minutes) for minutes in (-skew, 0, skew)]
    cluster, now = Cluster(), START
    replicas = [cluster.replica(draw / 3) for draw in range(3)]
    history: list[tuple[datetime, dict[str, bytes]]] = []
    for kind, value in events:
        match kind:
            case "wait":
                now += int(value) * SECOND
            case "step":
                replicas[int(value)].poll(now + clocks[int(value)])
            case "restart":
                replicas[int(value)] = cluster.replica()
            case "lose":
                cluster.stored = Stored(None, "" if value == "deleted" else "x")
            case "down":
                cluster.down = bool(value)
        history.append((now, dict(cluster.bundles)))
        oldest_loaded = next(
            (bundles for then, bundles in reversed(history) if now - then >= LOADED_AFTER - SECOND), None
        )
        for replica in replicas:
            if replica.keypair is None or now >= replica.keypair.not_after or oldest_loaded is None:
                continue
            for bundle in oldest_loaded.values():
                assert not trust.certificates(bundle) or accepted(replica, bundle, now)


def test_before_the_first_certificate_a_handshake_fails_and_then_the_same_port_serves(
    cluster: Cluster,
) -> None:
    now = datetime.now(UTC)
    replica = cluster.replica()

    async def dialled() -> int:
        async with echo_server(replica.context) as port:
            with pytest.raises(OSError):  # noqa: PT011 an alert or a reset, as the platform has it
                await served_serial(port, trusting(CertificateAuthority.create(now).cert_pem), NAME)
            replica.poll(now)
            return await served_serial(port, trusting(cluster.authority().cert_pem), NAME)

    served = asyncio.run(dialled())
    assert replica.keypair is not None
    assert served == replica.keypair.certificate.serial_number
