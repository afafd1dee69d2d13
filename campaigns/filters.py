"""Conditions of a step: all that can be said about a lead, and what its enrolment knows."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, Value, When
from django.utils.translation import gettext_lazy as _

from brokers.refusal import Refused
from campaigns.models import CampaignLog, LogStatus
from leads.filters import ChoiceClause, Clause, LeadFilter, YesNoClause
from messaging.models import Message
from voice.models import ENDED, VoiceCall


def _previous_step(prefix: str, values: list[str], now: datetime) -> Q:
    return Q(Exists(_logs_before(step_number=OuterRef("step_number") - 1, status__in=values)))


def _last_call(prefix: str, values: list[str], now: datetime) -> Q:
    calls = VoiceCall.objects.filter(message=OuterRef("message"), status__in=values)
    last = _logs_before(action="make_call").order_by("-step_number")
    return Q(Exists(last.filter(Exists(calls))))


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


def held_conditions(
    wanted: Mapping[int, Mapping[str, Any]], now: datetime
) -> dict[int, tuple[tuple[str, Any, bool], ...]]:
    """Which clauses of which log's conditions hold: (key, value, held) by log id, all in one statement.

    `wanted` is the conditions by log id. A distinct clause is asked once for the whole batch.
    """
    answers: dict[int, list[tuple[str, Any, bool]]] = {}
    asked: list[tuple[int, Clause]] = []
    for log_id, data in wanted.items():
        try:
            asked += [(log_id, clause) for clause in StepFilter.clauses(data, now=now, prefix="lead__")]
        except Refused as refused:
            # Stored past its check: it holds for nobody, and harms nobody else.
            answers[log_id] = [("condition_invalid", str(refused), False)]
    for log_id, clause, answer in _answers(asked):
        answers.setdefault(log_id, []).append((clause.key, clause.value, answer))
    return {log_id: tuple(found) for log_id, found in answers.items()}


def _answers(asked: Sequence[tuple[int, Clause]]) -> Iterator[tuple[int, Clause, bool]]:
    if not asked:
        return
    names = {(clause.key, repr(clause.value)): f"clause_{n}" for n, (_log, clause) in enumerate(asked)}
    columns = {names[clause.key, repr(clause.value)]: _boolean(clause.q) for _log, clause in asked}
    logs = CampaignLog.objects.filter(pk__in={log_id for log_id, _clause in asked})
    held = {row["pk"]: row for row in logs.annotate(**columns).values("pk", *columns)}
    for log_id, clause in asked:
        yield log_id, clause, held[log_id][names[clause.key, repr(clause.value)]]


def _boolean(q: Q) -> Case:
    """True or False, never null."""
    return Case(When(q, then=Value(True)), default=Value(False), output_field=BooleanField())
