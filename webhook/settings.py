"""Settings: flags before environment before the file of --config before defaults, every fault at once.

One name in every spelling: `autoMode.tcpUdp` in the file, `--auto-mode-tcp-udp`, `UDPLB_AUTO_MODE_TCP_UDP`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel, to_snake

from webhook import __version__
from webhook.policy.cluster import LBC_CLASS, Cluster, Owner, Sidecar, Trigger
from webhook.policy.finding import Severity
from webhook.policy.pod.resources import parse_quantity

PREFIX = "UDPLB_"
SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")
"""How the kubelet writes UDPLB_PORT and the like, for Services named udplb: never a setting of ours."""
OWN_WORDS = "Value error, "
"""How pydantic begins the message of a validator of ours."""
_NO_SUCH_SETTING = ("Extra inputs are not permitted", "Keys should be strings")
RULE_CODE = re.compile(r"UDPLB[0-9]{3}")


class SettingsError(ValueError):
    """The settings cannot be used; one sentence a fault, each of which names the setting."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def _quantity(text: str) -> str:
    amount = parse_quantity(text)
    if amount is None or amount < 0:
        raise ValueError(f"{text!r} is no Kubernetes quantity; write one like 50m or 16Mi")
    return text


def _image(text: str) -> str:
    """What no runtime can pull would keep every injected pod from starting."""
    if not text or any(character.isspace() for character in text):
        raise ValueError(f"{text!r} is no image; write its reference without blanks")
    return text


def _rule_code(text: str) -> str:
    if not RULE_CODE.fullmatch(text):
        raise ValueError(f"{text!r} is no rule code; write one like UDPLB202")
    return text


def _listed(value: Any) -> Any:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _text(value: Any) -> Any:
    """YAML reads `cpu: 1` as a number."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _severity(value: Any) -> Any:
    """YAML reads a bare `off` as false."""
    return Severity.OFF if value is False else value


def _without_nulls(fields: Any) -> Any:
    """Null is absent, as Helm's values have it."""
    if isinstance(fields, dict):
        return {name: value for name, value in fields.items() if value is not None}
    return fields


Quantity = Annotated[str, BeforeValidator(_text), AfterValidator(_quantity)]
Quantities = Annotated[dict[Literal["cpu", "memory"], Quantity], BeforeValidator(_without_nulls)]
RuleCode = Annotated[str, AfterValidator(_rule_code)]
RuleSeverity = Annotated[Severity, BeforeValidator(_severity)]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Group(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, fields: Any) -> Any:
        return _without_nulls(fields)


class AutoMode(_Group):
    tcp_udp: Literal["reject", "allow"] = Field(
        default="reject", description="TCP and UDP on one port under Auto Mode."
    )


class Lbc(_Group):
    load_balancer_class: str = Field(
        default=LBC_CLASS, min_length=1, description="The class that LBC was started with."
    )
    default_target_type: Literal["instance", "ip"] = Field(
        default="instance", description="LBC's --default-target-type."
    )
    default_scheme: Literal["internal", "internet-facing"] = Field(
        default="internal", description="LBC's --default-load-balancer-scheme."
    )
    feature_gates: dict[str, bool] = Field(default={}, description="LBC's --feature-gates.")


class Rbac(_Group):
    list_pods: bool = Field(
        default=True, description="Look at the pods that a Service selects, for advice only."
    )


class Healthcheck(_Group):
    interval: int | None = Field(
        default=None,
        ge=5,
        le=300,
        description="Seconds between checks where a Service names no times; the controller's own without it.",
    )


class Tls(_Group):
    mode: Literal["self", "certManager", "existingSecret"] = Field(
        default="existingSecret",
        description="Who makes the serving certificate: `self` signs it, else it comes as files.",
    )
    namespace: str = Field(default="", description="Namespace of our Service and of the Secret, for `self`.")


class Injection(_Group):
    trigger: Trigger = Field(
        default=Trigger.DECLARED_OR_SERVICE, description="What makes a pod get a sidecar."
    )


class Resources(_Group):
    requests: Quantities = {"cpu": "1m", "memory": "4Mi"}
    limits: Quantities = {"cpu": "50m", "memory": "16Mi"}


class SidecarSettings(_Group):
    image: Annotated[str, AfterValidator(_image)] = Field(
        default=f"udp-healthcheck:{__version__}", description="The sidecar's image."
    )
    pull_secrets: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        default=(), description="Names of pull secrets, with commas between."
    )
    uid: int = Field(
        default=64646, ge=1, le=2**31 - 1, description="User and group that the sidecar runs as."
    )
    resources: Resources = Resources()


class Settings(_Group):
    """All settings of `udplb serve`. They end at the composition root."""

    host: str = Field(default="", description="Address to listen on; all of them, v4 and v6, without one.")
    port: Port = Field(default=9443, description="Port of the reviews, with TLS.")
    ops_port: Port = Field(default=8080, description="Plain port of healthz, readyz, metrics and version.")
    cert_file: Path | None = Field(default=None, description="Serving certificate, PEM.")
    key_file: Path | None = Field(default=None, description="Its key, PEM.")
    tls: Tls = Tls()
    kubeconfig: Path | None = Field(
        default=None, description="How to reach the API server, outside a cluster."
    )
    drain_seconds: float = Field(
        default=5, ge=0, le=300, description="How long reviews are answered after SIGTERM."
    )
    body_limit: int = Field(default=7 * 2**20, ge=2**16, le=2**30, description="Largest review, in bytes.")
    concurrency: int = Field(default=512, ge=256, le=65536, description="Reviews at once, the rest gets 503.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level logged."
    )
    owner: Literal["detect", "lbc", "auto-mode"] = Field(
        default="detect", description="Who builds load balancers."
    )
    auto_mode: AutoMode = AutoMode()
    cross_zone: bool = Field(default=True, description="Switch cross-zone balancing on by default.")
    healthcheck: Healthcheck = Healthcheck()
    rule_severity: dict[RuleCode, RuleSeverity] = Field(default={}, description="Severity by rule code.")
    lbc: Lbc = Lbc()
    injection: Injection = Injection()
    rbac: Rbac = Rbac()
    ip_family: Literal["detect", "IPv4", "IPv6"] = Field(
        default="detect", description="The cluster's default family."
    )
    sidecar: SidecarSettings = SidecarSettings()

    def cluster(self) -> Cluster:
        """What the policy is told of these settings; detection fills in the rest."""
        resources = self.sidecar.resources
        return Cluster(
            sidecar=Sidecar(
                self.sidecar.image,
                self.sidecar.pull_secrets,
                self.sidecar.uid,
                {str(name): amount for name, amount in resources.requests.items()},
                {str(name): amount for name, amount in resources.limits.items()},
            ),
            owner=None if self.owner == "detect" else Owner(self.owner),
            lbc_class=self.lbc.load_balancer_class,
            default_target_type=self.lbc.default_target_type,
            default_scheme=self.lbc.default_scheme,
            feature_gates=self.lbc.feature_gates,
            auto_mode_tcp_udp=self.auto_mode.tcp_udp == "allow",
            cross_zone=self.cross_zone,
            check_interval=self.healthcheck.interval,
            ipv6=self.ip_family == "IPv6",
            trigger=self.injection.trigger,
            sees_pods=self.rbac.list_pods,
            severities=self.rule_severity,
            version=__version__,
        )


@dataclass(frozen=True, slots=True)
class Name:
    """Where a setting stands, and what its flag and environment variable are called."""

    path: tuple[str, ...]
    about: str

    @property
    def key(self) -> str:
        return "_".join(to_snake(step) for step in self.path)

    @property
    def flag(self) -> str:
        return "--" + self.key.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.key.upper()


def names(model: type[BaseModel] = Settings, above: tuple[str, ...] = ()) -> Iterator[Name]:
    """The settings that have a flag and a variable; maps stand in the file only."""
    for name, field in model.model_fields.items():
        path = (*above, to_camel(name))
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from names(inner, path)
        elif get_origin(inner) is not dict:
            yield Name(path, field.description or "")


def load(
    flags: Mapping[str, str], environ: Mapping[str, str], config: Path | None = None, *, serves: bool = True
) -> Settings:
    """The settings; flags go by their key (`auto_mode_tcp_udp`). Only who serves needs a certificate.

    Raises:
        SettingsError: with every fault of every source.
    """
    merged: dict[object, Any] = _read(config) if config else {}
    for name in names():
        written = environ.get(name.variable)
        if written is not None and not SERVICE_LINK.match(written):
            _put(merged, name.path, written)
        if name.key in flags:
            _put(merged, name.path, flags[name.key])
    try:
        settings, faults = Settings.model_validate(merged), []
    except ValidationError as invalid:
        faults = [_sentence(fault["loc"], fault["msg"], fault["input"]) for fault in invalid.errors()]
        sound = {
            key: value
            for key, value in merged.items()
            if isinstance(key, str) and key not in {fault["loc"][0] for fault in invalid.errors()}
        }
        settings = Settings.model_validate(sound)  # what is left may contradict itself, too
    faults += _contradictions(settings)
    if serves:
        faults += _unservable(settings)
    if faults:
        raise SettingsError(faults)
    return settings


def _read(config: Path) -> dict[object, Any]:
    import yaml  # where there is a file to read

    try:
        read = yaml.safe_load(config.read_bytes())
    except OSError as failed:
        raise SettingsError([f"config: {config}: {failed.strerror}"]) from failed
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as fault:
        raise SettingsError([f"config: {config} is not YAML: {' '.join(str(fault).split())}"]) from fault
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise SettingsError([f"config: {config} holds no map of settings"])
    return read


def _put(merged: dict[object, Any], path: tuple[str, ...], value: str) -> None:
    *above, last = path
    for step in above:
        inner = merged.get(step)
        if inner is None:
            inner = merged[step] = {}
        if not isinstance(inner, dict):
            return  # the file's fault, which is named anyway
        merged = inner
    merged[last] = value


def _sentence(location: tuple[int | str, ...], message: str, found: object) -> str:
    name = ".".join(str(step) for step in location if step != "[key]")
    if message in _NO_SUCH_SETTING:
        return f"{name}: there is no such setting"
    if message.startswith(OWN_WORDS):
        return f"{name}: {message.removeprefix(OWN_WORDS)}"
    return f"{name}: {found!r} is refused: {message[0].lower()}{message[1:]}"


def _unservable(settings: Settings) -> Iterator[str]:
    if settings.tls.mode == "self":
        for name, given in (("certFile", settings.cert_file), ("keyFile", settings.key_file)):
            if given is not None:
                yield f"{name}: given, but tls.mode is self; take one of the two away"
        if not settings.tls.namespace:
            yield "tls.namespace: missing; with tls.mode self name the namespace of the Service udplb"
    else:
        if settings.cert_file is None:
            other = ", which keyFile needs beside it" if settings.key_file else ""
            yield f"certFile: missing{other}; name the serving certificate (make one by `udplb certs issue`)"
        if settings.key_file is None:
            other = ", which certFile needs beside it" if settings.cert_file else ""
            yield f"keyFile: missing{other}; name the key of the serving certificate"
    if settings.port == settings.ops_port:
        yield f"opsPort: {settings.ops_port} is the port of the reviews too; give one of them another number"


def _contradictions(settings: Settings) -> Iterator[str]:
    resources = settings.sidecar.resources
    for name, asked in resources.requests.items():
        limit = resources.limits.get(name)
        if limit is not None and (parse_quantity(asked) or 0) > (parse_quantity(limit) or 0):
            yield f"sidecar.resources.requests.{name}: {asked} is more than the limit of {limit}"
