"""udplb as a later release will be: another version, another schema of the status, another default image.

Run as a script, it is `udplb`. The later status holds a member that this release knows nothing of.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType

import webhook

VERSION = "9.9.9"
IMAGE = "registry.example/udp-healthcheck:9.9.9"
CHANGES = (
    ("SCHEMA = 1\n", "SCHEMA = 2\n"),
    ("if schema != SCHEMA and", "if schema > SCHEMA and"),
    ('{"schema": SCHEMA, "version"', '{"schema": SCHEMA, "gates": [], "version"'),
)


def later_status() -> ModuleType:
    """The module of the status with the later schema, which reads the earlier one as well."""
    from webhook.policy.pod import status

    source = inspect.getsource(status)
    for before, after in CHANGES:
        assert before in source, before
        source = source.replace(before, after)
    exec(compile(source, status.__file__, "exec"), status.__dict__)  # noqa: S102 our own source
    return status


if __name__ == "__main__":
    webhook.__version__ = VERSION
    later_status()
    from webhook.cli import main

    sys.argv = [sys.argv[0], *sys.argv[1:], f"--sidecar-image={IMAGE}"]
    main()
