"""An editor for `kubectl edit` that takes out of each object what its manifest does not say of udplb's own things.

EDITOR="python -m tests.lab.editor manifest.json" kubectl edit -f manifest.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from webhook.policy.finding import AWS_PREFIX

FIELDS = ("loadBalancerClass", "externalTrafficPolicy")


def main(manifest: str, edited: str) -> None:
    """Edit the file that kubectl wrote: one object, or a List of them."""
    written = {_identity(item): item for item in json.loads(Path(manifest).read_text())["items"]}
    yaml = YAML()
    held = yaml.load(Path(edited).read_text())
    for item in held["items"]:
        _take_out(item, written[_identity(item)])
    with Path(edited).open("w") as file:
        yaml.dump(held, file)


def _identity(item: dict[str, Any]) -> tuple[str, str, str]:
    return item["kind"], item["metadata"]["namespace"], item["metadata"]["name"]


def _take_out(item: dict[str, Any], written: dict[str, Any]) -> None:
    own = written["metadata"].get("annotations", {})
    annotations = item["metadata"].get("annotations", {})
    for key in [key for key in annotations if key.startswith(AWS_PREFIX) and key not in own]:
        del annotations[key]
    for key, value in own.items():
        annotations[key] = value
    for field in FIELDS:
        if field not in written.get("spec", {}):
            item.get("spec", {}).pop(field, None)


if __name__ == "__main__":
    main(*sys.argv[1:])
