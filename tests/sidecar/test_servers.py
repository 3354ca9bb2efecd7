"""The presets' bytes against real servers: green while they serve, red when they end or hang."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import debian
from tests.sidecar.pod import IPV4, Pod, Process, until
from webhook.policy.pod.probes import Probe, read_probe

pytestmark = [pytest.mark.sidecar, pytest.mark.servers]

INTERVAL_SECONDS, FALL = 0.5, 3
GATED = 8000  # since some servers listen on TCP, too, on the number of their UDP port


@dataclass(frozen=True)
class Server:
    """One server in the foreground; `{dir}` and `{conf}` stand for a directory of its own and its configuration.

    `modules` is where its package keeps those, and stands for `{modules}`.
    """

    preset: str
    port: int
    command: Sequence[str]
    configuration: str = ""
    one_process: bool = True
    modules: str = ""


SERVERS = {
    "dnsmasq": Server(
        "dns",
        5353,
        [
            "dnsmasq",
            "--no-daemon",
            "--conf-file=/dev/null",
            "--port=5353",
            "--no-resolv",
            "--log-facility=-",
            "--no-hosts",
            "--bind-interfaces",
            "--listen-address={address}",
            "--pid-file={dir}/pid",
        ],
    ),
    "turnserver": Server(
        "stun",
        3478,
        [
            "turnserver",
            "-n",
            "--listening-port=3478",
            "--listening-ip={address}",
            "--relay-ip={address}",
            "--no-cli",
            "--no-tls",
            "--no-dtls",
            "--log-file=stdout",
            "--pidfile={dir}/pid",
            "--userdb={dir}/db",
        ],
    ),
    "chronyd": Server(
        "ntp",
        1123,
        ["chronyd", "-d", "-x", "-U", "-f", "{conf}"],
        "port 1123\nallow all\nlocal stratum 8\ncmdport 0\nbindcmdaddress /\nuser root\npidfile {dir}/pid\n",
    ),
    "snmpd": Server(
        "snmp",
        1161,
        ["snmpd", "-f", "-Lo", "-C", "-c", "{conf}", "-p", "{dir}/pid", "udp:1161"],
        "rocommunity public\n",
    ),
    "kamailio": Server(
        "sip",
        5060,
        [
            "kamailio",
            "-DD",
            "-E",
            "-n",
            "2",
            "-Y",
            "{dir}",
            "-P",
            "{dir}/pid",
            "-L",
            "{modules}",
            "-f",
            "{conf}",
        ],
        'disable_tcp=yes\nlisten=udp:{address}:5060\nloadmodule "sl.so"\n'
        'request_route {{ sl_send_reply("200", "OK"); }}\n',
        one_process=False,
        modules="usr/lib/*/kamailio/modules",
    ),
}


def spawn(pod: Pod, name: str, directory: Path) -> Process:
    """The server, started."""
    server = SERVERS[name]
    places = {"dir": str(directory), "conf": str(directory / "conf"), "address": IPV4}
    if server.modules:
        places["modules"] = str(debian.folder(server.modules))
    (directory / "conf").write_text(server.configuration.format(**places))
    return pod.spawn([*debian.command(name), *(word.format(**places) for word in server.command[1:])])


def argument(name: str) -> str:
    """What the policy makes of the preset."""
    server = SERVERS[name]
    probe = read_probe(f"{server.preset},udp={server.port},interval=500ms,settle=50ms")
    assert isinstance(probe, Probe)
    return probe.argument(GATED)


def turns_green(pod: Pod, name: str, server: Process) -> None:
    until(lambda: pod.is_open(GATED), f"{name} green; it said: {server.log()}", seconds=15)


@pytest.mark.parametrize("name", SERVERS)
def test_a_preset_is_green_while_its_server_runs_and_red_after(pod: Pod, tmp_path: Path, name: str) -> None:
    port = SERVERS[name].port
    sidecar = pod.sidecar(argument(name))
    sidecar.says(f"{GATED} red UDP {port} is not bound")
    server = spawn(pod, name, tmp_path)
    turns_green(pod, name, server)
    sidecar.says(f"{GATED} green UDP {port} answers")
    server.signal(signal.SIGTERM)
    server.wait(15)
    assert until(lambda: not pod.is_open(GATED), "red") <= FALL * INTERVAL_SECONDS


@pytest.mark.parametrize("name", [name for name, server in SERVERS.items() if server.one_process])
def test_a_preset_turns_red_when_its_server_hangs_and_green_when_it_is_back(
    pod: Pod, tmp_path: Path, name: str
) -> None:
    port = SERVERS[name].port
    sidecar = pod.sidecar(argument(name))
    server = spawn(pod, name, tmp_path)
    turns_green(pod, name, server)
    server.signal(signal.SIGSTOP)
    assert until(lambda: not pod.is_open(GATED), "red") <= FALL * INTERVAL_SECONDS + 1
    sidecar.says(f"{GATED} red UDP {port} is bound, but does not reply in time")
    server.signal(signal.SIGCONT)
    until(lambda: pod.is_open(GATED), "green again")
