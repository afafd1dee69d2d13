"""Telling people who work here: a task, an event for integrations, and a mail, written where the thing happened."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce, Least
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from brokers.models import Broker, OutboxEvent, Role, User
from leads.models import Lead, Notice, Task

# A mail names so many leads; of more it says how many.
NAMED = 20
# Of what one lead writes within so long there is one mail.
BURST = timedelta(minutes=15)
QUOTED = 500


def broker_admins(broker_id: int) -> list[User]:
    """Who runs the brokerage, the longest-standing first."""
    return list(User.objects.filter(broker=broker_id, role=Role.ADMIN, is_active=True).order_by("id"))


def give_tasks(
    *, leads: Sequence[Lead], assignee: User | None, title: str, origins: Sequence[str], now: datetime
) -> None:
    """One task a lead, due now, in two statements. Whoever calls tells of them, so nobody is reminded at once."""
    Task.objects.bulk_create(
        Task(
            broker_id=lead.broker_id,
            lead=lead,
            assignee=assignee,
            title=title[:200],
            due_at=now,
            origin=origin[:60],
            reminded_at=now,
        )
        for lead, origin in zip(leads, origins, strict=True)
    )
    Lead.objects.filter(pk__in=[lead.pk for lead in leads]).update(
        next_task_at=Least(Coalesce(F("next_task_at"), now), now), updated_at=now
    )


def tell_outside(*, broker_id: int, kind: str, payloads: Sequence[dict[str, Any]], now: datetime) -> None:
    OutboxEvent.objects.bulk_create(
        OutboxEvent(broker_id=broker_id, kind=kind, payload=payload, created_at=now, due_at=now) for payload in payloads
    )


def write_notices(*, broker: Broker, users: Sequence[User], key: str, subject: str, body: str, now: datetime) -> None:
    """A mail to each of these users who has an address; `key` makes sure that each gets it once."""
    Notice.objects.bulk_create(
        (
            Notice(
                broker=broker,
                user=user,
                key=f"{key}:{user.pk}",
                subject=" ".join(subject.split())[:200],
                body=body,
                created_at=now,
                due_at=now,
            )
            for user in users
            if user.email
        ),
        ignore_conflicts=True,
    )


def tell_of_reply(*, lead: Lead, channel: str, text: str, now: datetime) -> None:
    """A mail to the lead's agent, else to whoever runs the brokerage; a burst of messages is told of once."""
    users = [lead.assigned_to] if lead.assigned_to and lead.assigned_to.is_active else broker_admins(lead.broker_id)
    words = {"lead": lead, "channel": channel, "text": text[:QUOTED]}
    with translation.override(lead.broker.language):
        subject = _("%(lead)s wrote over %(channel)s") % words
        body = _("%(lead)s wrote over %(channel)s:\n\n%(text)s\n\nAn answer is welcome soon.") % words
    key = f"reply:{lead.pk}:{now.timestamp() // BURST.total_seconds():.0f}"
    write_notices(broker=lead.broker, users=users, key=key, subject=subject, body=body, now=now)


def lead_lines(leads: Sequence[Lead]) -> str:
    """The leads of a mail, each with the address of its page; the others as a number."""
    lines = [f"- {lead}: {lead_page(lead.pk)}" for lead in leads[:NAMED]]
    if len(leads) > NAMED:
        lines.append(f"- … +{len(leads) - NAMED}")
    return "\n".join(lines)


def lead_page(lead_id: int) -> str:
    return settings.PUBLIC_URL + reverse("admin:leads_lead_change", args=[lead_id])
