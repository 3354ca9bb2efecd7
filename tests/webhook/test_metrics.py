"""The metrics of a server as it starts are those that documents, alerts and the dashboard speak of."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from certs.files import CERT, KEY, CertificateFiles
from tests.webhook.serving import issue
from webhook.kube.cache import ClusterCache
from webhook.policy.cluster import Cluster, Sidecar
from webhook.server import Server
from webhook.settings import load

ROOT = Path(__file__).parents[2]
FILES = ROOT / "charts" / "udplb" / "files"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
NOBODY = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "nobody",
    "contexts": [{"name": "nobody", "context": {"cluster": "nobody", "user": "nobody"}}],
    "clusters": [{"name": "nobody", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "nobody", "user": {}}],
}


@pytest.fixture
def exposed(tmp_path: Path) -> set[str]:
    """The names of all metrics, those without a sample yet too."""
    issue(tmp_path)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(NOBODY))
    certificate = tmp_path / CERT, tmp_path / KEY
    settings = load({"cert_file": str(certificate[0]), "key_file": str(certificate[1])}, environ={})
    cache = ClusterCache(kubeconfig, Cluster(sidecar=Sidecar("udp-healthcheck:test"), sees_pods=True))
    server = Server(settings, cache, CertificateFiles(*certificate, datetime.now(UTC)))
    names = set(re.findall(r"^# TYPE (\S+)", server.metrics.exposition().decode(), re.MULTILINE))
    return {name for name in names if not name.endswith("_created")}


def expressions() -> list[str]:
    alerts = YAML(typ="safe").load((FILES / "alerts.yaml").read_text())
    dashboard = json.loads((FILES / "dashboard.json").read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*panels, *(alert["expr"] for alert in alerts)]


def test_every_alert_and_panel_asks_for_a_metric_that_is_exposed(exposed: set[str]) -> None:
    asked = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for expression in expressions()
        for name in re.findall(r"\budplb_[a-z_]+", expression)
    }
    assert asked - exposed == set()


def test_the_runbook_lists_every_metric(exposed: set[str]) -> None:
    assert set(re.findall(r"^\| `(udplb_\w+)", OPERATIONS, re.MULTILINE)) == exposed
