"""What the chart renders, as helm says it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.charts.chart import (
    CA_BUNDLE,
    CERT_MANAGER,
    CHART,
    EXISTING_SECRET,
    SERVICE_MODE,
    URL_MODE,
    WEBHOOKS,
    Manifest,
    helm,
    only,
    refusal,
    rendered,
    strings,
    webhooks,
)
from webhook import __version__
from webhook.policy.finding import Severity
from webhook.settings import load

pytestmark = pytest.mark.chart

CONFIGURATIONS = {
    ("MutatingWebhookConfiguration", "0-udplb"),
    ("ValidatingWebhookConfiguration", "udplb"),
}
INSTALLED = {
    *CONFIGURATIONS,
    ("ClusterRole", "udplb"),
    ("ClusterRoleBinding", "udplb"),
    ("ConfigMap", "udplb"),
    ("Deployment", "udplb"),
    ("PodDisruptionBudget", "udplb"),
    ("Role", "udplb"),
    ("RoleBinding", "udplb"),
    ("Service", "udplb"),
    ("ServiceAccount", "udplb"),
}
HELM_TEST = {("Namespace", "udplb-test"), ("Pod", "injected")}
DIGEST = "sha256:" + "0123456789abcdef" * 4

EVERYTHING = (
    f"--set=image.digests.udplb={DIGEST}",
    f"--set=image.digests.udp-healthcheck={DIGEST}",
    "--set=image.pullSecrets={ours,both}",
    "--set=sidecar.pullSecrets={both}",
    "--set=hostNetwork=true",
    "--set=rbac.listPods=false",
    "--set=owner=lbc",
    "--set=ruleSeverity.UDPLB202=warn",
    "--set=lbc.featureGates.NLBSecurityGroup=false",
    "--set=nodeSelector.disk=ssd",
    '--set-json=tolerations=[{"operator":"Exists"}]',
    '--set-json=affinity={"nodeAffinity":{}}',
    "--set=podAnnotations.a=b",
    "--set=podLabels.a=b",
    "--set-string=serviceAccount.annotations.a=b",
)
WATCHING = ("serviceMonitor", "prometheusRule", "dashboard")
MATRIX = {
    "service-mode": SERVICE_MODE,
    "existing-secret": EXISTING_SECRET,
    "cert-manager": CERT_MANAGER,
    "url-mode": URL_MODE,
    "every-value": (*SERVICE_MODE, *EVERYTHING),
    "url-mode-every-value": (*URL_MODE, *EVERYTHING),
    "network-policy": (*SERVICE_MODE, "--set=networkPolicy.enabled=true"),
    "watched": (*SERVICE_MODE, *(f"--set={name}.enabled=true" for name in WATCHING)),
    "one-replica": (*SERVICE_MODE, "--set=replicaCount=1", "--set=priorityClassName="),
}


def names(manifests: list[Manifest]) -> set[tuple[str, str]]:
    return {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}


def pod_of(manifests: list[Manifest]) -> dict[str, Any]:
    spec: dict[str, Any] = only(manifests, "Deployment")["spec"]["template"]["spec"]
    return spec


def settings_of(manifests: list[Manifest]) -> dict[str, Any]:
    settings: dict[str, Any] = YAML(typ="safe").load(only(manifests, "ConfigMap")["data"]["config.yaml"])
    return settings


@pytest.mark.parametrize("flags", MATRIX.values(), ids=MATRIX)
def test_helm_lint_finds_nothing(flags: tuple[str, ...]) -> None:
    done = helm("lint", "--strict", str(CHART), *flags)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("flags", MATRIX.values(), ids=MATRIX)
def test_rendering_twice_gives_the_same(flags: tuple[str, ...]) -> None:
    first, second = (helm("template", "udplb", str(CHART), *flags).stdout for _ in range(2))
    assert first == second


def test_chart_and_program_have_one_version() -> None:
    chart = YAML(typ="safe").load(CHART / "Chart.yaml")
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("version", ["v1.32.0-eks-a1b2c3", "v1.34.4", "v1.37.2"])
def test_a_supported_cluster_is_taken(version: str) -> None:
    assert rendered(*SERVICE_MODE, f"--kube-version={version}")


def test_a_cluster_that_is_too_old_is_refused() -> None:
    assert "incompatible" in refusal(*SERVICE_MODE, "--kube-version=v1.31.9")


def test_service_mode_renders_one_installation() -> None:
    assert names(rendered(*SERVICE_MODE)) == INSTALLED | HELM_TEST


@pytest.mark.parametrize("flags", [URL_MODE, (*URL_MODE, *EVERYTHING)], ids=["defaults", "every-value"])
def test_url_mode_renders_nothing_but_the_webhook_configurations(flags: tuple[str, ...]) -> None:
    assert names(rendered(*flags)) == CONFIGURATIONS


@pytest.mark.parametrize(
    ("flag", "line"),
    [
        ("--set=tls.mode=existingSecret", "tls.caBundle is empty: give the authority that signed"),
        ("--set=tls.mode=existingSecret", "udplb certs issue --dir tls --name udplb.udplb-system.svc"),
        (
            "--set-string=tls.caBundle=-----BEGIN CERTIFICATE-----",
            "tls.caBundle is given, but with tls.mode self nobody reads it: take it away",
        ),
        ("--set=image.registry=", "image.registry is empty: build and push both images with `make push"),
        ("--set=image.registry=", "install a released chart"),
        ("--set-string=tls.caBundle=-----BEGIN PRIVATE KEY-----", "tls.caBundle holds a private key"),
        (
            "--set-string=tls.caBundle=LS0tLS1CRUdJTg==",
            "tls.caBundle holds no certificate: give the PEM file as it is",
        ),
        (
            r"--set=podLabels.app\.kubernetes\.io/name=a",
            "podLabels holds app.kubernetes.io/name, by which the webhook finds its own pods: take it out",
        ),
        ("--set=opsPort=9443", "port and opsPort are both 9443: give them two numbers"),
        (
            "--set=networkPolicy.enabled=true,hostNetwork=true",
            "networkPolicy.enabled does nothing for pods on the node's network: switch it off, or hostNetwork",
        ),
    ],
)
def test_values_that_cannot_work_are_refused_in_one_line_that_names_the_way_out(flag: str, line: str) -> None:
    error = refusal(*SERVICE_MODE, flag)
    assert line in error
    assert error.count("Error:") == 1


def test_url_mode_needs_an_authority() -> None:
    assert "tls.caBundle is empty: with webhook.url" in refusal("--set=webhook.url=https://127.0.0.1:9443")


def test_a_private_key_given_by_mistake_is_not_repeated() -> None:
    assert "c2VjcmV0" not in refusal(
        *URL_MODE, "--set-string=tls.caBundle=-----BEGIN EC PRIVATE KEY----- c2VjcmV0"
    )


def needed(schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The values that the templates look into, or hand to an API server that has defaults of its own."""
    for name in schema.get("required", ()):
        yield (*path, name)
        yield from needed(schema["properties"][name], (*path, name))


NEEDED = tuple(needed(json.loads((CHART / "values.schema.json").read_text())))


@pytest.mark.parametrize("depth", range(1, 5))
def test_a_needed_value_is_not_nulled(depth: int) -> None:
    nulled = [path for path in NEEDED if len(path) == depth]
    error = refusal(*(f"--set-json={'.'.join(path)}=null" for path in nulled))
    assert all(f"'{path[-1]}'" in error for path in nulled)


def test_every_failure_policy_is_needed() -> None:
    """The API server reads null as Fail."""
    values = YAML(typ="safe").load(CHART / "values.yaml")["webhook"]["failurePolicy"]
    policies = {
        ("webhook", "failurePolicy", phase, name) for phase, names in values.items() for name in names
    }
    assert policies <= set(NEEDED)


@pytest.mark.parametrize(
    "flag",
    [
        "--set=replicas=3",
        "--set=webhook.namespaceSelector.matchLabels.a=b",
        "--set=webhook.failurePolicy.mutate.service=Ignore",
        "--set=webhook.failurePolicy.mutate.services=ignore",
        "--set=webhook.timeoutSeconds=6",
        "--set=webhook.timeoutSeconds=0",
        "--set=webhook.url=http://127.0.0.1:9443",
        "--set=webhook.url=https://127.0.0.1:9443?a=b",
        "--set=image.registry=https://images.example",
        "--set=image.registry=registry.example/",
        "--set=image.digests.udplb=latest",
        "--set=image.digests.sidecar=",
        "--set=tls.mode=none",
        "--set=tls.key=a",
        "--set=port=443",
        "--set=owner=aws",
        "--set=autoMode.tcpUdp=yes",
        "--set=crossZone=1",
        "--set=ruleSeverity.UDPLB202=error",
        "--set=ruleSeverity.T2=warn",
        "--set=lbc.defaultTargetType=pod",
        "--set=injection.trigger=always",
        "--set=sidecar.uid=0",
        "--set=ipFamily=IPv5",
        "--set=webhook.url=https://127.0.0.1:9443/a b",
        "--set=sidecar.image=a b",
        "--set=sidecar.pullSecrets={a: b}",
        "--set=podDisruptionBudget.maxUnavailable=0",
        "--set=podDisruptionBudget.maxUnavailable=some",
        "--set=serviceMonitor.interval=often",
        "--set=prometheusRule.runbooks=",
        "--set=dashboard.folder=a",
    ],
)
def test_the_schema_refuses(flag: str) -> None:
    field = flag.removeprefix("--set=").split("=")[0].split(".")[0]
    error = refusal(*SERVICE_MODE, flag)
    assert "don't meet the specifications of the schema" in error
    assert field in error


@pytest.mark.parametrize("flags", [SERVICE_MODE, URL_MODE], ids=["service-mode", "url-mode"])
def test_the_webhooks_have_their_names(flags: tuple[str, ...]) -> None:
    assert tuple(webhooks(rendered(*flags))) == WEBHOOKS


def test_every_webhook_name_has_three_segments() -> None:
    assert all(len(name.split(".")) >= 3 for name in webhooks(rendered(*URL_MODE)))


def test_only_the_validation_of_new_services_fails_closed() -> None:
    policies = {name: entry["failurePolicy"] for name, entry in webhooks(rendered(*URL_MODE)).items()}
    assert policies == dict.fromkeys(WEBHOOKS, "Ignore") | {"services-create.validate.udplb": "Fail"}


FAILURE_POLICIES = {
    "pods.mutate.udplb": "mutate.pods",
    "services.mutate.udplb": "mutate.services",
    "services-create.validate.udplb": "validate.servicesCreate",
    "services-update.validate.udplb": "validate.servicesUpdate",
    "pods.validate.udplb": "validate.pods",
    "workloads.validate.udplb": "validate.workloads",
}


@pytest.mark.parametrize("name", WEBHOOKS)
@pytest.mark.parametrize("policy", ["Ignore", "Fail"])
def test_every_failure_policy_is_a_value_of_its_own(name: str, policy: str) -> None:
    flag = f"--set=webhook.failurePolicy.{FAILURE_POLICIES[name]}={policy}"
    before, after = webhooks(rendered(*URL_MODE)), webhooks(rendered(*URL_MODE, flag))
    assert after[name]["failurePolicy"] == policy
    assert all(after[other] == before[other] for other in WEBHOOKS if other != name)


RULES: dict[str, set[tuple[str, str]]] = {
    "pods.mutate.udplb": {("CREATE", "pods")},
    "services.mutate.udplb": {("CREATE", "services"), ("UPDATE", "services")},
    "services-create.validate.udplb": {("CREATE", "services")},
    "services-update.validate.udplb": {("UPDATE", "services")},
    "pods.validate.udplb": {("CREATE", "pods")},
    "workloads.validate.udplb": {
        (operation, resource)
        for operation in ("CREATE", "UPDATE")
        for resource in ("deployments", "statefulsets", "daemonsets", "jobs", "cronjobs")
    },
}


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_webhook_is_called_for_its_operations_and_resources_alone(name: str) -> None:
    subscribed = {
        (operation, resource)
        for rule in webhooks(rendered(*URL_MODE))[name]["rules"]
        for operation in rule["operations"]
        for resource in rule["resources"]
    }
    assert subscribed == RULES[name]


@pytest.mark.parametrize("flags", MATRIX.values(), ids=MATRIX)
def test_every_webhook_keeps_the_common_rules(flags: tuple[str, ...]) -> None:
    for entry in webhooks(rendered(*flags)).values():
        assert entry["timeoutSeconds"] <= 5
        assert entry["matchPolicy"] == "Equivalent"
        assert entry["sideEffects"] == "None"
        assert entry["admissionReviewVersions"] == ["v1"]
        assert all(rule["scope"] == "Namespaced" for rule in entry["rules"])


def test_mutating_webhooks_are_called_again_when_another_changed_the_object() -> None:
    mutating = only(rendered(*URL_MODE), "MutatingWebhookConfiguration")["webhooks"]
    assert {entry["reinvocationPolicy"] for entry in mutating} == {"IfNeeded"}


def test_the_three_service_webhooks_have_the_same_conditions_and_one_more_way_to_the_class() -> None:
    conditions = [
        entry["matchConditions"]
        for name, entry in webhooks(rendered(*URL_MODE)).items()
        if "services" in name
    ]
    assert len(conditions) == 3
    changes, *judgements = conditions
    assert judgements[0] == judgements[1]
    changed, udp, out = judgements[0]
    assert changes[0] == changed
    assert changes[1]["expression"].startswith(f"({udp['expression']} && {out['expression']}) || (")
    assert len(changes) == 2


def selector(entry: Manifest) -> dict[str, tuple[str, list[str]]]:
    """A namespaceSelector by key; nothing but expressions may be in it."""
    assert entry["namespaceSelector"].keys() == {"matchExpressions"}
    return {
        expression["key"]: (expression["operator"], expression["values"])
        for expression in entry["namespaceSelector"]["matchExpressions"]
    }


@pytest.mark.parametrize("name", WEBHOOKS)
@pytest.mark.parametrize(("policy", "modes"), [("Ignore", ["enabled", "audit"]), ("Fail", ["enabled"])])
def test_a_webhook_that_fails_closed_leaves_audit_out(name: str, policy: str, modes: list[str]) -> None:
    flag = f"--set=webhook.failurePolicy.{FAILURE_POLICIES[name]}={policy}"
    assert selector(webhooks(rendered(*URL_MODE, flag))[name])["udplb/inject"] == ("In", modes)


@pytest.mark.parametrize(
    ("flags", "namespace", "excluded"),
    [
        pytest.param(SERVICE_MODE, "games", ["kube-system", "games"], id="service-mode"),
        pytest.param(SERVICE_MODE, "kube-system", ["kube-system"], id="service-mode-in-kube-system"),
        pytest.param((*SERVICE_MODE, *EVERYTHING), "games", ["kube-system", "games"], id="every-value"),
        pytest.param(URL_MODE, "games", ["kube-system"], id="url-mode"),
    ],
)
def test_no_value_opens_kube_system_or_our_own_namespace(
    flags: tuple[str, ...], namespace: str, excluded: list[str]
) -> None:
    entries = webhooks(rendered(*flags, namespace=namespace))
    for name in WEBHOOKS:
        assert selector(entries[name])["kubernetes.io/metadata.name"] == ("NotIn", excluded)


@pytest.mark.parametrize("name", ["pods.mutate.udplb", "pods.validate.udplb"])
def test_pods_labelled_false_are_left_out(name: str) -> None:
    assert webhooks(rendered(*URL_MODE))[name]["objectSelector"] == {
        "matchExpressions": [{"key": "udplb/inject", "operator": "NotIn", "values": ["false"]}]
    }


PATHS = {
    "pods.mutate.udplb": "/mutate/pods",
    "services.mutate.udplb": "/mutate/services",
    "services-create.validate.udplb": "/validate/services",
    "services-update.validate.udplb": "/validate/services",
    "pods.validate.udplb": "/validate/pods",
    "workloads.validate.udplb": "/validate/workloads",
}


@pytest.mark.parametrize("url", ["https://127.0.0.1:9443", "https://127.0.0.1:9443/"])
def test_url_mode_calls_the_url(url: str) -> None:
    entries = webhooks(rendered(*URL_MODE, f"--set=webhook.url={url}"))
    called = {name: entry["clientConfig"]["url"] for name, entry in entries.items()}
    assert called == {name: f"https://127.0.0.1:9443{path}" for name, path in PATHS.items()}


def test_service_mode_calls_the_service_that_it_installs() -> None:
    manifests = rendered(*SERVICE_MODE, namespace="games")
    called = {name: entry["clientConfig"]["service"] for name, entry in webhooks(manifests).items()}
    where = {"namespace": "games", "name": "udplb", "port": 443}
    assert called == {name: where | {"path": path} for name, path in PATHS.items()}

    service, pod = only(manifests, "Service"), pod_of(manifests)
    assert service["metadata"]["namespace"] == "games"
    ports = {port["port"]: port["targetPort"] for port in service["spec"]["ports"]}
    assert ports[443] in {port["name"] for port in pod["containers"][0]["ports"]}
    labels = only(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


@pytest.mark.parametrize("flags", [EXISTING_SECRET, URL_MODE], ids=["existing-secret", "url-mode"])
def test_the_authority_is_handed_to_the_api_server(flags: tuple[str, ...]) -> None:
    for entry in webhooks(rendered(*flags)).values():
        assert base64.b64decode(entry["clientConfig"]["caBundle"]).decode() == CA_BUNDLE


@pytest.mark.parametrize("flags", [SERVICE_MODE, CERT_MANAGER], ids=["self", "cert-manager"])
def test_no_upgrade_resets_an_authority_that_is_written_in_the_cluster(flags: tuple[str, ...]) -> None:
    assert not [
        name for name, entry in webhooks(rendered(*flags)).items() if "caBundle" in entry["clientConfig"]
    ]


def test_cert_manager_issues_for_our_service_and_injects_its_authority() -> None:
    manifests = rendered(*CERT_MANAGER, namespace="games")
    certificate = only(manifests, "Certificate")["spec"]
    assert certificate["dnsNames"][0] == "udplb.games.svc"
    assert certificate["secretName"] == pod_of(manifests)["volumes"][1]["secret"]["secretName"]
    assert certificate["issuerRef"]["name"] == only(manifests, "Issuer")["metadata"]["name"]
    for kind, _ in CONFIGURATIONS:
        assert only(manifests, kind)["metadata"]["annotations"] == {
            "cert-manager.io/inject-ca-from": f"games/{only(manifests, 'Certificate')['metadata']['name']}"
        }


def test_a_named_issuer_of_cert_managers_is_used_as_it_is() -> None:
    named = (
        "--set=tls.certManager.issuerRef.kind=ClusterIssuer",
        "--set=tls.certManager.issuerRef.name=company",
    )
    manifests = rendered(*CERT_MANAGER, *named)
    assert only(manifests, "Certificate")["spec"]["issuerRef"] == {
        "group": "cert-manager.io",
        "kind": "ClusterIssuer",
        "name": "company",
    }
    assert "Issuer" not in {kind for kind, _ in names(manifests)}


@pytest.mark.parametrize("flags", [EXISTING_SECRET, CERT_MANAGER], ids=["existing-secret", "cert-manager"])
def test_no_right_on_secrets_or_webhook_configurations_is_rendered_but_for_self(
    flags: tuple[str, ...],
) -> None:
    manifests = rendered(*flags)
    assert "Role" not in {kind for kind, _ in names(manifests)}
    granted = {name for rule in only(manifests, "ClusterRole")["rules"] for name in rule["resources"]}
    assert "mutatingwebhookconfigurations" not in granted


@pytest.mark.parametrize("flags", MATRIX.values(), ids=MATRIX)
def test_no_secret_is_rendered(flags: tuple[str, ...]) -> None:
    manifests = rendered(*flags)
    assert "Secret" not in {manifest["kind"] for manifest in manifests}
    assert not any("PRIVATE KEY" in text for manifest in manifests for text in strings(manifest))


def images(manifests: list[Manifest]) -> tuple[str, str]:
    """The webhook's image, and the sidecar's as the settings name it."""
    return pod_of(manifests)["containers"][0]["image"], settings_of(manifests)["sidecar"]["image"]


REGISTRY = "registry.example/games"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), (f"{REGISTRY}/udplb:{__version__}", f"{REGISTRY}/udp-healthcheck:{__version__}")),
        (
            (f"--set=image.digests.udplb={DIGEST}",),
            (f"{REGISTRY}/udplb@{DIGEST}", f"{REGISTRY}/udp-healthcheck:{__version__}"),
        ),
        (
            (f"--set=image.digests.udp-healthcheck={DIGEST}",),
            (f"{REGISTRY}/udplb:{__version__}", f"{REGISTRY}/udp-healthcheck@{DIGEST}"),
        ),
        (
            ("--set=sidecar.image=mirror.example/a:b",),
            (f"{REGISTRY}/udplb:{__version__}", "mirror.example/a:b"),
        ),
    ],
)
def test_images_are_taken_by_digest_where_known(flags: tuple[str, ...], expected: tuple[str, str]) -> None:
    assert images(rendered(*SERVICE_MODE, *flags)) == expected


@pytest.mark.parametrize(
    "flag", ["--set=port=9443", f"--set=image.digests.udp-healthcheck={DIGEST}", "--set=sidecar.image=a:b"]
)
def test_a_webhook_pod_first_runs_the_very_sidecar_that_it_injects(flag: str) -> None:
    manifests = rendered(*SERVICE_MODE, flag, "--set=sidecar.uid=70000")
    settings = settings_of(manifests)["sidecar"]
    (first,) = pod_of(manifests)["initContainers"]
    assert first["image"] == settings["image"]
    assert first["args"] == ["--grammar", "1"]
    assert "command" not in first
    assert first["resources"] == settings["resources"]
    assert first["securityContext"]["runAsUser"] == settings["uid"] == 70000


def test_the_settings_file_carries_the_values_under_their_own_names() -> None:
    flags = ("--set=ruleSeverity.UDPLB202=warn", "--set=autoMode.tcpUdp=allow", "--set=drainSeconds=7")
    settings = settings_of(rendered(*SERVICE_MODE, *flags))
    values = YAML(typ="safe").load(CHART / "values.yaml")
    expected = {name: values[name] for name in settings}
    expected["tls"] = {"mode": "self", "namespace": "udplb-system"}
    expected["healthcheck"] = {}  # Helm takes a null value away
    expected["sidecar"] |= {"image": f"{REGISTRY}/udp-healthcheck:{__version__}"}
    expected |= {"ruleSeverity": {"UDPLB202": "warn"}, "autoMode": {"tcpUdp": "allow"}, "drainSeconds": 7}
    assert settings == expected


def test_a_bare_off_reaches_the_program(tmp_path: Path) -> None:
    """YAML reads it as false."""
    file = tmp_path / "config.yaml"
    text = only(rendered(*SERVICE_MODE, "--set-json=ruleSeverity.UDPLB202=false"), "ConfigMap")["data"]
    file.write_text(text["config.yaml"])
    loaded = load({}, environ={}, config=file)
    assert loaded.rule_severity == {"UDPLB202": Severity.OFF}


def test_the_program_takes_the_settings_file_and_its_values_are_the_programs_defaults(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(only(rendered(*SERVICE_MODE), "ConfigMap")["data"]["config.yaml"])
    image = f"{REGISTRY}/udp-healthcheck:{__version__}"
    ours = {"tls_mode": "self", "tls_namespace": "udplb-system", "sidecar_image": image}
    assert load({}, environ={}, config=file) == load(ours, environ={})


def test_a_program_that_may_not_list_pods_does_not_try() -> None:
    manifests = rendered(*SERVICE_MODE, "--set=rbac.listPods=false")
    assert settings_of(manifests)["rbac"] == {"listPods": False}
    assert "pods" not in {
        name for rule in only(manifests, "ClusterRole")["rules"] for name in rule["resources"]
    }


def test_changed_settings_roll_the_webhook_pods() -> None:
    def checksum(*flags: str) -> str:
        template = only(rendered(*SERVICE_MODE, *flags), "Deployment")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/settings"])

    assert checksum() != checksum("--set=crossZone=false")
    assert checksum() == checksum("--set=replicaCount=3")


def test_the_program_is_started_with_the_mounted_files() -> None:
    pod = pod_of(rendered(*EXISTING_SECRET, "--set=tls.secretName=own"))
    (container,) = pod["containers"]
    assert container["args"] == [
        "serve",
        "--config=/etc/udplb/config.yaml",
        "--cert-file=/tls/tls.crt",
        "--key-file=/tls/tls.key",
    ]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes[mounts["/etc/udplb"]]["configMap"]["name"] == "udplb"
    assert volumes[mounts["/tls"]]["secret"]["secretName"] == "own"


def test_no_key_is_on_a_disk_where_we_sign_ourselves() -> None:
    pod = pod_of(rendered(*SERVICE_MODE))
    assert pod["containers"][0]["args"] == ["serve", "--config=/etc/udplb/config.yaml"]
    assert [volume["name"] for volume in pod["volumes"]] == ["settings"]


def test_ports_are_values() -> None:
    manifests = rendered(*SERVICE_MODE, "--set=port=10250", "--set=opsPort=10251")
    ports = {port["name"]: port["containerPort"] for port in pod_of(manifests)["containers"][0]["ports"]}
    assert ports == {"https": 10250, "http-metrics": 10251}
    assert (settings_of(manifests)["port"], settings_of(manifests)["opsPort"]) == (10250, 10251)


def test_probes_ask_the_plain_port() -> None:
    container = pod_of(rendered(*SERVICE_MODE))["containers"][0]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http-metrics"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http-metrics"}


def test_a_rollout_never_takes_a_serving_replica_away() -> None:
    deployment = only(rendered(*SERVICE_MODE), "Deployment")["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_an_eviction_takes_one_replica_at_a_time_and_any_that_is_broken() -> None:
    manifests = rendered(*SERVICE_MODE)
    budget = only(manifests, "PodDisruptionBudget")["spec"]
    labels = only(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert budget["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize("drain", [5, 120])
def test_the_grace_period_holds_prestop_drain_and_a_last_review(drain: int) -> None:
    pod = pod_of(rendered(*SERVICE_MODE, f"--set=drainSeconds={drain}"))
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > pause + drain + 5


def test_replicas_are_spread_over_zones_and_nodes() -> None:
    pod = pod_of(rendered(*SERVICE_MODE))
    assert [spread["topologyKey"] for spread in pod["topologySpreadConstraints"]] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]


def test_service_links_are_off() -> None:
    assert pod_of(rendered(*SERVICE_MODE))["enableServiceLinks"] is False


def test_host_network_keeps_cluster_dns() -> None:
    assert "hostNetwork" not in pod_of(rendered(*SERVICE_MODE))
    pod = pod_of(rendered(*SERVICE_MODE, "--set=hostNetwork=true"))
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")


def test_pull_secrets_serve_both_images() -> None:
    assert "imagePullSecrets" not in pod_of(rendered(*SERVICE_MODE))
    pod = pod_of(rendered(*SERVICE_MODE, *EVERYTHING))
    assert [secret["name"] for secret in pod["imagePullSecrets"]] == ["ours", "both"]


def test_the_network_policy_is_a_value() -> None:
    policy = only(rendered(*SERVICE_MODE, "--set=networkPolicy.enabled=true"), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == ["https", "http-metrics"]
    assert all("from" not in rule for rule in policy["ingress"])


def alerts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load((CHART / "files" / "alerts.yaml").read_text())
    return found


@pytest.mark.parametrize("alert", [rule["alert"] for rule in alerts()])
def test_every_alert_has_a_runbook(alert: str) -> None:
    (rule,) = (one for one in alerts() if one["alert"] == alert)
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{alert.lower()}"
    assert f"\n### {alert}\n" in (CHART.parents[1] / "docs" / "operations.md").read_text()


def test_runbooks_are_read_where_the_value_says() -> None:
    flags = ("--set=prometheusRule.enabled=true", "--set=prometheusRule.runbooks=https://wiki.example/udplb")
    rules = only(rendered(*SERVICE_MODE, *flags), "PrometheusRule")["spec"]["groups"][0]["rules"]
    assert [rule["annotations"]["runbook_url"] for rule in rules] == [
        f"https://wiki.example/udplb#{rule['alert'].lower()}" for rule in alerts()
    ]


def test_what_watches_udplb_is_rendered_where_it_is_asked_for() -> None:
    manifests = rendered(*MATRIX["watched"])
    monitor = only(manifests, "ServiceMonitor")["spec"]
    service = only(manifests, "Service")
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert only(manifests, "PrometheusRule")["spec"]["groups"][0]["rules"] == alerts()
    (dashboard,) = (one for one in manifests if one["metadata"]["name"] == "udplb-dashboard")
    assert json.loads(dashboard["data"]["udplb.json"]) == json.loads(
        (CHART / "files" / "dashboard.json").read_text()
    )
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Values by dotted name, as the README's table names them."""
    if isinstance(value, dict) and value and path != "resources" and not path.endswith(".resources"):
        return {
            name: leaf for key, item in value.items() for name, leaf in leaves(item, f"{path}.{key}").items()
        }
    return {path.removeprefix("."): value}


def described(values: str) -> dict[str, str]:
    """The `# --` comment of every value, in order."""
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    comment = ""
    for line in values.splitlines():
        if text := re.match(r"\s*# -- (.*)", line):
            comment = text[1]
        elif key := re.match(r"( *)([\w-]+):", line):
            path = [(indent, name) for indent, name in path if indent < len(key[1])]
            path.append((len(key[1]), key[2]))
            if comment:
                found[".".join(name for _, name in path)] = comment
            comment = ""
    return found


def values_table() -> str:
    """The README's table of values, from values.yaml."""
    text = (CHART / "values.yaml").read_text()
    comments = described(text)
    rows = ["| Key | Default | Description |", "|---|---|---|"]
    for name, default in leaves(YAML(typ="safe").load(text)).items():
        shown = json.dumps(default, separators=(",", ":"))
        rows.append(f"| `{name}` | `{shown}` | {comments[name]} |")
    return "\n".join(rows)


def test_the_readme_lists_every_value() -> None:
    assert values_table() in Path(CHART / "README.md").read_text()
