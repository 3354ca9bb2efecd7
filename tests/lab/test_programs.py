"""Where the programs of the control plane come from, and what is said when one cannot be had."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import programs


@pytest.fixture(autouse=True)
def fresh_look_at_go() -> Iterator[None]:
    programs._go_version.cache_clear()
    yield
    programs._go_version.cache_clear()


def executable(path: Path) -> Path:
    path.touch(mode=0o755)
    return path


@pytest.mark.parametrize("name", ["etcd", "kube-apiserver", "kubectl"])
def test_kubebuilder_assets_come_first(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    given = executable(tmp_path / name)
    assert programs.find(name) == given


def test_kubebuilder_assets_without_a_program_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(programs.MissingProgram, match=rf"{tmp_path} holds no etcd: run `setup-envtest"):
        programs.find("etcd")


def test_helm_comes_from_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", "/nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    given = executable(tmp_path / "helm")
    assert programs.find("helm") == given


def test_the_controllers_model_is_always_built_from_the_source_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(programs, "_go_version", lambda: "go1.26.0")
    module = tmp_path / "modules" / "lbc"
    shutil.copytree(programs.MODULES / "lbc", module)
    monkeypatch.setattr(programs, "MODULES", module.parent)
    built = []

    def build(program: programs.Program, target: Path, say: programs.Say) -> None:
        built.append(target)
        target.parent.mkdir()
        target.touch()

    monkeypatch.setattr(programs, "_build", build)
    assert programs.find("lbc-model") == programs.find("lbc-model")
    (module / "main.go").write_text("package main\n")
    assert programs.find("lbc-model") == built[-1]
    assert len(built) == len(set(built)) == 2


def test_without_go_the_ways_out_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(programs.MissingProgram, match=r"Go 1\.26 or newer .*found: none.*KUBEBUILDER_ASSETS"):
        programs.find("etcd")


def test_an_old_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    executable(tmp_path / "go").write_text("#!/bin/sh\necho go1.25.9\n")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(programs.MissingProgram, match=r"found: go1\.25\.9"):
        programs.find("etcd")


def test_a_build_failure_shows_what_the_compiler_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    go = '#!/bin/sh\n[ "$1" = env ] && echo go1.26.0 || { echo "out of disk" >&2; exit 1; }\n'
    executable(tmp_path / "go").write_text(go)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(programs.MissingProgram, match=r"building etcd 3\.\S+ failed:\nout of disk"):
        programs.find("etcd")


def test_a_finished_build_is_kept_and_leftovers_of_a_killed_one_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(programs, "_go_version", lambda: "go1.26.0")
    leftover = tmp_path / "udplb" / "programs" / ".building-killed"
    leftover.mkdir(parents=True)
    builds = []

    def build(program: programs.Program, target: Path, say: programs.Say) -> None:
        builds.append(program.name)
        target.parent.mkdir()
        target.touch()

    monkeypatch.setattr(programs, "_build", build)
    assert programs.find("etcd") == programs.find("etcd")
    assert builds == ["etcd"]
    assert not leftover.exists()
