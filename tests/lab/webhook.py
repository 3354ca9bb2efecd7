"""`udplb serve` as a real process with TLS, and the chart's webhook objects that make an API server call it."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from tests.lab.control_plane import ControlPlane, clean_environment, free_port
from tests.lab.process import LabError, Process, wait_until
from tests.lab.rest import Answer
from tests.lab.scratch import scratch_directory

CHART = Path(__file__).parents[2] / "charts" / "udplb"
UDPLB = (sys.executable, "-m", "webhook.cli")
READY_SECONDS = 30.0
CALLED_SECONDS = 30.0
# More than the drain, so that a webhook that hangs shows in its exit code and not in a kill at the border.
GRACE_SECONDS = 20.0
PORT_ATTEMPTS = 3

OPTED_IN = {"udplb/inject": "enabled", "elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"}
PROBE_NAMESPACE = "udplb-lab-probe"
PROBE_SERVICE = {
    "metadata": {"name": "probe"},
    "spec": {"type": "LoadBalancer", "ports": [{"protocol": "UDP", "port": 9}], "selector": {"app": "probe"}},
}
CALLED_FOR_A_SERVICE = ("services.mutate.udplb", "services-create.validate.udplb")


class Namespaces(Protocol):
    """Makes a fresh namespace and returns its name."""

    def __call__(self, labels: Mapping[str, str] = OPTED_IN) -> str: ...


class Installable(Protocol):
    """What the chart's webhook objects are made of."""

    @property
    def url(self) -> str: ...
    @property
    def ca_file(self) -> Path: ...
    def log(self) -> str: ...


class Webhook:
    """`udplb serve` while the context lasts, with further flags of it as given.

    `program` is another udplb. With `files` it is given a certificate; otherwise the flags say how it gets one.
    """

    def __init__(
        self, kubeconfig: Path, *flags: str, program: Sequence[str] = UDPLB, files: bool = True
    ) -> None:
        self._kubeconfig = kubeconfig
        self._files = files
        self._flags = flags
        self._program = program
        self._cleanup = ExitStack()

    def __enter__(self) -> Webhook:
        with ExitStack() as cleanup:
            self.directory = cleanup.enter_context(scratch_directory())
            self._environment = clean_environment() | {"HOME": str(self.directory)}
            if self._files:
                self._issue_certificate()
            for attempts_left in reversed(range(PORT_ATTEMPTS)):
                self.port, self.ops_port = free_port(), free_port()
                try:
                    self.start()
                    break
                except LabError as failure:
                    if "address already in use" not in str(failure).lower() or not attempts_left:
                        raise
            cleanup.callback(self.stop)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ops_url(self) -> str:
        return f"http://127.0.0.1:{self.ops_port}"

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def ca_pem(self) -> str:
        return self.ca_file.read_text()

    def start(self) -> None:
        """Start it, for the first time or again at the same address; return when it says that it is ready."""
        command = [
            *self._program,
            "serve",
            *self._certificate(),
            f"--kubeconfig={self._kubeconfig}",
            f"--port={self.port}",
            f"--ops-port={self.ops_port}",
        ]
        command.append(
            "--drain-seconds=0"
        )  # no load balancer in front; a drill's own flag comes later and wins
        log = self.directory / "webhook.log"
        self._process = Process([*command, *self._flags], log, GRACE_SECONDS, self._environment)
        try:
            wait_until(self.ready, "ready webhook", READY_SECONDS, self._process)
        except LabError:
            self.stop()
            raise

    def _certificate(self) -> list[str]:
        if not self._files:
            return []
        return [f"--cert-file={self.directory / 'tls.crt'}", f"--key-file={self.directory / 'tls.key'}"]

    def _issue_certificate(self) -> None:
        command = [
            *UDPLB,
            "certs",
            "issue",
            "--dir",
            str(self.directory),
            "--name=localhost",
            "--ip=127.0.0.1",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment)
        if done.returncode != 0:
            raise LabError(f"udplb certs issue: exit {done.returncode}\n{done.stdout}{done.stderr}")

    def ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a path of the ops port.

        Raises:
            OSError: nobody answers.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.ops_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except http.client.HTTPException as cut_off:
            raise ConnectionError(f"GET {path}: {cut_off!r}") from cut_off
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        self._process.signal(number)

    def stop(self) -> int:
        """SIGTERM, a drain, the exit code (negative for a signal); a second call says the same."""
        return self._process.stop()

    def log(self) -> str:
        """All that it wrote so far."""
        return self._process.log.read_text(errors="replace")


def install(control_plane: ControlPlane, webhook: Installable, *flags: str) -> None:
    """Apply the chart's webhook objects in URL mode; return when the API server calls the webhook.

    Further flags go to `helm template`.
    """
    rendered = control_plane.helm(
        "template",
        "udplb",
        str(CHART),
        f"--set=webhook.url={webhook.url}",
        f"--set-file=tls.caBundle={webhook.ca_file}",
        *flags,
    )
    before = _successful_calls(control_plane)
    control_plane.apply(rendered.stdout)
    if control_plane.request("GET", f"/api/v1/namespaces/{PROBE_NAMESPACE}").status == 404:
        control_plane.namespace(PROBE_NAMESPACE, OPTED_IN)

    def called() -> bool:  # each API server learns of webhook objects through a watch of its own
        _probe(control_plane, PROBE_NAMESPACE)
        now = _successful_calls(control_plane)
        return all(now.get(name, 0) > before.get(name, 0) for name in CALLED_FOR_A_SERVICE)

    try:
        wait_until(called, "call of the webhook by the API server", CALLED_SECONDS)
    except LabError as failure:
        raise LabError(f"{failure}\n--- webhook\n{webhook.log()}\n{control_plane.logs()}") from None


def wait_until_audited(control_plane: ControlPlane, namespace: str) -> None:
    """Return when the webhook has heard of a new namespace's label `audit`; until then it counts as enabled."""
    wait_until(
        lambda: any(text.startswith("audit:") for text in _probe(control_plane, namespace).warnings),
        f"audit in namespace {namespace}",
        CALLED_SECONDS,
    )


def _probe(control_plane: ControlPlane, namespace: str) -> Answer:
    return control_plane.request("POST", f"/api/v1/namespaces/{namespace}/services?dryRun=All", PROBE_SERVICE)


def _successful_calls(control_plane: ControlPlane) -> dict[str, int]:
    """How often the API server got HTTP 200 from each webhook, by its own count."""
    text = control_plane.request("GET", "/metrics").body
    lines = re.findall(
        r'^apiserver_admission_webhook_request_total\{code="200",name="([^"]+)".*\} (\S+)$',
        text,
        re.MULTILINE,
    )
    totals: dict[str, int] = {}
    for name, count in lines:
        totals[name] = totals.get(name, 0) + int(float(count))
    return totals
