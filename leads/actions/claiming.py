"""A lead that was offered to several agents goes to whoever claims it first."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from brokers.models import User
from brokers.refusal import Refused
from leads.actions.assigning import Handing, hand_out
from leads.actions.routing import lock_routing, open_leads
from leads.models import AssignmentCause, Lead, Offer, OfferOutcome, RoutingAgent


@transaction.atomic
def claim_lead(*, lead: Lead, by: User, now: datetime) -> Lead:
    """The agent takes a lead that was offered to them; of several who try, one gets it. Theirs already: nothing more.

    Raises Refused `not_offered`, `lead_gone`, `claimed` (naming who has it), `too_late` or `full`.
    """
    # Not joined with its agent: after waiting for the lock, the join would still show who had it before.
    fresh: Lead = Lead.objects.select_for_update(no_key=True, of=("self",)).get(pk=lead.pk)
    latest = Offer.objects.filter(lead=fresh, agent=by).select_related("rule").order_by("-offered_at", "-id").first()
    if latest is None:
        raise Refused("not_offered", _("This lead was not offered to you."))
    if fresh.assigned_to_id == by.pk:
        return fresh
    _check_claimable(fresh, latest, now)
    _check_room(latest)
    rule = latest.rule.name if latest.rule else ""
    Offer.objects.open().filter(lead=fresh, agent=by).update(closed_at=now, outcome=OfferOutcome.CLAIMED)
    handing = Handing(fresh.pk, by.pk, rule)
    hand_out([handing], cause=AssignmentCause.CLAIM, by=by, now=now, outcome=OfferOutcome.TAKEN)
    fresh.assigned_to = by
    return fresh


def _check_claimable(lead: Lead, offer: Offer, now: datetime) -> None:
    if lead.deleted_at is not None:
        raise Refused("lead_gone", _("This lead has been deleted already."))
    # One that is offered although somebody has it was escalated: it is open until it changes hands.
    if lead.assigned_to is not None and offer.closed_at is not None:
        raise Refused("claimed", _("%(agent)s has this lead already.") % {"agent": lead.assigned_to})
    if offer.closed_at is not None or offer.expires_at <= now:
        raise Refused("too_late", _("The time to claim this lead is over; it goes to somebody by the rules."))


def _check_room(offer: Offer) -> None:
    """Whoever was offered several has as many as the rule says at most; the routing waits, which counts them too."""
    seat = RoutingAgent.objects.filter(rule=offer.rule_id, agent=offer.agent_id, max_open__isnull=False).first()
    if seat is None:
        return
    lock_routing(offer.broker_id)
    if open_leads(offer.broker_id, [offer.agent_id]).get(offer.agent_id, 0) >= (seat.max_open or 0):
        message = _("You have %(count)d open leads, as many as you may have by this rule; somebody else gets this one.")
        raise Refused("full", message % {"count": seat.max_open})
