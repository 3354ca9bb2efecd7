"""The chart as an installation on a real API server: admission, rights, upgrade and uninstall.

The control plane is not the one that other tests share: this one has webhooks that nobody serves.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.charts.chart import CHART, Manifest, only, rendered
from tests.lab.control_plane import ControlPlane
from webhook.cli import app as udplb

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

README = CHART.parents[1] / "README.md"
THREAT_MODEL = CHART.parents[1] / "docs" / "threat-model.md"
NAMESPACE = "udplb-system"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:udplb"
CLUSTER_KINDS = (
    "mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings"
)
NAMESPACED_KINDS = "deployments,services,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies,secrets,roles,rolebindings"


def flags(control_plane: ControlPlane) -> tuple[str, ...]:
    return (
        "--set=image.registry=registry.example/games",
        "--set=networkPolicy.enabled=true",
    )


def helm(control_plane: ControlPlane, verb: str) -> None:
    chart = [str(CHART), *flags(control_plane)]
    control_plane.helm(verb, "udplb", f"--namespace={NAMESPACE}", *([] if verb == "uninstall" else chart))


def versions(control_plane: ControlPlane) -> dict[str, str]:
    """The resourceVersion of each object of ours by kind and name."""
    owned = "--selector=app.kubernetes.io/instance=udplb"
    items: list[Manifest] = []
    for kinds in (CLUSTER_KINDS, NAMESPACED_KINDS):
        listed = control_plane.kubectl("get", kinds, owned, f"--namespace={NAMESPACE}", "--output=json")
        items += json.loads(listed.stdout)["items"]
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in items
    }


@pytest.fixture(scope="module")
def installed() -> Iterator[ControlPlane]:
    """The chart, installed by helm in a namespace that enforces the `restricted` Pod Security level."""
    with ControlPlane() as control_plane:
        control_plane.namespace(NAMESPACE, RESTRICTED)
        helm(control_plane, "install")
        yield control_plane


def test_the_api_server_takes_every_object_without_a_warning(installed: ControlPlane) -> None:
    text = installed.helm(
        "template", "udplb", str(CHART), f"--namespace={NAMESPACE}", *flags(installed)
    ).stdout
    without_tests = text.split("# Source: udplb/templates/tests/")[0]
    done = installed.kubectl(
        "apply", "--dry-run=server", "--server-side", "--force-conflicts", "-f", "-", stdin=without_tests
    )
    assert not done.stderr


def test_the_webhook_pods_meet_pod_security_restricted(installed: ControlPlane) -> None:
    template = only(rendered(*flags(installed)), "Deployment")["spec"]["template"]
    pod = {"metadata": {**template["metadata"], "name": "udplb-0"}, "spec": template["spec"]}
    answer = installed.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", pod)
    assert (answer.status, answer.warnings) == (201, ())


def test_the_helm_test_pod_is_admitted_where_pod_security_is_restricted(installed: ControlPlane) -> None:
    manifests = rendered(*flags(installed))
    namespace = only(manifests, "Namespace")["metadata"]
    pod = only(manifests, "Pod")
    assert pod["metadata"]["namespace"] == namespace["name"]
    assert namespace["labels"]["udplb/inject"] == "enabled"

    enforcing = {**namespace["labels"], **RESTRICTED}
    installed.namespace(namespace["name"], enforcing)
    answer = installed.request("POST", f"/api/v1/namespaces/{namespace['name']}/pods?dryRun=All", pod)
    assert (answer.status, answer.warnings) == (201, ())


def may(
    control_plane: ControlPlane,
    verb: str,
    resource: str,
    group: str = "",
    namespace: str = "games",
    name: str = "",
) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": ACCOUNT,
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {
                "verb": verb,
                "group": group,
                "resource": resource,
                "namespace": namespace,
                "name": name,
            },
        },
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(control_plane.request("POST", path, review).body["status"]["allowed"])


RIGHTS = {
    "services": {"get", "list", "watch"},
    "namespaces": {"list", "watch"},
    "limitranges": {"list", "watch"},
    "pods": {"list"},
    "secrets": set(),
    "configmaps": set(),
    "events": set(),
    "serviceaccounts": set(),
}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


@pytest.mark.parametrize("resource", RIGHTS)
def test_the_account_may_read_what_decisions_need_and_no_more(installed: ControlPlane, resource: str) -> None:
    assert {verb for verb in VERBS if may(installed, verb, resource)} == RIGHTS[resource]


@pytest.mark.parametrize(
    ("resource", "own"),
    [("mutatingwebhookconfigurations", "0-udplb"), ("validatingwebhookconfigurations", "udplb")],
)
def test_the_account_may_patch_our_own_webhook_configurations_and_no_other(
    installed: ControlPlane, resource: str, own: str
) -> None:
    for name, expected in ((own, {"get", "patch"}), ("others", set())):
        allowed = {
            verb
            for verb in VERBS
            if may(installed, verb, resource, "admissionregistration.k8s.io", name=name)
        }
        assert allowed == expected


def test_the_account_may_keep_its_authority_and_read_no_other_secret(installed: ControlPlane) -> None:
    for name, expected in (("udplb-ca", {"create", "get", "patch"}), ("others", {"create"})):
        allowed = {verb for verb in VERBS if may(installed, verb, "secrets", namespace=NAMESPACE, name=name)}
        assert allowed == expected


def test_the_pod_list_is_a_right_that_a_value_takes_away(installed: ControlPlane) -> None:
    role = only(rendered(*flags(installed), "--set=rbac.listPods=false"), "ClusterRole")
    assert "pods" not in {resource for rule in role["rules"] for resource in rule["resources"]}


def test_an_upgrade_to_the_same_values_changes_no_object(installed: ControlPlane) -> None:
    before = versions(installed)
    helm(installed, "upgrade")
    assert versions(installed) == before


def test_after_a_stolen_token_the_documented_commands_make_everything_anew(
    installed: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = versions(installed)
    installed.kubectl("create", "secret", "generic", "udplb-ca", f"--namespace={NAMESPACE}")
    monkeypatch.chdir(CHART.parents[1])
    text = THREAT_MODEL.read_text().split("**If it happened**")[1]
    script = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[0]
    run: dict[str, Callable[..., object]] = {"kubectl": installed.kubectl, "helm": installed.helm}
    for program, *words in map(shlex.split, script.splitlines()):
        run[program](*words)
    after = versions(installed)
    assert after.keys() == before.keys()
    made_anew = {"MutatingWebhookConfiguration/0-udplb", "ValidatingWebhookConfiguration/udplb"}
    assert {name for name in after if after[name] != before[name]} == {*made_anew, "Deployment/udplb"}
    deployment = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/udplb"
    assert installed.request("GET", deployment).body["spec"]["replicas"] == 2
    assert installed.request("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets/udplb-ca").status == 404


def test_an_uninstall_leaves_nothing() -> None:
    with ControlPlane() as control_plane:
        control_plane.namespace(NAMESPACE, RESTRICTED)
        helm(control_plane, "install")
        assert len(versions(control_plane)) == 12
        helm(control_plane, "uninstall")
        assert versions(control_plane) == {}


def test_the_readmes_commands_install_it_on_a_cluster_that_has_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = README.read_text().split("## On EKS")[1].split("\n## ")[0]
    commands = [shlex.split(text) for text in re.findall(r"`((?:udplb|kubectl|helm) [^`]+)`", section)]
    assert [command[0] for command in commands] == ["helm", "kubectl", "udplb"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "charts").symlink_to(CHART.parent)
    with ControlPlane() as control_plane:
        control_plane.namespace("games")
        run: dict[str, Callable[..., object]] = {
            "kubectl": control_plane.kubectl,
            "helm": control_plane.helm,
            "udplb": lambda *words: CliRunner().invoke(
                udplb, [*words, f"--kubeconfig={control_plane.kubeconfig}"]
            ),
        }
        *_, checked = [run[program](*words) for program, *words in commands]
        listed = control_plane.helm("list", f"--namespace={NAMESPACE}", "--output=json").stdout
    assert [release["status"] for release in json.loads(listed)] == ["deployed"]
    assert isinstance(checked, Result)
    assert "0 of 2 are ready in udplb-system" in checked.stdout  # there is no node
