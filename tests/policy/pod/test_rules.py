"""The rows about pods are complete and each code is given once."""

from __future__ import annotations

from webhook.policy.pod.rules import RULES, SKIPS, SkipReason


def test_every_skip_reason_has_its_row() -> None:
    assert set(SKIPS) == set(SkipReason)


def test_codes_rise_without_a_gap_inside_their_ranges() -> None:
    numbers = [int(rule.code.removeprefix("UDPLB")) for rule in RULES]
    faults = [number for number in numbers if number < 950]
    assert faults == list(range(920, 920 + len(faults)))
    assert numbers[len(faults) :] == list(range(950, 950 + len(SKIPS)))


def test_every_row_tells_people_what_it_means_and_how_we_know() -> None:
    assert all(rule.title and rule.about.endswith(".") and rule.source for rule in RULES)


def test_every_skip_names_its_field() -> None:
    assert all(rule.field for rule in SKIPS.values())
