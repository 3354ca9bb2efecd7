"""Values as Go and the controller parse them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.policy.gosyntax import merge_pair, parse_bool, parse_int32, parse_list, parse_map


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("1", True),
        ("T", True),
        ("0", False),
        ("False", False),
        ("yes", None),
        ("tRUE", None),
        ("", None),
    ],
)
def test_booleans_are_gos(text: str, value: bool | None) -> None:
    assert parse_bool(text) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("+5", 5),
        ("-1", -1),
        ("007", 7),
        ("2147483647", 2147483647),
        ("2147483648", None),
        ("9" * 5000, None),
        ("10s", None),
        (" 10", None),
        ("1_0", None),
        ("٣", None),
        ("", None),
    ],
)
def test_integers_are_32_bit_and_plain(text: str, value: int | None) -> None:
    assert parse_int32(text) == value


def test_lists_are_trimmed_and_without_empty_items() -> None:
    assert parse_list(" a, b ,,c,") == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", {}),
        ("a=b", {"a": "b"}),
        (" a = b , c = d ", {"a": "b", "c": "d"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=1\\,2,b=3", {"a": "1,2", "b": "3"}),
        ("a=true,", {"a": "true,"}),
        ("a=b\\", {"a": "b\\"}),
        ("a=", {"a": ""}),
        ("a=1,a=2", {"a": "2"}),
        ("a", None),
        ("=b", None),
        ("a=b,c", None),
        (" ", None),
    ],
)
def test_maps_split_at_commas_before_pairs(text: str, pairs: dict[str, str] | None) -> None:
    assert parse_map(text) == pairs


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        ("", "k=v"),
        ("a=b", "a=b,k=v"),
        ("a=b\\", "a=b\\\\,k=v"),
        ("k=w", None),
        ("a=true,", None),
        ("junk", None),
    ],
)
def test_a_pair_is_added_behind_what_the_user_wrote(text: str, merged: str | None) -> None:
    assert merge_pair(text, "k", "v") == merged


@given(st.text(alphabet="ab=,\\ \n", max_size=24))
def test_merging_keeps_every_pair_and_every_letter(text: str) -> None:
    merged = merge_pair(text, "key", "value")
    if merged is not None:
        assert merged.startswith(text)
        assert parse_map(merged) == (parse_map(text) or {}) | {"key": "value"}


@given(st.text(alphabet="ab=,\\ \n", max_size=24))
def test_merging_keeps_the_order_and_takes_nothing_that_is_refused_without_it(text: str) -> None:
    before, merged = parse_map(text), merge_pair(text, "key", "value")
    if before is None or merged is None:
        assert merged is None
    else:
        assert list(parse_map(merged) or ()) == [*before, "key"]


WORDS = st.text(alphabet="ab,\\ é=", min_size=1, max_size=6).filter(lambda word: word == word.strip())


@given(st.dictionaries(WORDS.filter(lambda key: "=" not in key), WORDS, min_size=1, max_size=4))
def test_what_is_escaped_comes_back(pairs: dict[str, str]) -> None:
    escaped = (
        "".join(f"\\{letter}" if letter in ",\\" else letter for letter in f"{key}={value}")
        for key, value in pairs.items()
    )
    assert parse_map(",".join(escaped)) == pairs
