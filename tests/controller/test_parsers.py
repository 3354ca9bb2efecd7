"""Maps, lists, numbers and booleans of random letters, as the real controller reads them and as we do."""

from __future__ import annotations

import random

import pytest

from tests.controller.test_model import SEED, as_released
from tests.lab.controller import Question, verdicts
from tests.policy.service.services import LBC, WEB, finished
from tests.policy.service.test_recorded_verdicts import CASES
from tests.policy.service.verdicts import differences, subnets_of, with_node_ports
from webhook.policy import gosyntax
from webhook.policy.service.build import build
from webhook.policy.service.objects import parse_service

SUBNETS = CASES[next(iter(CASES))][1]
MANY = 2_000
LETTERS = {
    "target-group-attributes": 'ab=,\\ \n\t"é\u2003',
    "attributes": "ab=,\\ \n",
    "additional-resource-tags": "ab=,\\ ",
    "ssl-ports": "web80,, \n\t\u2003",
    "proxy-protocol-per-target-group": "80+-_, 9",
    "healthcheck-interval": "0123456789+-_ .x",
    "multi-cluster-target-group": "truefalsTRUE10",
}
"""What makes each kind of value go wrong, by the annotation that it is written in."""


@pytest.mark.parametrize("name", LETTERS)
def test_a_value_of_random_letters_is_read_as_the_controller_reads_it(name: str) -> None:
    dice = random.Random(SEED)
    texts = {"".join(dice.choices(LETTERS[name], k=dice.randint(0, 12))) for _ in range(MANY)}
    asked = [
        Question(with_node_ports(finished({name: text}, WEB)), (), LBC, SUBNETS) for text in sorted(texts)
    ]
    different = []
    for question, verdict in zip(asked, verdicts(asked), strict=True):
        subnets = subnets_of(question.service, question.subnets)
        built = as_released(build(parse_service(question.service), LBC, (), subnets))
        if found := list(differences(verdict, built, merged=False)):
            different.append((found, question.service["metadata"]["annotations"]))
    assert different == []


def test_a_merged_pair_is_read_by_the_controller_beside_all_that_was_there() -> None:
    dice = random.Random(SEED)
    texts = ("".join(dice.choices("ab=,\\ \n", k=dice.randint(0, 12))) for _ in range(MANY))
    merged = {text: gosyntax.merge_pair(text, "key", "value") for text in texts}
    possible = [(text, whole) for text, whole in merged.items() if whole is not None and text]
    asked = [
        Question(with_node_ports(finished({"attributes": text}, WEB)), (), LBC, SUBNETS)
        for pair in possible
        for text in pair
    ]
    answers = [verdict["attributes"] for verdict in verdicts(asked)]
    assert len(possible) > MANY / 20
    for before, after in zip(answers[::2], answers[1::2], strict=True):
        assert after == before | {"key": "value"}
