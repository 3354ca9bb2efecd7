"""The envelope in and out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhook.reviews import review
from webhook.admission import (
    MalformedReview,
    allowed,
    decode_review,
    denied,
    encode_review,
    fitting,
    patched,
)
from webhook.policy.finding import Finding, Severity

FIELD = "metadata.annotations[service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol]"
REJECTION = Finding("UDPLB403", Severity.REJECT, FIELD, "UDP cannot be checked", "write tcp")
ASKED = decode_review(json.dumps(review({"metadata": {"name": "echo"}}, "Service")).encode())


def changed(**fields: Any) -> bytes:
    asked = review({})
    asked["request"] |= fields
    return json.dumps(asked).encode()


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ({"metadata": {"name": "echo"}}, "echo"),
        ({"metadata": {"generateName": "echo-"}}, "echo-"),
        ({"metadata": {"name": 7}}, ""),
        ({"metadata": []}, ""),
        ([], ""),
    ],
)
def test_an_object_without_a_name_goes_by_what_it_will_be_named_after(raw: Any, name: str) -> None:
    assert decode_review(json.dumps(review(raw)).encode()).name == name


def test_the_name_of_the_request_is_before_that_of_the_object() -> None:
    assert decode_review(changed(name="asked", object={"metadata": {"name": "other"}})).name == "asked"


def test_null_fields_of_the_envelope_are_absent() -> None:
    asked = decode_review(changed(kind=None, namespace=None, dryRun=None, subResource=None, operation=None))
    assert (asked.kind, asked.namespace, asked.dry_run, asked.subresource, asked.operation) == (
        "",
        "",
        False,
        "",
        "",
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"null", "not a JSON object"),
        (b"{}", "not an AdmissionReview of admission.k8s.io/v1"),
        (json.dumps(review({}) | {"kind": "Pod"}).encode(), "not an AdmissionReview"),
        (json.dumps(review({}) | {"request": None}).encode(), "request is not an object"),
        (changed(uid=""), "request.uid is missing"),
        (changed(uid=7), "request.uid has a wrong type"),
        (changed(kind="Pod"), "request.kind has a wrong type"),
        (changed(kind={"kind": 1}), "request.kind.kind has a wrong type"),
        (changed(namespace=["games"]), "request.namespace has a wrong type"),
        (changed(dryRun="true"), "request.dryRun has a wrong type"),
    ],
)
def test_what_is_no_review_is_named(body: bytes, said: str) -> None:
    with pytest.raises(MalformedReview, match=said):
        decode_review(body)


def test_an_allowed_review_says_nothing_more() -> None:
    assert json.loads(encode_review(allowed(ASKED))) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": ASKED.uid, "allowed": True},
    }


def test_a_patch_is_base64_of_json() -> None:
    response = patched(ASKED, [], ["look"])
    assert response == {
        "uid": ASKED.uid,
        "allowed": True,
        "warnings": ["look"],
        "patchType": "JSONPatch",
        "patch": "W10=",
    }


def test_a_denial_names_all_rejections_and_each_cause_by_itself() -> None:
    other = Finding("UDPLB202", Severity.REJECT, "spec.type", "wrong")
    warning = Finding("UDPLB607", Severity.WARN, "spec", "look")
    response = denied(ASKED, [REJECTION, warning, other], ["look"])
    assert response["allowed"] is False
    assert response["warnings"] == ["look"]
    assert response["status"] == {
        "status": "Failure",
        "code": 422,
        "reason": "Invalid",
        "message": (
            "UDPLB403 metadata.annotations[…healthcheck-protocol]: UDP cannot be checked; write tcp."
            " See docs/rules.md#udplb403\n"
            "UDPLB202 spec.type: wrong. See docs/rules.md#udplb202"
        ),
        "details": {
            "name": "echo",
            "group": "",
            "kind": "Service",
            "causes": [
                {
                    "reason": "FieldValueInvalid",
                    "field": FIELD,
                    "message": "UDPLB403: UDP cannot be checked; write tcp. See docs/rules.md#udplb403",
                },
                {
                    "reason": "FieldValueInvalid",
                    "field": "spec.type",
                    "message": "UDPLB202: wrong. See docs/rules.md#udplb202",
                },
            ],
        },
    }


def test_a_long_warning_is_cut_before_its_link() -> None:
    (cut,) = fitting(["UDPLB403 spec: " + "x" * 300 + ". See docs/rules.md#udplb403"])
    assert len(cut) == 256
    assert cut.endswith("x…. See docs/rules.md#udplb403")


def test_a_long_warning_without_a_link_is_cut_at_its_end() -> None:
    (cut,) = fitting(["x" * 300])
    assert cut == "x" * 255 + "…"


def test_a_warning_is_one_line() -> None:
    assert fitting(["one\r\ntwo\x00"]) == ["one two "]


def test_sixteen_full_warnings_fit() -> None:
    full = ["x" * 256] * 16
    assert fitting(full) == full


def test_what_does_not_fit_is_counted() -> None:
    assert fitting(["x" * 256] * 20) == [*["x" * 256] * 15, "and 5 more"]


@given(st.lists(st.text(max_size=600), max_size=60))
def test_warnings_never_exceed_what_the_api_server_passes_on(warnings: list[str]) -> None:
    kept = fitting(warnings)
    assert all(len(warning) <= 256 for warning in kept)
    assert sum(map(len, kept)) <= 4096
    assert len(kept) == len(warnings) or kept[-1] == f"and {len(warnings) - len(kept) + 1} more"
