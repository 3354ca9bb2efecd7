"""Manifests through `udplb inject`, as a person or a pipeline calls it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from webhook import __version__, settings
from webhook.cli import cluster
from webhook.cli.inject import app

GOLDEN = Path("tests/golden/inject")
GAME_SERVER = "docs/examples/game-server.yaml"
REJECTED = "docs/examples/rejected.yaml"
INJECTED = "name: udp-healthcheck"

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: game
  namespace: shop
spec:
  type: LoadBalancer
  selector: {app: game}
  ports: [{port: 7777, protocol: UDP}]
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: game
  namespace: shop
spec:
  selector: {matchLabels: {app: game}}
  template:
    metadata:
      labels: {app: game}
    spec:
      containers:
        - name: game
          image: game:1
"""
NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
"""


def inject(*arguments: str, manifests: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=manifests)


def stream(*documents: str) -> str:
    return "---\n".join(documents)


def labelled(value: str) -> str:
    return f"{NAMESPACE}  labels:\n    udplb/inject: {value}\n"


def test_the_example_of_the_readme_gets_its_edits_and_one_finding() -> None:
    done = inject("--diff", "-f", GAME_SERVER)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"--- {GAME_SERVER}\n+++ {GAME_SERVER} (injected)\n@@ ")
    assert "+  loadBalancerClass: service.k8s.aws/nlb\n" in done.stdout
    assert f"+        - {INJECTED}\n" in done.stdout
    assert not [line for line in done.stdout.splitlines()[2:] if line.startswith("-")]
    (finding,) = done.stderr.splitlines()
    assert finding.startswith("Deployment/game: UDPLB")
    assert "listens on TCP 7777 (service/game)" in finding


def test_comments_order_and_style_are_kept() -> None:
    done = inject("-f", str(GOLDEN / "comments.yaml"))
    assert done.exit_code == 0
    wanted = (GOLDEN / "comments.injected.yaml").read_text(encoding="utf-8")
    assert done.stdout == wanted.replace("VERSION", __version__)


@pytest.mark.parametrize("manifest", [GAME_SERVER, str(GOLDEN / "comments.yaml")])
def test_a_second_run_changes_nothing(manifest: str) -> None:
    once = inject("-f", manifest).stdout
    again = inject(manifests=once)
    assert (again.exit_code, again.stdout) == (0, once)
    assert inject("--diff", manifests=once).stdout == ""


def test_a_rejection_exits_1_in_the_words_of_the_webhook_and_leaves_the_object() -> None:
    done = inject("-f", REJECTED)
    assert done.exit_code == 1
    assert done.stdout == Path(REJECTED).read_text(encoding="utf-8")
    assert "Service/game: rejected: UDPLB403 metadata.annotations[…healthcheck-protocol]: " in done.stderr
    assert "See docs/rules.md#udplb403" in done.stderr


@pytest.mark.parametrize("dash", [(), ("-f", "-")])
def test_manifests_come_from_stdin(dash: tuple[str, ...]) -> None:
    done = inject("--diff", *dash, manifests=SERVICE)
    assert done.stdout.startswith("--- stdin\n+++ stdin (injected)\n")


def test_a_service_and_a_workload_of_two_files_are_seen_together(tmp_path: Path) -> None:
    workload, service = tmp_path / "a.yaml", tmp_path / "b.yaml"
    workload.write_text(DEPLOYMENT)
    service.write_text(SERVICE)
    done = inject("-f", str(workload), "-f", str(service))
    assert done.exit_code == 0
    assert [document["kind"] for document in YAML(typ="safe").load_all(done.stdout)] == [
        "Deployment",
        "Service",
    ]
    assert INJECTED in done.stdout
    assert INJECTED not in inject("-f", str(workload)).stdout


TWINS = SERVICE.replace(
    "[{port: 7777, protocol: UDP}]",
    "[{name: a, port: 53, targetPort: dns-tcp, protocol: TCP}, {name: b, port: 53, targetPort: dns, protocol: UDP}]",
)
NAMED = DEPLOYMENT + (
    "          ports: [{name: dns, containerPort: 53, protocol: UDP}, {name: dns-tcp, containerPort: %s}]\n"
)


@pytest.mark.parametrize(
    ("workload", "code", "exit_code"),
    [("", "UDPLB303", 0), (NAMED % 53, "", 0), (NAMED % 5353, "UDPLB302", 1)],
    ids=["none in sight", "one number", "two numbers"],
)
def test_names_are_resolved_in_the_templates_of_the_release(workload: str, code: str, exit_code: int) -> None:
    done = inject(manifests=stream(TWINS, workload))
    assert done.exit_code == exit_code
    said = [line for line in done.stderr.splitlines() if "UDPLB30" in line]
    assert [code in line for line in said] == ([True] if code else [])


def test_templates_are_no_running_pods_that_lack_a_sidecar() -> None:
    assert "UDPLB402" not in inject(manifests=stream(labelled("audit"), SERVICE, DEPLOYMENT)).stderr


def test_a_service_of_another_namespace_asks_for_nothing() -> None:
    done = inject(manifests=stream(SERVICE.replace("shop", "other"), DEPLOYMENT))
    assert INJECTED not in done.stdout


def test_a_missing_namespace_is_default() -> None:
    bare = SERVICE.replace("  namespace: shop\n", "")
    done = inject(manifests=stream(bare, DEPLOYMENT.replace("shop", "default")))
    assert INJECTED in done.stdout


@pytest.mark.parametrize(
    ("kind", "version", "nest"),
    [
        ("Deployment", "apps/v1", 1),
        ("StatefulSet", "apps/v1", 1),
        ("DaemonSet", "apps/v1", 1),
        ("Job", "batch/v1", 1),
        ("CronJob", "batch/v1", 2),
        ("Pod", "v1", 0),
    ],
)
def test_every_kind_with_pods_gets_the_sidecar(kind: str, version: str, nest: int) -> None:
    pod = "{metadata: {labels: {app: game}}, spec: {containers: [{name: game, image: game}]}}"
    bodies = {
        0: "metadata: {name: game, namespace: shop, labels: {app: game}}\nspec: {containers: [{name: a}]}\n",
        1: f"metadata: {{name: game, namespace: shop}}\nspec: {{template: {pod}}}\n",
        2: f"metadata: {{name: game, namespace: shop}}\nspec: {{jobTemplate: {{spec: {{template: {pod}}}}}}}\n",
    }
    done = inject(manifests=stream(SERVICE, f"apiVersion: {version}\nkind: {kind}\n{bodies[nest]}"))
    assert INJECTED in done.stdout


def test_a_service_of_one_replica_gives_its_template_the_sidecar() -> None:
    one = SERVICE.replace("{app: game}", "{statefulset.kubernetes.io/pod-name: game-0}")
    done = inject(manifests=stream(one, DEPLOYMENT.replace("Deployment", "StatefulSet")))
    assert INJECTED in done.stdout


def test_another_group_may_call_its_objects_services_too() -> None:
    foreign = SERVICE.replace("apiVersion: v1", "apiVersion: serving.knative.dev/v1")
    done = inject(manifests=foreign)
    assert (done.exit_code, done.stdout, done.stderr) == (0, foreign, "")


def test_kube_system_is_left_alone_with_a_line() -> None:
    manifests = SERVICE.replace("shop", "kube-system")
    done = inject(manifests=manifests)
    assert (done.exit_code, done.stdout) == (0, manifests)
    assert done.stderr == "kube-system is left alone, as by the webhook\n"


@pytest.mark.parametrize("namespace", [NAMESPACE, labelled("disabled"), NAMESPACE.replace("shop", "other")])
def test_where_namespaces_are_given_they_opt_in(namespace: str) -> None:
    manifests = stream(namespace, SERVICE)
    done = inject(manifests=manifests)
    assert (done.exit_code, done.stdout) == (0, manifests)
    assert done.stderr.startswith("namespace shop is left alone: ")
    assert "loadBalancerClass" in inject(manifests=stream(labelled("enabled"), SERVICE)).stdout


def test_an_audited_namespace_is_told_and_not_changed() -> None:
    manifests = stream(labelled("audit"), SERVICE)
    done = inject(manifests=manifests)
    assert (done.exit_code, done.stdout) == (0, manifests)
    assert done.stderr
    assert all(line.startswith("Service/game: audit: UDPLB") for line in done.stderr.splitlines())


def test_the_owner_names_the_class() -> None:
    assert "loadBalancerClass: eks.amazonaws.com/nlb" in inject("--owner=auto-mode", manifests=SERVICE).stdout
    assert "loadBalancerClass: service.k8s.aws/nlb" in inject(manifests=SERVICE).stdout


def test_the_settings_of_the_webhook_count_offline(tmp_path: Path) -> None:
    file = tmp_path / "udplb.yaml"
    file.write_text(
        "owner: auto-mode\ncrossZone: false\nport: 8443\nsidecar: {image: registry.example/sidecar:1}\n"
    )
    done = inject("--config", str(file), manifests=stream(SERVICE, DEPLOYMENT))
    assert "loadBalancerClass: eks.amazonaws.com/nlb" in done.stdout
    assert "image: registry.example/sidecar:1\n" in done.stdout
    assert "cross_zone" not in done.stdout
    over = inject("--config", str(file), "--owner=lbc", manifests=SERVICE)
    assert "loadBalancerClass: service.k8s.aws/nlb" in over.stdout


def test_a_settings_file_that_cannot_be_used_is_named_fault_by_fault(tmp_path: Path) -> None:
    file = tmp_path / "udplb.yaml"
    file.write_text("owner: aws\nsidecar: {uid: root}\n")
    done = inject("--config", str(file), manifests=SERVICE)
    assert (done.exit_code, done.stdout) == (2, "")
    assert [line.split(":")[:2] for line in done.stderr.splitlines()] == [
        ["udplb inject", " owner"],
        ["udplb inject", " sidecar.uid"],
    ]


def test_without_a_settings_file_the_defaults_of_the_settings_count() -> None:
    given = settings.load({}, {}, serves=False).cluster()
    assert replace(cluster.DEFAULTS, sees_pods=given.sees_pods) == given


def test_old_manifests_make_it_an_update(tmp_path: Path) -> None:
    before = tmp_path / "old.yaml"
    before.write_text(inject(manifests=SERVICE).stdout)
    done = inject(f"--old={before}", manifests=SERVICE)
    assert done.exit_code == 0
    assert "loadBalancerClass: service.k8s.aws/nlb" in done.stdout
    before.write_text(SERVICE)
    assert inject(f"--old={before}", manifests=SERVICE).stdout == SERVICE


def test_a_text_that_yaml_1_1_takes_for_a_truth_is_quoted() -> None:
    dual = SERVICE.replace(
        "  namespace: shop\n",
        "  namespace: shop\n"
        "  annotations:\n"
        "    service.beta.kubernetes.io/aws-load-balancer-ip-address-type: dualstack\n",
    ).replace("spec:\n", "spec:\n  ipFamilies: [IPv6]\n", 1)
    assert 'enable-prefix-for-ipv6-source-nat: "on"\n' in inject(manifests=dual).stdout


def test_an_alias_is_written_out_where_only_one_of_its_uses_changes() -> None:
    shared = DEPLOYMENT.replace(
        "labels: {app: game}", "labels: {app: game}\n      annotations: *notes"
    ).replace("  namespace: shop", "  namespace: shop\n  annotations: &notes {team: play}")
    done = inject(manifests=stream(SERVICE, shared))
    _, workload = YAML(typ="safe").load_all(done.stdout)
    assert workload["metadata"]["annotations"] == {"team": "play"}
    assert set(workload["spec"]["template"]["metadata"]["annotations"]) == {"team", "udplb/status"}


def test_json_is_yaml() -> None:
    done = inject(
        manifests='{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "game"}, "spec": {'
        '"type": "LoadBalancer", "selector": {"app": "game"}, "ports": [{"port": 7777, "protocol": "UDP"}]}}\n'
    )
    assert YAML(typ="safe").load(done.stdout)["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"


def test_a_value_of_a_wrong_type_is_named_and_rejected() -> None:
    done = inject(manifests=SERVICE.replace("port: 7777", "port: many"))
    assert done.exit_code == 1
    assert done.stderr.startswith("Service/game: spec.ports[0].port: ")


@pytest.mark.parametrize("manifests", ["", "# nothing\n", "---\n", "just a text\n", "- a\n- list\n"])
def test_what_holds_no_object_goes_through(manifests: str) -> None:
    done = inject(manifests=manifests)
    assert (done.exit_code, done.stdout, done.stderr) == (0, manifests, "")


@pytest.mark.parametrize(
    ("manifests", "says"),
    [
        ("a: [\n", "udplb inject: stdin: line 2: "),
        ("a: 1\n---\nb: 1\nb: 2\n", "udplb inject: stdin: line 4: "),
    ],
)
def test_what_is_no_yaml_exits_2_with_a_line_that_says_where(manifests: str, says: str) -> None:
    done = inject(manifests=manifests)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(says)


def test_a_file_that_cannot_be_read_exits_2_with_a_line(tmp_path: Path) -> None:
    missing = inject("-f", "missing.yaml")
    assert (missing.exit_code, missing.stderr) == (
        2,
        "udplb inject: missing.yaml: No such file or directory\n",
    )
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: \xe9\n")
    assert inject("-f", str(latin)).stderr == f"udplb inject: {latin}: not a text in UTF-8\n"


def test_it_does_not_wait_for_the_imports_of_the_server() -> None:
    program = (
        "import sys, webhook.cli.inject; print(*{name.partition('.')[0] for name in sys.modules}, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"fastapi", "uvicorn", "kubernetes"} & set(done.stdout.split())
