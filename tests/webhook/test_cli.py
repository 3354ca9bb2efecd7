"""The command as people call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from webhook import server, settings
from webhook.cli import main

HEAVY = {"fastapi", "uvicorn", "kubernetes", "ruamel"}


def udplb(*arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("UDPLB_")}
    command = [sys.executable, "-m", "webhook.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=clean | {"COLUMNS": "200"}
    )


def test_version_is_one_line() -> None:
    done = udplb("version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "udplb 0.1.0\n", "")


def test_help_names_the_verbs() -> None:
    done = udplb("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in ("serve", "certs", "version"))


def test_an_unknown_verb_is_a_usage_error_without_a_traceback() -> None:
    done = udplb("server")
    assert done.returncode == 2
    assert "No such command 'server'" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_has_a_flag_for_every_setting() -> None:
    done = udplb("serve", "--help")
    assert done.returncode == 0
    assert [name.flag for name in settings.names() if name.flag not in done.stdout] == []


def test_serve_names_every_fault_in_a_line_of_its_own_and_exits_2() -> None:
    done = udplb("serve", "--port=0", "--owner=aws")
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert [line.split(":")[:2] for line in lines] == [
        ["udplb serve", " port"],
        ["udplb serve", " owner"],
        ["udplb serve", " certFile"],
        ["udplb serve", " keyFile"],
    ]


@pytest.mark.parametrize("verb", ["version", "certs"])
def test_a_verb_does_not_wait_for_the_imports_of_another(verb: str) -> None:
    program = (
        "import sys; from webhook.cli import app\n"
        f"try: app(['{verb}', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.splitlines()[-1].split())


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("UDPLB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["udplb"])


def outcome(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """The exit code of the command, in this process."""
    monkeypatch.setattr(sys, "argv", ["udplb", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.usefixtures("bare")
def test_the_file_and_the_environment_reach_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "udplb.yaml"
    config.write_text("owner: aws\n")
    monkeypatch.setenv("UDPLB_DRAIN_SECONDS", "soon")
    assert outcome(monkeypatch, "serve", f"--config={config}", "--port=x") == 2
    said = capsys.readouterr().err
    assert all(f"udplb serve: {name}: " in said for name in ("owner", "drainSeconds", "port"))


@pytest.mark.usefixtures("bare")
def test_what_keeps_the_server_from_starting_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_settings: settings.Settings) -> None:
        raise server.CannotStart("port: cannot listen on *:9443: Address already in use")

    monkeypatch.setattr(server, "run", refuse)
    assert outcome(monkeypatch, "serve", "--cert-file=a", "--key-file=b") == 2
    assert capsys.readouterr().err == "udplb serve: port: cannot listen on *:9443: Address already in use\n"


def test_a_verb_runs_in_this_process_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, "version") == 0
    assert capsys.readouterr().out == "udplb 0.1.0\n"
    assert outcome(monkeypatch, "--help") == 0
    assert "serve" in capsys.readouterr().out
    assert outcome(monkeypatch, "nothing") == 2


def test_a_certificate_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    loaded = settings.load({"cert_file": str(tmp_path / "a"), "key_file": str(tmp_path / "b")}, {})
    with pytest.raises(server.CannotStart, match=r"^certFile, keyFile: .*/a: No such file"):
        server.prove(loaded)
