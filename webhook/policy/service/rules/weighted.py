"""W: weighted forwarding to other Services."""

from __future__ import annotations

from webhook.policy.finding import Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.rules.refused import refused

SOURCE = "LBC pkg/service/config_types.go"

RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB352",
        Severity.REJECT,
        "The action is no forward action",
        "An actions annotation holds a JSON object of type forward.",
        SOURCE,
        refused("UDPLB352", 'write {"type":"forward","forwardConfig":{…}}'),
        waivable=False,
    ),
    Rule(
        "UDPLB353",
        Severity.REJECT,
        "The forward action has no forwardConfig",
        "The controller crashes on it and recovers: there is no event, and it tries for ever.",
        "LBC pkg/service/enhanced_backend_builder.go",
        refused("UDPLB353", "add forwardConfig with its targetGroups, or remove the annotation"),
        waivable=False,
    ),
    Rule(
        "UDPLB354",
        Severity.REJECT,
        "A weighted target group is incomplete",
        "Each names either a target group's ARN or a Service with a port, and where there are several each has a "
        "weight from 0 to 999.",
        SOURCE,
        refused("UDPLB354", "complete the target group"),
        waivable=False,
    ),
)
