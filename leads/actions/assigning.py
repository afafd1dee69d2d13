"""Who has a lead: the only code that changes it, and its history with it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from brokers.models import User
from brokers.refusal import Refused
from leads.models import AssignmentCause, Lead, OfferOutcome


class Handing(NamedTuple):
    """That a lead goes to a user, or to nobody; by which rule, and why."""

    lead_id: int
    to_id: int | None
    rule: str = ""
    reason: str = ""


# In one statement, for as many leads as there are: the assignee, the open tasks that the former one had (or nobody),
# the offers that are over by it, and the history. The leads are locked already.
ASSIGN = """
WITH given AS (
    UPDATE leads_lead lead SET assigned_to_id = wanted.to_id, updated_at = %(now)s
    FROM unnest(%(leads)s::bigint[], %(from)s::bigint[], %(to)s::bigint[], %(rules)s::text[], %(reasons)s::text[])
         AS wanted (id, from_id, to_id, rule, reason)
    WHERE lead.id = wanted.id
    RETURNING lead.id, lead.broker_id, wanted.from_id, wanted.to_id, wanted.rule, wanted.reason
), tasks AS (
    UPDATE leads_task task SET assignee_id = given.to_id FROM given
    WHERE task.lead_id = given.id AND task.done_at IS NULL AND task.assignee_id IS NOT DISTINCT FROM given.from_id
      AND given.to_id IS NOT NULL
), offers AS (
    UPDATE leads_offer offer SET closed_at = %(now)s, outcome = %(outcome)s FROM given
    WHERE offer.lead_id = given.id AND offer.closed_at IS NULL
)
INSERT INTO leads_assignment (broker_id, lead_id, from_user_id, to_user_id, by_id, cause, rule, reason, at)
SELECT broker_id, id, from_id, to_id, %(by)s, %(cause)s, rule, reason, %(now)s FROM given ORDER BY id
"""


@transaction.atomic
def assign_lead(
    *, lead: Lead, to: User | None, now: datetime, cause: str, by: User | None = None, rule: str = "", reason: str = ""
) -> bool:
    """Give a lead to a user, or to nobody; whether that changed anything. `cause` is an AssignmentCause.

    Raises Refused `agent_foreign` or `agent_inactive`.
    """
    check_agents(lead.broker_id, [to] if to else [])
    handing = Handing(lead.pk, to.pk if to else None, rule, reason)
    return bool(hand_out([handing], cause=cause, by=by, now=now))


@transaction.atomic
def assign_leads(
    *,
    leads: QuerySet[Lead],
    agents: Sequence[User],
    now: datetime,
    rule: str = "",
    reason: str = "",
    by: User | None = None,
    cause: str = AssignmentCause.PERSON,
) -> int:
    """Divide these leads evenly among agents of their broker, in the order of their ids; how many were divided.

    Raises Refused `agent_foreign` or `agent_inactive`.
    """
    chosen = list(leads.select_for_update(no_key=True, of=("self",)).order_by("id").values_list("id", "broker_id"))
    for broker_id in {broker for _lead, broker in chosen}:
        check_agents(broker_id, agents)
    handings = [
        Handing(lead, agents[position % len(agents)].pk, rule, reason)
        for position, (lead, _broker) in enumerate(chosen)
    ]
    hand_out(handings, cause=cause, by=by, now=now)
    return len(chosen)


def check_at_home(broker_id: int, agents: Sequence[User]) -> None:
    """Raises Refused `agent_foreign`."""
    if any(agent.broker_id != broker_id for agent in agents):
        raise Refused("agent_foreign", _("An agent can only be assigned leads of their own brokerage."))


def check_agents(broker_id: int, agents: Sequence[User]) -> None:
    """Raises Refused `agent_foreign` or `agent_inactive`."""
    check_at_home(broker_id, agents)
    inactive = [str(agent) for agent in agents if not agent.is_active]
    if inactive:
        raise Refused("agent_inactive", _("%(agent)s does not work here any more.") % {"agent": inactive[0]})


def hand_out(
    handings: Sequence[Handing],
    *,
    cause: str,
    now: datetime,
    by: User | None = None,
    outcome: str = OfferOutcome.WITHDRAWN,
) -> int:
    """Assign each lead as it says; how many changed hands. Whoever has a lead already keeps it without a trace.

    Two statements for any number of leads, within the caller's transaction. The agents are of the leads' broker: who
    calls has made sure. `outcome` is that of the offers which end by it.
    """
    has = _locked_assignees([handing.lead_id for handing in handings])
    changes = [handing for handing in handings if handing.lead_id in has and has[handing.lead_id] != handing.to_id]
    if not changes:
        return 0
    leads, to, rules, reasons = (list(column) for column in zip(*changes, strict=True))
    params = {
        "leads": leads,
        "from": [has[lead] for lead in leads],
        "to": to,
        "rules": [rule[:100] for rule in rules],
        "reasons": [reason[:300] for reason in reasons],
        "by": by.pk if by else None,
        "cause": cause,
        "outcome": outcome,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(ASSIGN, params)
    return len(changes)


def _locked_assignees(lead_ids: Sequence[int]) -> dict[int, int | None]:
    leads = Lead.objects.filter(pk__in=lead_ids).select_for_update(no_key=True, of=("self",)).order_by("id")
    return dict(leads.values_list("pk", "assigned_to_id"))
