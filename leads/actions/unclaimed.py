"""Offers whose time is over: the fallback of their rule gives the lead to somebody."""

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Min

from brokers.models import Broker
from leads.actions.routing import carry_out, decide_all, load_desks, lock_routing, routing_settings
from leads.models import AssignmentCause, Lead, Offer, OfferOutcome, RoutingRule
from leads.routing import Decision, Left, route_unclaimed

BATCH = 500


@transaction.atomic
def pass_on_unclaimed(*, broker: Broker, now: datetime, batch: int = BATCH) -> int:
    """Close the offers of up to `batch` leads whose time is over, and give the leads away; how many leads.

    Leads that somebody holds (who claims one in this moment, say) are left to the next call.
    """
    due = Offer.objects.open().filter(broker=broker, expires_at__lte=now)
    oldest = due.order_by().values("lead").annotate(at=Min("expires_at")).order_by("at", "lead")[:batch]
    wanted = [row["lead"] for row in oldest]
    free = Lead.objects.filter(pk__in=wanted).select_for_update(no_key=True, skip_locked=True, of=("self",))
    leads = list(free.order_by("id"))
    rule_of = dict(due.filter(lead__in=leads).values_list("lead_id", "rule_id"))  # again, under the leads' locks
    waiting = [lead for lead in leads if lead.pk in rule_of and lead.deleted_at is None]
    gone = [lead for lead in leads if lead.deleted_at is not None]
    Offer.objects.open().filter(lead__in=waiting).update(closed_at=now, outcome=OfferOutcome.EXPIRED)
    Offer.objects.open().filter(lead__in=gone).update(closed_at=now, outcome=OfferOutcome.GONE)
    had = {lead.pk: [lead.assigned_to_id] for lead in waiting if lead.assigned_to_id is not None}
    _give_away(broker, {lead.pk: rule_of[lead.pk] for lead in waiting}, had, now)
    return len(rule_of)


def _give_away(
    broker: Broker, rule_of: Mapping[int, int | None], had: Mapping[int, Collection[int]], now: datetime
) -> None:
    """By the fallback of the rule that offered them; where that has nobody, by the rules that come after it. Those that
    somebody `had`, and who were offered as nobody contacted them, go to somebody else, or stay."""
    if not rule_of:
        return
    settings = routing_settings(broker)
    rules = list(RoutingRule.objects.filter(broker=broker).in_order())
    lock_routing(broker.pk)
    desks = load_desks(settings, rules, now)
    decisions: dict[int, Decision] = {}
    others: list[int] = []
    for lead_id, rule_id in rule_of.items():
        rule = desks.rules.get(rule_id) if rule_id is not None else None
        decision = route_unclaimed(rule, desks.office, without=had.get(lead_id, ())) if rule else None
        if decision is None:
            others.append(lead_id)
        else:
            decisions[lead_id] = decision
    active = [rule for rule in rules if rule.is_active]
    for position, rule in enumerate(active):
        mine = [lead for lead in others if rule_of[lead] == rule.pk]
        if mine:
            decisions |= decide_all(desks, active[position + 1 :], mine, had)
    ruleless = [lead for lead in others if lead not in decisions]
    if ruleless:
        decisions |= decide_all(desks, active, ruleless, had)
    decisions = {lead: made for lead, made in decisions.items() if lead not in had or not isinstance(made, Left)}
    carry_out(settings, desks, decisions, cause=AssignmentCause.FALLBACK, tells=True)
