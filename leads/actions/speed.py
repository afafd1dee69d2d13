"""Speed to lead: an arrival has to be touched by a person within the broker's limit, or it is escalated, once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from brokers.models import Broker
from leads.actions.routing import route_leads, routing_settings
from leads.actions.telling import broker_admins, give_tasks, lead_lines, tell_outside, write_notices
from leads.hours import after_work_of
from leads.models import AssignmentCause, ClockOutcome, Lead, Offer, RoutingSettings, SpeedClock, Treatment
from leads.models.lead import OPEN_STAGES

BATCH = 500


def start_clock(*, lead: Lead, settings: RoutingSettings, now: datetime) -> None:
    """The lead arrived now, or asked again: somebody has to touch them in time. A clock that runs already goes on."""
    if settings.touch_within_minutes is None:
        return
    within = timedelta(minutes=settings.touch_within_minutes)
    due_at = after_work_of(now, within, settings.hours, settings.broker.timezone)
    if due_at is not None:
        clock = SpeedClock(broker_id=lead.broker_id, lead=lead, started_at=now, due_at=due_at)
        SpeedClock.objects.bulk_create([clock], ignore_conflicts=True)


@transaction.atomic
def end_due_clocks(*, broker: Broker, now: datetime, batch: int = BATCH) -> int:
    """End up to `batch` clocks that ran out: in time, or escalated in the same transaction; how many.

    Clocks whose lead somebody holds are left to the next call.
    """
    due = SpeedClock.objects.filter(broker=broker, ended_at=None, due_at__lte=now).order_by("due_at", "id")
    free = due.select_for_update(no_key=True, skip_locked=True, of=("self", "lead"))
    clocks = list(free.select_related("lead")[:batch])
    settings = routing_settings(broker)
    for clock in clocks:
        clock.ended_at, clock.outcome = now, _outcome(clock, settings)
    SpeedClock.objects.bulk_update(clocks, ["ended_at", "outcome"])
    late = [clock for clock in clocks if clock.outcome == ClockOutcome.ESCALATED]
    if late:
        _escalate(settings, late, now)
    return len(clocks)


def _outcome(clock: SpeedClock, settings: RoutingSettings) -> str:
    lead, since = clock.lead, clock.started_at
    if any(touch is not None and touch >= since for touch in (lead.first_touched_at, lead.last_answered_at)):
        return ClockOutcome.TOUCHED
    if settings.touch_within_minutes is None or not settings.broker.is_active:
        return ClockOutcome.OFF
    was_closed_since = lead.pipeline_stage not in OPEN_STAGES and lead.stage_entered_at >= since
    is_wanted = lead.deleted_at is None and lead.treatment_type != Treatment.HOLD and not was_closed_since
    return ClockOutcome.ESCALATED if is_wanted else ClockOutcome.GONE


def _give_to_others(settings: RoutingSettings, leads: Sequence[Lead], now: datetime) -> None:
    """By the rules, without whoever had them; who may be claimed still is with several already."""
    offered = set(Offer.objects.open().filter(lead__in=leads).values_list("lead_id", flat=True))
    route_leads(
        settings=settings,
        lead_ids=[lead.pk for lead in leads if lead.pk not in offered],
        now=now,
        cause=AssignmentCause.ESCALATION,
        without={lead.pk: [lead.assigned_to_id] for lead in leads if lead.assigned_to_id is not None},
        tells=False,
    )


def _escalate(settings: RoutingSettings, clocks: Sequence[SpeedClock], now: datetime) -> None:
    """Set-based: a task a lead for the first broker admin, an event a lead, one mail to each of them for all."""
    broker, leads = settings.broker, [clock.lead for clock in clocks]
    if settings.reassigns:
        _give_to_others(settings, leads, now)
    admins = broker_admins(broker.pk)
    with translation.override(broker.language):
        title = _("Nobody has contacted this new lead yet")
        subject = ngettext(
            "A new lead waits for a first contact", "%(count)d new leads wait for a first contact", len(leads)
        ) % {"count": len(leads)}
        body = _("Nobody contacted them within the time you set:") + "\n\n" + lead_lines(leads)
    origins = [f"speed:{clock.pk}" for clock in clocks]
    give_tasks(leads=leads, assignee=next(iter(admins), None), title=title, origins=origins, now=now)
    payloads = [
        {
            "lead": clock.lead_id,
            "arrived_at": clock.started_at.isoformat(),
            "due_at": clock.due_at.isoformat(),
            "assigned_to": clock.lead.assigned_to_id,
        }
        for clock in clocks
    ]
    tell_outside(broker_id=broker.pk, kind="lead.escalated", payloads=payloads, now=now)
    write_notices(broker=broker, users=admins, key=f"escalated:{clocks[0].pk}", subject=subject, body=body, now=now)
