"""Where the servers of the sidecar's tests come from, and what is said when one cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab import debian
from tests.lab.programs import MissingProgram


def test_an_installed_server_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PATH", str(tmp_path))
    (tmp_path / "snmpd").touch(mode=0o755)
    assert debian.command("snmpd") == [str(tmp_path / "snmpd")]


def test_a_machine_without_apt_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgram, match=r"what Debian calls chrony coturn .* snmpd: install them$"):
        debian.command("snmpd")
