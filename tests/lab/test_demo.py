"""`make demo` shows the main job and leaves nothing, or with KEEP=1 everything."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.process import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.sidecar, pytest.mark.chart]

ROOT = Path(__file__).parents[2]
STORY = (
    r"a real control plane runs on loopback",
    r"udplb serve runs beside it, with TLS",
    r"namespace games has opted in",
    r"webhook objects are applied",
    r"Service: changed",
    r"\+ +service.beta.kubernetes.io/aws-load-balancer-healthcheck-port: traffic-port",
    r"\+  loadBalancerClass: service.k8s.aws/nlb",
    r"Pod of the Deployment: changed",
    r"\+ +name: udp-healthcheck",
    r"rejected.yaml is refused",
    r"UDPLB403",
    r"starts red",
    r"green: ",
    r"red: ",
    r"All shown in",
)


def demo(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.lab.demo"],
        cwd=ROOT,
        env=os.environ | {"KEEP": "0"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_demo_tells_its_story_in_order() -> None:
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.search(".*".join(STORY), done.stdout, re.DOTALL)
    assert told is not None, done.stdout
    assert "\x1b" not in done.stdout, "colour is for terminals"


def test_the_demo_with_keep_stays_until_it_is_killed() -> None:
    done = demo(KEEP="1")
    assert done.returncode == 0, done.stdout + done.stderr
    kubeconfig = re.search(r"export KUBECONFIG=(\S+)", done.stdout)
    pid = re.search(r"To stop everything: kill (\d+)", done.stdout)
    assert kubeconfig is not None
    assert pid is not None
    directory = Path(kubeconfig[1]).parent
    try:
        assert directory.exists()
    finally:
        os.kill(int(pid[1]), signal.SIGTERM)
    wait_until(lambda: not directory.exists(), "end of the demo", 30)
