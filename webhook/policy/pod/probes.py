"""`udplb/probe` and `udplb/probe.<port>`: a kind or preset and its options, read and turned into an argument.

The keys are those of the sidecar's `--port NUMBER[,key=value…]`, grammar 1. What is written into a pod is
rendered from parsed values, in one order and one spelling, never copied.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from webhook.policy.pod.presets import MAX_BYTES, PRESETS, Payload, Preset

BOUND, NONE, PAYLOAD = "bound", "none", "payload"
KINDS = (BOUND, NONE, PAYLOAD)

_SECRET = re.compile(r"secret|pass|token|key|psk|credential|auth|community", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,6})(ms|s)", re.ASCII)
_MILLISECONDS = {"ms": 1, "s": 1000}
_DURATIONS = range(50, 300_001)
_LONGEST = 8192
"""More than the longest probe that can be read: three times the most bytes, as hex."""
_DEFAULT_INTERVAL = 1000
_LEAST_PAYLOAD_INTERVAL = 250


@dataclass(frozen=True, slots=True)
class Probe:
    """What gates one TCP port, as keys of the sidecar's argument; without any, the sidecar's defaults."""

    keys: tuple[tuple[str, str], ...] = ()

    @property
    def tcp(self) -> int:
        """The TCP port of the application that gates instead of UDP, 0 without one."""
        return int(dict(self.keys).get("tcp", 0))

    def argument(self, port: int) -> str:
        """The value of `--port`."""
        return ",".join((str(port), *(f"{key}={value}" for key, value in self.keys)))


DEFAULT = Probe()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a probe cannot be read; where it is `secret`, its text is repeated nowhere."""

    reason: str
    fix: str
    secret: bool = False


def read_probe(text: str) -> Probe | Refusal:
    """The probe that an annotation asks for."""
    if len(text) > _LONGEST:
        return Refusal("it is too long", f"send and expect at most {MAX_BYTES} bytes")
    return _read(text)


@lru_cache(maxsize=256)
def _read(text: str) -> Probe | Refusal:
    word, *pairs = (item.strip() for item in text.split(","))
    preset = PRESETS.get(word)
    if preset is None and word not in KINDS:
        return _unknown("preset", word, (*KINDS, *PRESETS))
    given: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        refusal = _read_pair(preset, key, value if equals else "", given)
        if refusal:
            return refusal
    refusal = next(_contradictions(word, preset, given), None)
    return refusal or Probe(tuple(_ordered(_rendered(word, preset, given))))


def _read_pair(preset: Preset | None, key: str, value: str, given: dict[str, str]) -> Refusal | None:
    """One `key=value` into `given`, in its one spelling."""
    options = preset.options if preset else {}
    if key in given:
        return Refusal(f"{key} is given twice", f"write {key} once")
    if key in options:
        option = options[key]
        if not option.accepts(value):
            said = "holds what looks like a secret" if option.secret else f'has the value "{_short(value)}"'
            return Refusal(f"{key} {said}", f"write {key}={option.wanted}", option.secret)
        given[key] = value
        return None
    if key not in _KEYS:
        return _unknown("option", key, (*options, *_KEYS))
    parse, wanted = _KEYS[key]
    parsed = parse(value)
    if parsed is None:
        return Refusal(f'{key} has the value "{_short(value)}"', f"write {wanted}")
    given[key] = parsed
    return None


def _unknown(what: str, word: str, known: tuple[str, ...]) -> Refusal:
    if _SECRET.search(word):
        fix = "remove it: who can read pods can read it; probe without a secret, or with bound"
        return Refusal("it holds what looks like a secret", fix, secret=True)
    near = get_close_matches(word[:40].lower(), known, n=1)
    fix = f"perhaps {near[0]} is meant" if near else f"write one of {', '.join(known)}"
    return Refusal(f'there is no {what} "{_short(word)}"', fix)


def _contradictions(word: str, preset: Preset | None, given: Mapping[str, str]) -> Iterator[Refusal]:
    """What the sidecar would refuse, or what cannot be meant."""
    asks = word == PAYLOAD or (preset is not None and preset.payload is not None)
    if preset:
        for key in ("send", "expect", "mask"):
            if key in given:
                yield Refusal(f"{key} beside the preset {word}", f"remove {key}, or write payload for {word}")
    elif asks and "send" not in given:
        yield Refusal("payload without send", "write what to send: payload,send=HEX,expect=HEX")
    if not asks:
        for key in ("send", "expect", "mask", "from", "to"):
            if key in given:
                yield Refusal(f"{key} beside {word}, which sends nothing", f"remove {key}, or write payload")
    if "mask" in given and len(given["mask"]) != len(given.get("expect", "")):
        yield Refusal("mask is not as long as expect", "write one byte of mask for each byte of expect")
    if "tcp" in given and (asks or "udp" in given):
        yield Refusal("tcp beside udp or a payload", "keep one: a port is gated by TCP or by UDP")
    interval = _milliseconds(given.get("interval")) or _DEFAULT_INTERVAL
    if (_milliseconds(given.get("timeout")) or 0) > interval:
        yield Refusal("timeout is longer than interval", f"write a timeout of at most {_duration(interval)}")
    if asks and interval < _LEAST_PAYLOAD_INTERVAL:
        yield Refusal("interval is too short for a payload", "write 250ms or more")


def _rendered(word: str, preset: Preset | None, given: Mapping[str, str]) -> dict[str, str]:
    """The keys of the argument, in any order."""
    if preset is None:
        return {"probe": word, **given}
    kept = {key: value for key, value in given.items() if key not in preset.options}
    if preset.payload is None:
        return {"probe": BOUND, "queue": "warn", **kept}
    defaults = {key: option.default for key, option in preset.options.items()}
    return {"probe": PAYLOAD, **_bytes(preset.payload(defaults | dict(given))), **kept}


def _bytes(payload: Payload) -> dict[str, str]:
    rendered = {"send": payload.send.hex(), "expect": payload.expect.hex()}
    compares_all = not payload.mask.strip(b"\xff")
    return rendered if compares_all else {**rendered, "mask": payload.mask.hex()}


def _ordered(keys: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key in ("probe", *_KEYS):
        if key in keys:
            yield key, keys[key]


def _among(*words: str) -> tuple[Callable[[str], str | None], str]:
    return lambda value: value if value in words else None, " or ".join(words)


def _within(numbers: range, what: str) -> tuple[Callable[[str], str | None], str]:
    def parse(value: str) -> str | None:
        return str(int(value)) if _NUMBER.fullmatch(value) and int(value) in numbers else None

    return parse, f"{what} from {numbers[0]} to {numbers[-1]}"


def _hex(value: str) -> str | None:
    whole = re.fullmatch(r"(?:[0-9a-fA-F]{2})+", value, re.ASCII) and len(value) <= 2 * MAX_BYTES
    return value.lower() if whole else None


def _address(value: str) -> str | None:
    """`pod`, `loopback` or a literal; a zone means nothing in another pod."""
    if value in ("pod", "loopback"):
        return value
    try:
        return str(ipaddress.ip_address(value)) if "%" not in value else None
    except ValueError:
        return None


def _milliseconds(text: str | None) -> int | None:
    match = _DURATION.fullmatch(text or "")
    return int(match[1]) * _MILLISECONDS[match[2]] if match else None


def _duration(milliseconds: int) -> str:
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def _parse_duration(value: str) -> str | None:
    found = _milliseconds(value)
    return _duration(found) if found is not None and found in _DURATIONS else None


_PORT = _within(range(1, 65536), "a port number")
_COUNT = _within(range(1, 101), "a count")
_BYTES = (_hex, f"two hex digits a byte, 1 to {MAX_BYTES} bytes")
_SPAN = (_parse_duration, "a duration such as 250ms or 2s, from 50ms to 300s")

_KEYS: Mapping[str, tuple[Callable[[str], str | None], str]] = {
    "queue": _among("off", "warn", "fail"),
    "udp": _PORT,
    "tcp": _PORT,
    "send": _BYTES,
    "expect": _BYTES,
    "mask": _BYTES,
    "from": _among("any"),
    "to": (_address, "pod, loopback or an IP address"),
    "interval": _SPAN,
    "timeout": _SPAN,
    "settle": _SPAN,
    "rise": _COUNT,
    "fall": _COUNT,
}
"""The sidecar's keys of a port but `probe`, in the order in which they are rendered; each makes the one
spelling of a value, None of what it cannot read."""


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
