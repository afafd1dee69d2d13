"""How a brokerage scores and qualifies, changed by its own people."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from brokers.models import Broker
from brokers.refusal import Refused
from brokers.rules import validate_qualification_rules, validate_score_thresholds, validate_score_weights
from leads.actions.recalculating import Recalculation, recalculate_scores
from leads.models import Lead

# So many leads are recalculated while somebody waits for the page; more are done at night.
AT_ONCE = 5_000
VALIDATORS = {
    "score_weights": validate_score_weights,
    "score_thresholds": validate_score_thresholds,
    "qualification_rules": validate_qualification_rules,
}


def checked_rules(broker: Broker, given: Mapping[str, Mapping[str, Any]]) -> Broker:
    """The broker as it would be with these rules, unsaved. Raises Refused `rules_invalid` with every fault."""
    faults: list[str] = []
    for name, value in given.items():
        try:
            VALIDATORS[name](value)
        except ValidationError as error:
            faults += error.messages
    if faults:
        raise Refused("rules_invalid", faults=faults)
    fresh: Broker = Broker.objects.get(pk=broker.pk)
    for name, value in given.items():
        setattr(fresh, name, dict(value))
    return fresh


def set_score_rules(*, broker: Broker, now: datetime, **given: Mapping[str, Any]) -> Recalculation | None:
    """Keep `score_weights`, `score_thresholds` and `qualification_rules`, and recalculate the leads at once where they
    are few; None where the night, or `recalculate_scores`, does it. Raises Refused `rules_invalid`."""
    changed = checked_rules(broker, given)
    with transaction.atomic():
        Broker.objects.filter(pk=broker.pk).update(**{name: getattr(changed, name) for name in given})
        if Lead.objects.filter(broker=broker, deleted_at=None)[: AT_ONCE + 1].count() > AT_ONCE:
            return None
        return recalculate_scores(broker=changed, clock=lambda: now, cause="rules")
