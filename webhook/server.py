"""The composition root: settings to cache, certificate and applications; two servers in one loop; SIGTERM."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Protocol

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from certs.files import CertificateFiles, Unusable
from certs.rotation import Rotation
from certs.tls import Refused, Swapped, Unchanged
from webhook import __version__, logs
from webhook.app import Gate, review_app
from webhook.handlers import Lookups, NamespaceGetter, handlers
from webhook.metrics import Metrics
from webhook.ops import ops_app
from webhook.policy.cluster import Cluster
from webhook.protocol import BoundedHead
from webhook.settings import Settings

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 120
"""The API server pools a connection for 90 s; whoever closes first loses the review that crosses the close."""
UNFINISHED_SECONDS = 5
"""How long reviews in flight may take after the drain."""
DIAL_SECONDS = 2.0
NOT_DIALLED = "the certificate is not proved yet"
MUTATING, VALIDATING, SERVICE, SECRET = "0-udplb", "udplb", "udplb", "udplb-ca"
"""Names that the chart fixes: there is one installation a cluster."""
GRAMMAR = 1
"""Version of the sidecar's arguments that we write."""


class CannotStart(Exception):
    """What the operator must change first, in one line."""


class Cache(Lookups, NamespaceGetter, Protocol):
    """What is known of the cluster; it starts at once, answers when it is synced, and never gives up."""

    def cluster(self) -> Cluster:
        """As configured, and with what discovery has found by now."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    @property
    def unready(self) -> str:
        """Why it has not synced yet; empty for good once it has."""

    @property
    def owner_source(self) -> str:
        """`setting` or `detection`."""

    def gauges(self) -> Sequence[tuple[str, str, Mapping[str, str], Callable[[], float]]]:
        """Name, help, labels and value of what metrics show of the cache."""


class Certificate(Protocol):
    """What is served, from files or signed by ourselves; `poll` may block, one call at a time."""

    context: ssl.SSLContext
    published: frozenset[bytes]

    @property
    def not_after(self) -> datetime | None: ...

    @property
    def unready(self) -> str: ...

    @property
    def poll_seconds(self) -> float: ...

    def poll(self, now: datetime) -> Unchanged | Swapped | Refused: ...


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are this module's: they begin a drain, not an end."""
        yield


class Server:
    """Both ports, from the first connection to the end of the drain."""

    def __init__(self, settings: Settings, cache: Cache, certificate: Certificate) -> None:
        self._settings = settings
        self._cache = cache
        self._certificate = certificate
        self._log = structlog.get_logger()
        self._stopping = asyncio.Event()
        self.metrics = Metrics(__version__)
        self._not_after = certificate.not_after
        self._untrusted = "" if self._not_after else NOT_DIALLED
        if self._not_after is not None:
            self.metrics.certificate(self._not_after, swapped=False)
        for gauge in cache.gauges():
            self.metrics.gauge(*gauge)
        ready = "1 while /readyz says so, else 0."
        self.metrics.gauge("udplb_ready", ready, {}, lambda: float(not self.unready()))
        self._gate = Gate(lambda: cache.unready, settings.concurrency, settings.body_limit)
        recorders = (self.metrics, logs.ReviewLog(settings.log_level))
        reviews = review_app(handlers(cache, cache, cache.cluster), self._gate, recorders)
        ops = ops_app(self.unready, self.metrics.exposition, self._version)
        self._reviews = uvicorn_server(reviews, certificate.context)
        self._ops = uvicorn_server(ops, None)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, and through the drain. Raises CannotStart."""
        listening = listen(self._settings.host, self._settings.port, "port")
        try:
            ops_listening = listen(self._settings.host, self._settings.ops_port, "opsPort")
        except CannotStart:
            listening.close()
            raise
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        await self._cache.start()
        polling = asyncio.create_task(self._follow_certificate())
        ops = asyncio.create_task(self._ops.serve([ops_listening]))
        reviews = asyncio.create_task(self._reviews.serve([listening]))
        self._log.info("serving", port=self._settings.port, ops_port=self._settings.ops_port)
        try:
            await self._until_drained(reviews, ops)
        finally:
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling
            await self._cache.stop()

    async def _until_drained(self, reviews: asyncio.Task[None], ops: asyncio.Task[None]) -> None:
        await self._stopping.wait()
        self._gate.draining = True
        self._log.info("draining", seconds=self._settings.drain_seconds)
        await asyncio.sleep(self._settings.drain_seconds)
        self._reviews.should_exit = True
        await reviews
        self._ops.should_exit = True
        await ops
        self._log.info("stopped")

    def unready(self) -> str:
        """What `/readyz` says against this replica; empty where it is ready."""
        if self._gate.draining:
            return "draining"
        return self._cache.unready or self._certificate.unready or self._untrusted

    def _version(self) -> Mapping[str, object]:
        owner = self._cache.cluster().owner
        return {
            "version": __version__,
            "owner": owner,
            "ownerSource": self._cache.owner_source,
            "grammar": GRAMMAR,
        }

    async def _follow_certificate(self) -> None:
        while True:
            try:
                await self._renew()
            except Exception:  # whatever it is, what is served is served on, and the next step may work
                self._log.exception("certificate fault")
            await asyncio.sleep(self._certificate.poll_seconds)

    async def _renew(self) -> None:
        match await asyncio.to_thread(self._certificate.poll, datetime.now(UTC)):
            case Swapped(not_after):
                self.metrics.certificate(not_after, swapped=self._not_after is not None)
                self._not_after = not_after
                self._log.info("certificate swapped", not_after=not_after.isoformat())
            case Refused(reason):
                self._log.error("certificate refused, the old one is served on", reason=reason)
        self._untrusted = await self._dial()

    async def _dial(self) -> str:
        """Why a client that trusts the published caBundles refuses our own port; empty where none does."""
        if self._not_after is None:
            return NOT_DIALLED
        host = self._settings.host or "localhost"
        for bundle in self._certificate.published:
            client = ssl.create_default_context(cadata=bundle.decode())
            dialling = asyncio.open_connection(
                host, self._settings.port, ssl=client, server_hostname=service_names(self._settings)[-1]
            )
            try:
                _, writer = await asyncio.wait_for(dialling, DIAL_SECONDS)
                writer.close()
            except (OSError, TimeoutError) as failed:
                return f"our own port is not trusted by the published caBundle: {failed}"
        return ""


def uvicorn_server(app: FastAPI, tls: ssl.SSLContext | None) -> _Uvicorn:
    context: Callable[..., ssl.SSLContext] | None = (lambda *_: tls) if tls else None
    return _Uvicorn(
        uvicorn.Config(
            app,
            http=BoundedHead,
            ws="none",
            lifespan="off",
            interface="asgi3",
            ssl_context_factory=context,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=UNFINISHED_SECONDS,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
    )


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; on all addresses, v4 and v6, where no host is named. Raises CannotStart."""
    try:
        if host:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            return socket.create_server(address[:2], family=family, backlog=BACKLOG)
        if socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
            )
        return socket.create_server(("", port), backlog=BACKLOG)
    except OSError as failed:
        # create_server adds the address to the text of the error, which stands here already
        named = failed.errno is None or isinstance(failed, socket.gaierror)
        reason = failed.strerror if named else os.strerror(failed.errno or 0)
        raise CannotStart(f"{setting}: cannot listen on {host or '*'}:{port}: {reason}") from failed


def run(settings: Settings) -> None:
    """Serve what the settings name, until a signal ends it. Raises CannotStart."""
    serve(settings, connect(settings))


def connect(settings: Settings) -> Cache:
    """The cache of the cluster that the settings lead to. Raises CannotStart."""
    from webhook.kube.cache import ClusterCache, NoCluster  # here: tests of the HTTP side have no cluster

    try:
        return ClusterCache(
            settings.kubeconfig,
            settings.cluster(),
            detect_owner=settings.owner == "detect",
            detect_family=settings.ip_family == "detect",
        )
    except NoCluster as fault:
        raise CannotStart(f"kubeconfig: {fault}") from fault


def serve(settings: Settings, cache: Cache) -> None:
    """Serve over this cache until a signal ends it. Raises CannotStart."""
    logs.configure(settings.log_level)
    certificate = prove(settings)

    async def until_stopped() -> None:
        await Server(settings, cache, certificate).run()

    uvloop.run(until_stopped())


def prove(settings: Settings) -> Certificate:
    """The certificate of the settings, after one handshake with it where it exists. Raises CannotStart."""
    if settings.tls.mode == "self":
        return _signed_by_ourselves(settings)
    if settings.cert_file is None or settings.key_file is None:
        raise CannotStart("certFile, keyFile: missing")
    try:
        return CertificateFiles(settings.cert_file, settings.key_file, datetime.now(UTC))
    except Unusable as unusable:
        raise CannotStart(f"certFile, keyFile: {unusable}") from unusable


def _signed_by_ourselves(settings: Settings) -> Rotation:
    # Here: the official client is most of the time that a start takes, and files do without it.
    from certs.bundles import WebhookConfigurations
    from certs.store import Secret
    from webhook.kube.client import NoCluster, configuration

    try:
        cluster = configuration(settings.kubeconfig)
    except NoCluster as fault:
        raise CannotStart(f"kubeconfig: {fault}") from fault
    return Rotation(
        Secret(cluster, settings.tls.namespace, SECRET, SERVICE),
        WebhookConfigurations(cluster, MUTATING, VALIDATING),
        service_names(settings),
        random.random(),  # noqa: S311  spreads renewals, no secret
    )


def service_names(settings: Settings) -> tuple[str, ...]:
    """The names by which the API server may dial our Service; it uses the last one."""
    namespace = settings.tls.namespace
    return (
        SERVICE,
        f"{SERVICE}.{namespace}",
        f"{SERVICE}.{namespace}.svc.cluster.local",
        f"{SERVICE}.{namespace}.svc",
    )
