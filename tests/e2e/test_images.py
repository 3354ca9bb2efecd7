"""What the two images hold, and what they do not."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.node import images

USER = "64646:64646"


@dataclass(frozen=True)
class Image:
    """An image as its archive tells: its configuration, the size of its layers, the files in them."""

    config: dict[str, Any]
    layers: tuple[int, ...]
    files: frozenset[str]


def read(archive: Path) -> Image:
    with tarfile.open(archive) as outer:
        (manifest,) = json.load(_file(outer, "manifest.json"))
        config = json.load(_file(outer, manifest["Config"]))["config"]
        sizes, files = [], set()
        for layer in manifest["Layers"]:
            file = _file(outer, layer)
            sizes.append(outer.getmember(layer).size)
            with tarfile.open(fileobj=file) as inner:
                files |= {f"/{one.name.removeprefix('./')}" for one in inner if not one.isdir()}
    return Image(config, tuple(sizes), frozenset(files))


def _file(archive: tarfile.TarFile, name: str) -> Any:
    member = archive.getmember(name)
    if member.issym():  # a layer that stands twice
        member = archive.getmember(str(Path(name).parent / member.linkname))
    return archive.extractfile(member)


@pytest.fixture(scope="module")
def webhook(archives: list[Path]) -> Image:
    return read(next(one for one in archives if "localhost-udplb-" in one.name))


@pytest.fixture(scope="module")
def sidecar(archives: list[Path]) -> Image:
    return read(next(one for one in archives if "udp-healthcheck" in one.name))


def test_the_sidecar_is_one_file_of_at_most_40_kb(sidecar: Image) -> None:
    assert sidecar.files == {"/udp-healthcheck"}
    assert sum(sidecar.layers) <= 40 * 1024
    assert sidecar.config["Entrypoint"] == ["/udp-healthcheck"]


def test_neither_runs_as_root(webhook: Image, sidecar: Image) -> None:
    assert (webhook.config["User"], sidecar.config["User"]) == (USER, USER)


def test_the_webhook_adds_at_most_300_mb_to_its_base(webhook: Image) -> None:
    base = images.base_archive("python").stat().st_size
    print(f"webhook: {(sum(webhook.layers) - base) / 2**20:.0f} MB over its base")
    assert sum(webhook.layers) - base <= 300 * 2**20


@pytest.mark.parametrize("left", ["/usr/bin/gcc", "/usr/bin/cc", "/root/.cache", "/wheels", "/src"])
def test_the_webhook_brings_no_tool_of_its_build(webhook: Image, left: str) -> None:
    assert not [path for path in webhook.files if path == left or path.startswith(f"{left}/")]
