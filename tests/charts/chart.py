"""The chart as the real helm renders it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.lab import programs
from tests.lab.control_plane import clean_environment

CHART = Path(__file__).parents[2] / "charts" / "udplb"
# helm encodes the text and does not read it; tests that call the API server issue a real one.
CA_BUNDLE = "-----BEGIN CERTIFICATE-----\nplaceholder\n-----END CERTIFICATE-----\n"

CA = f"--set-string=tls.caBundle={CA_BUNDLE}"
URL_MODE = ("--set=webhook.url=https://127.0.0.1:9443", CA)
SERVICE_MODE = ("--set=image.registry=registry.example/games",)
EXISTING_SECRET = (*SERVICE_MODE, "--set=tls.mode=existingSecret", CA)
CERT_MANAGER = (*SERVICE_MODE, "--set=tls.mode=certManager")

WEBHOOKS = (
    "pods.mutate.udplb",
    "services.mutate.udplb",
    "services-create.validate.udplb",
    "services-update.validate.udplb",
    "pods.validate.udplb",
    "workloads.validate.udplb",
)

Manifest = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm with a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            [str(programs.find("helm")), *arguments],
            capture_output=True,
            text=True,
            env=clean_environment() | {"HOME": home},
            check=False,
        )


@cache
def rendered_text(*flags: str, namespace: str = "udplb-system") -> str:
    done = helm("template", "udplb", str(CHART), f"--namespace={namespace}", *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(*flags: str, namespace: str = "udplb-system") -> list[Manifest]:
    return list(YAML(typ="safe").load_all(rendered_text(*flags, namespace=namespace)))


def refusal(*flags: str) -> str:
    """What helm says on stderr to values that the chart does not take."""
    done = helm("template", "udplb", str(CHART), "--namespace=udplb-system", *flags)
    assert done.returncode != 0, done.stdout
    assert not done.stdout
    return done.stderr


def only(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = (manifest for manifest in manifests if manifest["kind"] == kind)
    return found


def webhooks(manifests: list[Manifest]) -> Mapping[str, Manifest]:
    """The webhook entries of both configurations by name."""
    return {entry["name"]: entry for manifest in manifests for entry in manifest.get("webhooks", ())}


def strings(value: Any) -> Iterator[str]:
    """Every string inside, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value
