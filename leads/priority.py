"""Whom an agent turns to first: the same order in Python and in SQL, by the lead's own columns. Source:
docs/scoring.md. What no line of the table names is MEDIA while it is warm or hot, else BAJA."""

from typing import Any

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.utils.translation import gettext_lazy as _


class Priority(models.IntegerChoices):
    URGENTE = 1, _("URGENT: today")
    ALTA = 2, _("HIGH: within 24 hours")
    MEDIA = 3, _("MEDIUM: in two or three days")
    BAJA = 4, _("LOW")
    ARCHIVADO = 5, _("ARCHIVED")


NEW_STAGES = ("entrada", "perfilamiento")
INTERESTED = ("warm", "hot")


def priority_of(lead: Any) -> Priority:
    """The priority of a Lead. On hold nobody is contacted; else whoever waits for an answer comes first."""
    if lead.treatment_type == "hold":
        return Priority.ARCHIVADO
    if waits_for_answer(lead) or _is_ready(lead, "agendado"):
        return Priority.URGENTE
    if asks_anew(lead):
        return Priority.ALTA
    if lead.pipeline_stage == "ganado" or lead.pipeline_stage == "perdido":
        return Priority.ARCHIVADO
    if _is_ready(lead, "calificacion_financiera") or _is_untouched(lead):
        return Priority.ALTA
    is_nurtured = lead.pipeline_stage == "seguimiento" and lead.qualification == "POTENCIAL"
    return Priority.MEDIA if is_nurtured or lead.status in INTERESTED else Priority.BAJA


def waits_for_answer(lead: Any) -> bool:
    """Whether they wrote and no person has answered since; whoever wants no more contact waits for nothing."""
    if lead.last_inbound_at is None or lead.opted_out_at is not None:
        return False
    return lead.last_answered_at is None or lead.last_answered_at < lead.last_inbound_at


def asks_anew(lead: Any) -> bool:
    """Whether they asked for something after anybody last wrote to them: as new as on the first day."""
    asked = lead.last_inquiry_at
    if asked is None or lead.opted_out_at is not None:
        return False
    return all(at is None or at < asked for at in (lead.last_contacted_at, lead.last_answered_at))


def _is_ready(lead: Any, stage: str) -> bool:
    return bool(lead.pipeline_stage == stage and lead.status == "hot" and lead.qualification == "CALIFICADO")


def _is_untouched(lead: Any) -> bool:
    is_new = lead.pipeline_stage in NEW_STAGES and lead.opted_out_at is None
    return is_new and lead.last_contacted_at is None and lead.last_answered_at is None


WAITS = Q(last_inbound_at__isnull=False, opted_out_at=None) & (
    Q(last_answered_at=None) | Q(last_answered_at__lt=F("last_inbound_at"))
)
ASKS = Q(last_inquiry_at__isnull=False, opted_out_at=None) & (
    (Q(last_contacted_at=None) | Q(last_contacted_at__lt=F("last_inquiry_at")))
    & (Q(last_answered_at=None) | Q(last_answered_at__lt=F("last_inquiry_at")))
)
READY = Q(status="hot", qualification="CALIFICADO")
PRIORITY = Case(
    When(Q(treatment_type="hold"), then=Value(Priority.ARCHIVADO)),
    When(WAITS | (READY & Q(pipeline_stage="agendado")), then=Value(Priority.URGENTE)),
    When(ASKS, then=Value(Priority.ALTA)),
    When(Q(pipeline_stage__in=("ganado", "perdido")), then=Value(Priority.ARCHIVADO)),
    When(
        (READY & Q(pipeline_stage="calificacion_financiera"))
        | Q(pipeline_stage__in=NEW_STAGES, opted_out_at=None, last_contacted_at=None, last_answered_at=None),
        then=Value(Priority.ALTA),
    ),
    When(
        Q(pipeline_stage="seguimiento", qualification="POTENCIAL") | Q(status__in=INTERESTED),
        then=Value(Priority.MEDIA),
    ),
    default=Value(Priority.BAJA),
    output_field=models.SmallIntegerField(),
)
