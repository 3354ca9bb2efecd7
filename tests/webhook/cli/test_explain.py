"""`udplb explain` and `udplb rules`, as a person at 3 a.m. and a script call them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from webhook.cli.explain import app
from webhook.cli.rules import app as rules_app
from webhook.policy import catalogue
from webhook.policy.example import as_yaml

GAME = "docs/examples/game-server.yaml"
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: game
  annotations: {%s}
spec:
  type: LoadBalancer
  selector: {app: game}
  ports: [%s]
"""
UDP = "{name: game, port: 7777, protocol: UDP, nodePort: 30777}"
TCP = "{name: web, port: 80, protocol: TCP, targetPort: 8080, nodePort: 30080}"
AWS = "service.beta.kubernetes.io/aws-load-balancer-"
DEPLOYMENT = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: game}
spec:
  template:
    metadata: {labels: {app: game}}
    spec:
      containers: [{name: game, image: "game:1", ports: [%s]}]
"""
POLICY = """\
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: edge}
spec:
  podSelector: {}
  ingress: [{ports: [{protocol: UDP, port: 7777}]}]
"""


def explain(*arguments: str, manifests: str = "") -> Result:
    from_stdin = ("-f", "-") if manifests else ()
    return CliRunner().invoke(app, [*arguments, *from_stdin], input=manifests)


def service(*ports: str, **annotations: str) -> str:
    written = ", ".join(f'{AWS}{key.replace("_", "-")}: "{value}"' for key, value in annotations.items())
    return SERVICE % (written, ", ".join(ports or (UDP,)))


def told(what: str, manifests: str, code: int = 0) -> dict[str, Any]:
    done = explain(what, "-o", "json", manifests=manifests)
    assert done.exit_code == code, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def answers(manifests: str, code: int = 0) -> list[list[str]]:
    """Who answers, by target group."""
    balancer = told("svc/game", manifests, code)["loadBalancer"]
    return [group["answeredBy"] for listener in balancer["listeners"] for group in listener["targetGroups"]]


def test_a_rule_is_told_with_what_happens_before_after_and_source() -> None:
    done = explain("udplb202")
    assert done.exit_code == 0
    assert done.stdout.startswith("UDPLB202: The target type is misspelt (rejected)\n\n")
    for expected in ("nlb-target-type: IP\n", "nlb-target-type: ip\n", "\nSource: LBC "):
        assert expected in done.stdout


@pytest.mark.parametrize("code", [row.code for row in catalogue.rows()])
def test_every_rule_can_be_explained_and_is_documented(code: str) -> None:
    done = explain(code)
    assert (done.exit_code, done.stderr) == (0, "")
    section = Path("docs/rules.md").read_text().partition(f"## {code}\n")[2].partition("\n## ")[0]
    example = catalogue.EXAMPLES.get(code)
    for part in (as_yaml(example.before), as_yaml(example.after)) if example else ():
        assert f"```yaml\n{part}```" in section
    assert json.loads(explain(code, "-o", "json").stdout)["code"] == code


def test_an_unknown_code_names_the_nearest() -> None:
    done = explain("UDPLB20")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no rule UDPLB20; the nearest are " in done.stderr
    assert "UDPLB20" in done.stderr.partition("nearest are ")[2]


@pytest.mark.parametrize("code", list(catalogue.CHANGES))
def test_a_change_that_audit_names_is_told_as_one(code: str) -> None:
    assert explain(code).stdout.startswith(f"{code}: a change, not a rule: udplb ")
    assert json.loads(explain(code, "-o", "json").stdout)["code"] == code


def test_the_rules_are_a_table_with_a_line_each() -> None:
    done = CliRunner().invoke(rules_app, [])
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [row.code for row in catalogue.rows()]
    assert all(re.fullmatch(r"UDPLB\d{3}  (reject|warn)  +\S.*", line) for line in lines)


def test_the_rules_are_json_for_machines() -> None:
    rules = json.loads(CliRunner().invoke(rules_app, ["-o", "json"]).stdout)
    by_code = {rule["code"]: rule for rule in rules}
    assert by_code["UDPLB403"]["waivable"] is False
    assert by_code["UDPLB202"]["waivable"] is True
    assert {"code", "severity", "title", "about", "source", "waivable", "example"} == by_code[
        "UDPLB202"
    ].keys()


def test_a_service_is_drawn_as_the_load_balancer_that_becomes_of_it() -> None:
    done = explain("svc/game", "-f", GAME)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.endswith(
        """\
└─ network load balancer: internet-facing, ipv4, cross-zone on
   └─ listener UDP 7777
      └─ target group UDP, port game of the pods
         └─ check TCP on traffic-port every 10 s, timeout 10 s, healthy after 3, unhealthy after 3
            └─ answered by the sidecar of Deployment/game on TCP 7777
"""
    )


INSTANCE = {"nlb_target_type": "instance"}
LOCAL = "  externalTrafficPolicy: Local\n"


@pytest.mark.parametrize(
    ("manifests", "expected", "code"),
    [
        (service(), ["the sidecar of each pod on TCP 7777; no pod is in sight"], 0),
        (service(UDP, TCP), ["the sidecar of each pod on TCP 7777; no pod is in sight", "the application on TCP 8080"], 0),
        (service(healthcheck_port="8080"), ["the application on TCP 8080"], 0),
        (service() + DEPLOYMENT % "{containerPort: 7777, protocol: UDP}", ["the sidecar of Deployment/game on TCP 7777"], 0),
        (service() + DEPLOYMENT % "{containerPort: 7777, protocol: UDP}, {containerPort: 7777}", ["the application of Deployment/game on TCP 7777"], 0),
        (service(healthcheck_port="8080") + DEPLOYMENT % UDP.replace("port: 7777", "containerPort: 7777"), ["the application of Deployment/game on TCP 8080"], 0),
        (service(UDP.replace("}", ", targetPort: game}")) + DEPLOYMENT % "", ["nobody in Deployment/game, no target of this port: no container declares 'game' on UDP"], 0),
        (service(**INSTANCE), ["nobody: the node port is UDP, and the check is not"], 1),
        (service(**INSTANCE) + LOCAL, ["kube-proxy on each node, for as long as the node has a ready pod"], 0),
        (service(**INSTANCE, healthcheck_port="10256"), ["kube-proxy's own health port 10256 on each node, which says nothing of the pods"], 0),
        (service(**INSTANCE, healthcheck_port="9100"), ["whatever listens on port 9100 of each node"], 0),
        (service(UDP, TCP, **INSTANCE, healthcheck_port="web"), ["the application, by way of the node port", "the application, by way of the node port"], 0),
    ],
)  # fmt: skip
def test_whoever_answers_the_check_is_named(manifests: str, expected: list[str], code: int) -> None:
    assert [who for group in answers(manifests, code) for who in group] == expected


def test_what_the_controller_refuses_is_told_in_its_words_and_exits_1() -> None:
    done = explain("svc/game", manifests=service(healthcheck_protocol="udp"))
    assert done.exit_code == 1
    assert "no load balancer: the controller refuses the Service\n" in done.stdout
    assert "└─ unsupported health check protocol udp\n" in done.stdout
    assert "rejected: UDPLB403 metadata.annotations[…healthcheck-protocol]: " in done.stdout


def test_weighted_traffic_names_the_other_service() -> None:
    action = (
        '{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"other","servicePort":7777}]}}'
    )
    weighted = service().replace(
        "annotations: {", f"annotations: {{service.beta.kubernetes.io/actions.UDP-7777: '{action}'"
    )
    other = service().replace("name: game\n", "name: other\n")
    both = f"{weighted}---\n{other}"
    assert answers(both)[1] == ["whoever answers behind Service other"]
    assert "port 7777 of the pods of Service other" in explain("svc/game", manifests=both).stdout


def test_a_pod_is_told_its_ports_whom_they_are_for_and_what_they_cost() -> None:
    done = explain("deploy/game", "-f", GAME)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1:] == [
        "├─ a sidecar; it adds requests cpu 1m and memory 4Mi, limits cpu 50m and memory 16Mi",
        "│  └─ answers on TCP 7777 for service/game",
        "└─ selected by Services: game",
    ]


@pytest.mark.parametrize(
    ("what", "manifests", "reason"),
    [
        ("deployments/game", DEPLOYMENT % "{containerPort: 80}", "no_matching_service"),
        ("deploy/game", service() + DEPLOYMENT % "{containerPort: 7777}", "tcp_port_in_use"),
        ("Deployment/game", service(**INSTANCE) + LOCAL + DEPLOYMENT % "", "target_type_instance"),
        ("deploy/game", service(healthcheck_port="8080") + DEPLOYMENT % "", "check_port_elsewhere"),
        (
            "deploy/game",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n---\n" + service() + DEPLOYMENT % "",
            "namespace_not_enabled",
        ),
    ],
)
def test_a_pod_without_a_sidecar_is_told_why(what: str, manifests: str, reason: str) -> None:
    answer = told(what, manifests)
    assert (answer["injected"], answer["reason"]) == (False, reason)
    assert f"({reason}, UDPLB9" in explain(what, manifests=manifests).stdout


def test_ports_that_are_left_out_are_told_with_the_reason() -> None:
    ports = (
        "{containerPort: 7777, protocol: UDP}, {containerPort: 7777}, {containerPort: 9000, protocol: UDP}"
    )
    both = service(UDP, "{name: query, port: 9000, protocol: UDP}") + DEPLOYMENT % ports
    answer = told("deploy/game", both)
    assert (answer["ports"], answer["skipped"]) == ({"9000": "service/game"}, {"7777": "tcp_port_in_use"})
    assert "not on TCP 7777: " in explain("deploy/game", manifests=both).stdout


@pytest.mark.parametrize("what", ["svc/game", "deploy/game"])
def test_a_network_policy_that_shuts_the_check_out_is_named(what: str) -> None:
    manifests = service() + DEPLOYMENT % "{containerPort: 7777, protocol: UDP}" + POLICY
    assert told(what, manifests)["networkPolicies"] == {"7777": ["edge"]}
    assert "NetworkPolicy edge lets UDP 7777 in, and none lets TCP 7777 in" in (
        explain(what, manifests=manifests).stdout
    )


@pytest.mark.parametrize(
    "route",
    [
        "kind: TargetGroupBinding\nmetadata: {name: extra}\nspec: {serviceRef: {name: game}}\n",
        "kind: UDPRoute\nmetadata: {name: extra}\nspec: {rules: [{backendRefs: [{name: game}]}]}\n",
    ],
)
def test_other_ways_in_are_said_to_be_out_of_sight(route: str) -> None:
    done = explain("svc/game", manifests=f"{service()}---\n{route}")
    assert "/extra sends traffic here as well, and is not looked at in this release" in done.stdout
    bindings_of_lbc = route.replace(
        "{name: extra}", "{name: extra, labels: {service.k8s.aws/stack-name: game}}"
    )
    assert "extra" not in explain("svc/game", manifests=f"{service()}---\n{bindings_of_lbc}").stdout


@pytest.mark.parametrize("kind", ["tgb", "udproute/x", "gateways/x", "TargetGroupBinding/x"])
def test_routes_cannot_be_explained_and_say_what_can(kind: str) -> None:
    done = explain(kind)
    assert done.exit_code == 2
    assert ("not in this release" in done.stderr) is (kind != "tgb")


@pytest.mark.parametrize("what", ["game", "svc/", "/game", "secret/game", ""])
def test_what_nobody_can_explain_names_what_can_be(what: str) -> None:
    done = explain(what)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is none of UDPLBnnn, service/NAME, pod/NAME" in done.stderr


def test_a_name_that_is_not_there_lists_those_that_are() -> None:
    done = explain("svc/gane", "-f", GAME)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "udplb explain: no Service gane in namespace default; there are: game\n"


def test_an_object_of_a_file_is_found_in_whatever_namespace_it_is() -> None:
    manifests = service().replace("name: game\n", "name: game\n  namespace: arena\n", 1)
    assert told("svc/game", manifests)["namespace"] == "arena"


def test_a_value_of_a_wrong_type_names_the_field() -> None:
    done = explain("svc/game", manifests=service(UDP.replace("7777", "many", 1)))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Service/game: spec.ports[0].port: " in done.stderr


def test_the_settings_of_the_webhook_count(tmp_path: Path) -> None:
    file = tmp_path / "udplb.yaml"
    file.write_text("owner: auto-mode\n")
    assert "built by EKS Auto Mode" in explain("svc/game", "-f", GAME, "--config", str(file)).stdout


def test_a_service_of_another_group_is_no_load_balancer_in_sight() -> None:
    other = (
        service().replace("name: game\n", "name: other\n").replace("apiVersion: v1", "apiVersion: x.dev/v1")
    )
    deployment = DEPLOYMENT % "{containerPort: 80}"
    assert told("deploy/game", f"{other}{deployment}")["services"] == []


def test_a_kubeconfig_that_is_not_there_is_one_line_with_the_way_out() -> None:
    done = explain("svc/game", "--kubeconfig", "/nowhere")
    (line,) = done.stderr.splitlines()
    assert done.exit_code == 2
    assert line.endswith("; for manifests name them with -f")


def test_rules_and_manifests_wait_for_no_client_and_no_server() -> None:
    program = (
        "import sys, webhook.cli.explain, webhook.cli.rules;"
        "print(*{name.partition('.')[0] for name in sys.modules}, sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"fastapi", "uvicorn", "kubernetes", "urllib3", "pydantic"} & set(done.stdout.split())
