"""Conditions of a step: all that can be said about a lead, and what its enrolment knows."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.lookups import In
from django.utils.translation import gettext_lazy as _

from brokers.refusal import Refused
from campaigns.models import CampaignLog, LogStatus
from leads.filters import ChoiceClause, Clause, LeadFilter, YesNoClause
from messaging.models import Message
from voice.models import ENDED, VoiceCall


def _previous_step(prefix: str, values: list[str], now: datetime) -> Q:
    return Q(Exists(_logs_before(step_number=OuterRef("step_number") - 1, status__in=values)))


def _last_call(prefix: str, values: list[str], now: datetime) -> Q:
    called = _logs_before(action="make_call", message__isnull=False, step_number__lt=OuterRef("step_number"))
    how = VoiceCall.objects.filter(message=OuterRef("message")).values("status")
    last = called.order_by("-step_number").annotate(how=Subquery(how)).values("how")[:1]
    return Q(In(Subquery(last), values))


def _replied(prefix: str, value: bool, now: datetime) -> Q:
    replied = Q(lead__last_inbound_at__gt=F("enrollment__enrolled_at"))
    return replied if value else ~replied | Q(lead__last_inbound_at=None)


def _message_read(prefix: str, value: bool, now: datetime) -> Q:
    read = Message.objects.filter(pk=OuterRef("message"), read_at__isnull=False)
    was_read = Exists(_logs_before(step_number=OuterRef("step_number") - 1).filter(Exists(read)))
    return Q(was_read) if value else ~Q(was_read)


def _logs_before(**lookups: Any) -> Any:
    return CampaignLog.objects.filter(enrollment=OuterRef("enrollment"), **lookups)


class StepFilter(LeadFilter):
    """LeadFilter, asked of a row of the campaign log: its clauses about the lead want `prefix="lead__"`."""

    last_call = ChoiceClause(_last_call, label=_("last call"), choices=[str(status) for status in ENDED])
    previous_step = ChoiceClause(
        _previous_step, label=_("step before"), choices=[LogStatus.SENT, LogStatus.FAILED, LogStatus.SKIPPED]
    )
    replied_since_enrolment = YesNoClause(_replied, label=_("replied since the enrolment"))
    message_read = YesNoClause(_message_read, label=_("read the message before"))


Answer = tuple[str, Any, bool]


def held_conditions(wanted: Mapping[int, Mapping[str, Any]], now: datetime) -> dict[int, tuple[Answer, ...]]:
    """Which clauses of which log's conditions hold: (key, value, held) by log id, all in one statement.

    `wanted` is the conditions by log id. Each distinct condition is read once, and each distinct clause is asked once
    for the whole batch. One that was stored past its check holds for nobody, and harms nobody else.
    """
    logs_of: dict[str, list[int]] = defaultdict(list)
    for log_id, data in wanted.items():
        logs_of[repr(data)].append(log_id)
    answers: dict[int, tuple[Answer, ...]] = {}
    clauses: dict[str, list[Clause]] = {}
    for key, log_ids in logs_of.items():
        try:
            clauses[key] = StepFilter.clauses(wanted[log_ids[0]], now=now, prefix="lead__")
        except Refused as refused:
            answers |= dict.fromkeys(log_ids, (("condition_invalid", str(refused), False),))
    return answers | _ask(clauses, logs_of)


def _ask(clauses: Mapping[str, list[Clause]], logs_of: Mapping[str, list[int]]) -> dict[int, tuple[Answer, ...]]:
    distinct = {(clause.key, repr(clause.value)): clause for found in clauses.values() for clause in found}
    if not distinct:
        return {}
    columns = {name: f"clause_{n}" for n, name in enumerate(distinct)}
    booleans = {columns[name]: _boolean(clause.q) for name, clause in distinct.items()}
    logs = CampaignLog.objects.filter(pk__in=[log_id for key in clauses for log_id in logs_of[key]])
    held = {row["pk"]: row for row in logs.annotate(**booleans).values("pk", *booleans)}
    return {
        log_id: tuple((c.key, c.value, held[log_id][columns[c.key, repr(c.value)]]) for c in found)
        for key, found in clauses.items()
        for log_id in logs_of[key]
    }


def _boolean(q: Q) -> Case:
    """True or False, never null."""
    return Case(When(q, then=Value(True)), default=Value(False), output_field=BooleanField())
