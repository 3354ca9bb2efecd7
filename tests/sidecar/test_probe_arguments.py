"""The program takes every argument that the policy writes: a line that it refuses would keep pods from starting."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.policy.pod.presets import PRESETS
from webhook.policy.pod.probes import KINDS, Probe, read_probe

pytestmark = pytest.mark.sidecar

VALUES = {
    "queue": ["off", "warn", "fail"],
    "udp": ["1", "53", "65535"],
    "tcp": ["1", "8080"],
    "send": ["00", "ff" * 1232],
    "expect": ["00", "ff" * 1232],
    "mask": ["0f", "0f" * 1232],
    "from": ["any"],
    "to": ["pod", "loopback", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"],
    "interval": ["50ms", "250ms", "1s", "300s", "300000ms"],
    "timeout": ["50ms", "500ms", "1s"],
    "settle": ["50ms", "300s"],
    "rise": ["1", "100"],
    "fall": ["1", "100"],
}
PROBES = st.builds(
    lambda word, given: ",".join((word, *(f"{key}={value}" for key, value in given.items()))),
    st.sampled_from([*KINDS, *PRESETS]),
    st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in VALUES.items()}),
)


def run(program: Path, argument: str) -> subprocess.CompletedProcess[str]:
    command = [str(program), "--once", "--port", argument]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("name", [*PRESETS, "bound", "none", "payload,send=00"])
def test_the_program_takes_each_preset(program: Path, name: str) -> None:
    probe = read_probe(name)
    assert isinstance(probe, Probe)
    done = run(program, probe.argument(5353))
    assert done.returncode in (0, 1), done.stderr


@given(text=PROBES)
def test_the_program_takes_whatever_the_policy_makes_of_a_probe(program: Path, text: str) -> None:
    probe = read_probe(text)
    if isinstance(probe, Probe):
        done = run(program, probe.argument(5353))
        assert done.returncode in (0, 1), (text, done.stderr)
