"""A private folder that goes away with its owner, or with the next run where the owner was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "udplb-lab-"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A fresh folder (mode 0700, a short path: unix sockets live in it), locked while it is in use."""
    sweep()
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # another run's sweep was faster
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not path.exists():  # faster than our lock
                continue
            yield path
            return
        finally:
            shutil.rmtree(path, ignore_errors=True)
            os.close(descriptor)


def sweep() -> None:
    """Remove the folders of this user's earlier runs that nobody holds any more."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if path.lstat().st_uid != os.getuid():
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)
