"""Nothing that is known to go wrong is left without an answer, and no answer is made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.policy.service.rows import LAST, ROWS
from tests.policy.service.test_rules import CLEAN
from webhook.policy.catalogue import CHANGES
from webhook.policy.pod.rules import RULES as POD_RULES
from webhook.policy.service.not_checked import NOT_CHECKED
from webhook.policy.service.rules import RULES

CODES = {rule.code for rule in RULES} | {row.code for row in POD_RULES}
HEALTHY = {name for name, _ in CLEAN}
UNSEEN = {one.name for one in NOT_CHECKED}
WITHOUT_A_ROW = {"UDPLB690"}
"""Said beside a change of ours; the other rules of that kind are numbered from 40 in their family."""


def test_every_row_is_answered_once() -> None:
    assert set(ROWS) == {
        f"{family}{number}" for family, last in LAST.items() for number in range(1, last + 1)
    }


@pytest.mark.parametrize("row", ROWS)
def test_the_answer_exists(row: str) -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    for answer in ROWS[row]:
        kind, _, name = answer.partition(" ")
        match kind:
            case "sets":
                assert name in CHANGES
            case "unseen":
                assert name in UNSEEN
            case "works":
                assert name in HEALTHY
            case "test":
                assert f"def {name}(" in tests
            case "restores":
                assert not name
            case code:
                assert code in CODES


def test_every_entry_under_not_checked_answers_for_a_row() -> None:
    used = {answer.partition(" ")[2] for answers in ROWS.values() for answer in answers if "unseen" in answer}
    assert used == UNSEEN


def test_every_rule_answers_for_a_row_or_is_numbered_apart() -> None:
    answering = {answer for answers in ROWS.values() for answer in answers if answer.startswith("UDPLB")}
    apart = {rule.code for rule in RULES} - answering - WITHOUT_A_ROW
    assert {code for code in apart if not 40 <= int(code[-2:]) <= 49} == set()
