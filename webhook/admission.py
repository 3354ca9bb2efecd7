"""AdmissionReview (admission.k8s.io/v1) in and out: the request as a view, the answers as constructors."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from webhook.patch import Operation
from webhook.policy.finding import BrokenRule, Finding, Severity

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"
UNPROCESSABLE = 422
WARNING_CHARACTERS = 256
"""Past this the API server cuts a warning. Source: apiserver `pkg/endpoints/filters/warning.go`."""
ALL_WARNINGS_CHARACTERS = 4096
"""Past this, in all, it drops the rest."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")

Response = dict[str, Any]


class MalformedReview(ValueError):
    """The body is no AdmissionReview that can be answered; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """One review's question. `object` and `old_object` are raw JSON of whatever type was sent."""

    uid: str
    group: str
    kind: str
    subresource: str
    operation: str
    namespace: str
    name: str
    dry_run: bool
    object: Any
    old_object: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back, and what is counted and logged about it."""

    response: Response
    outcome: str
    reason: str = ""
    mode: str = ""
    owner: str = ""
    findings: tuple[Finding, ...] = ()
    broken: tuple[BrokenRule, ...] = ()


def decode_review(body: bytes) -> AdmissionRequest:
    """The request in a body.

    Raises:
        MalformedReview: not JSON, not a v1 AdmissionReview, or a field of the envelope has a wrong type.
    """
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise MalformedReview(f"the body is not JSON: {fault}") from None
    if not isinstance(review, dict):
        raise MalformedReview("the body is not a JSON object")
    if review.get("apiVersion") != API_VERSION or review.get("kind") != KIND:
        raise MalformedReview(f"the body is not an {KIND} of {API_VERSION}")
    request = review.get("request")
    if not isinstance(request, dict):
        raise MalformedReview("request is not an object")
    kind = _member(request, "kind", dict, {})
    uid = _member(request, "uid", str, "")
    if not uid:
        raise MalformedReview("request.uid is missing")
    return AdmissionRequest(
        uid=uid,
        group=_member(kind, "group", str, "", "request.kind"),
        kind=_member(kind, "kind", str, "", "request.kind"),
        subresource=_member(request, "subResource", str, ""),
        operation=_member(request, "operation", str, ""),
        namespace=_member(request, "namespace", str, ""),
        name=_member(request, "name", str, "") or _generated_name(request.get("object")),
        dry_run=_member(request, "dryRun", bool, False),
        object=request.get("object"),
        old_object=request.get("oldObject"),
    )


def _member(fields: Mapping[str, Any], name: str, kind: type, absent: Any, path: str = "request") -> Any:
    value = fields.get(name)
    if value is None:
        return absent
    if not isinstance(value, kind):
        raise MalformedReview(f"{path}.{name} has a wrong type")
    return value


def _generated_name(raw: Any) -> str:
    """The name of an object that the API server will name only after admission."""
    metadata = raw.get("metadata") if isinstance(raw, dict) else None
    if not isinstance(metadata, dict):
        return ""
    name = metadata.get("name") or metadata.get("generateName")
    return name if isinstance(name, str) else ""


def encode_review(response: Response) -> bytes:
    return orjson.dumps({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def allowed(request: AdmissionRequest, warnings: Sequence[str] = ()) -> Response:
    response: Response = {"uid": request.uid, "allowed": True}
    if warnings:
        response["warnings"] = fitting(warnings)
    return response


def patched(
    request: AdmissionRequest, operations: Sequence[Operation], warnings: Sequence[str] = ()
) -> Response:
    patch = b64encode(orjson.dumps(operations)).decode()
    return allowed(request, warnings) | {"patchType": "JSONPatch", "patch": patch}


def denied(request: AdmissionRequest, findings: Iterable[Finding], warnings: Sequence[str] = ()) -> Response:
    """A "no" of the policy: all rejections in one message, and one cause each for clients that print causes.

    kubectl prints `field: message` of each cause and nothing else where there are any.
    """
    rejections = [finding for finding in findings if finding.severity is Severity.REJECT]
    causes = [
        {
            "reason": "FieldValueInvalid",
            "field": finding.field,
            "message": f"{finding.code}: {finding.sentence}",
        }
        for finding in rejections
    ]
    status = {
        "status": "Failure",
        "code": UNPROCESSABLE,
        "reason": "Invalid",
        "message": "\n".join(map(str, rejections)),
        "details": {"name": request.name, "group": request.group, "kind": request.kind, "causes": causes},
    }
    return allowed(request, warnings) | {"allowed": False, "status": status}


def fitting(warnings: Sequence[str]) -> list[str]:
    """The warnings cut to what the API server passes on; those without room are counted in the last one."""
    kept: list[str] = []
    room = ALL_WARNINGS_CHARACTERS
    short = [_short(warning) for warning in warnings]
    for position, warning in enumerate(short):
        left = len(short) - position
        if len(warning) + (len(_more(left - 1)) if left > 1 else 0) > room:
            return [*kept, _more(left)]
        kept.append(warning)
        room -= len(warning)
    return kept


def _more(count: int) -> str:
    return f"and {count} more"


def _short(warning: str) -> str:
    """One line of 256 characters; the link at its end is kept, since it leads to what was cut."""
    line = _CONTROL.sub(" ", warning)
    if len(line) <= WARNING_CHARACTERS:
        return line
    text, see, link = line.rpartition(". See ")
    end = f"…{see}{link}" if see and len(link) < WARNING_CHARACTERS // 2 else "…"
    return (text if see else line)[: WARNING_CHARACTERS - len(end)] + end
