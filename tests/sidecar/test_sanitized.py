"""One life of the build with sanitizers; `make fuzz` runs all process tests on it."""

from __future__ import annotations

import signal

import pytest

from tests.sidecar.build import make
from tests.sidecar.pod import QUICK, Pod, until
from tests.sidecar.test_payload import ASKING, echo, serving

pytestmark = pytest.mark.sidecar


def test_a_whole_life_shows_no_fault_of_memory_or_arithmetic(pod: Pod) -> None:
    checked = str(make("build/udp-healthcheck-checked"))
    words = [ASKING, f"5556,queue=fail,{QUICK}", f"5557,tcp=8080,{QUICK}", f"5558,probe=none,{QUICK}"]
    command = [checked, *(word for port in words for word in ("--port", port))]
    sidecar = pod.spawn(["/usr/bin/env", "ASAN_OPTIONS=detect_leaks=0", *command])
    with pod.udp(5555) as application, serving(application, echo), pod.udp(5556), pod.tcp(8080):
        for port in (5555, 5556, 5557, 5558):
            until(lambda: pod.is_open(port), f"{port} green")
            assert "200 OK" in pod.request(port)
        with pod.connect(5555) as slow:
            slow.send(b"HEAD")
    until(lambda: not pod.is_open(5555) and not pod.is_open(5556), "red")
    assert pod.execute("/usr/bin/env", "ASAN_OPTIONS=detect_leaks=0", checked, "--drain").code == 0
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait() == 0
    assert "Sanitizer" not in sidecar.log()
    assert "runtime error" not in sidecar.log()
