from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webhook.serving import Running, serving


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests that only ask."""
    with serving(tmp_path_factory.mktemp("serving"), drain_seconds="0") as server:
        yield server
