"""A lead that is offered to several agents goes to whoever claims it first."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings as django_settings
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions.assigning import Handing, hand_out
from leads.actions.telling import write_notices
from leads.models import AssignmentCause, Lead, Offer, OfferOutcome
from leads.routing import Offered


def make_offers(broker: Broker, offered: Mapping[int, Offered], now: datetime) -> None:
    """Offer each lead to its agents, and tell each agent of all of theirs by one mail."""
    if not offered:
        return
    Offer.objects.bulk_create(
        Offer(
            broker=broker, lead_id=lead_id, agent_id=agent.id, rule_id=to.rule.id, offered_at=now, expires_at=to.until
        )
        for lead_id, to in offered.items()
        for agent in to.agents
    )
    mine: defaultdict[int, list[int]] = defaultdict(list)
    for lead_id, to in offered.items():
        for agent in to.agents:
            mine[agent.id].append(lead_id)
    users = list(User.objects.filter(pk__in=mine).order_by("id"))
    by_count: defaultdict[int, list[User]] = defaultdict(list)
    for user in users:
        by_count[len(mine[user.pk])].append(user)
    key = f"offer:{min(offered)}:{now.isoformat()}"
    for count, same in by_count.items():
        _invite(broker, same, count, key, now)


def _invite(broker: Broker, users: list[User], count: int, key: str, now: datetime) -> None:
    with translation.override(broker.language):
        subject = ngettext("A new lead to claim", "%(count)d new leads to claim", count) % {"count": count}
        page = django_settings.PUBLIC_URL + reverse("leads:offers")
        body = _("Whoever claims a lead first gets it: %(page)s") % {"page": page}
    write_notices(broker=broker, users=users, key=key, subject=subject, body=body, now=now)


@transaction.atomic
def claim_lead(*, lead: Lead, by: User, now: datetime) -> Lead:
    """The agent takes a lead that was offered to them; of several who try, one gets it. Theirs already: nothing more.

    Raises Refused `not_offered`, `lead_gone`, `claimed` (naming who has it) or `too_late`.
    """
    # Not joined with its agent: after waiting for the lock, the join would still show who had it before.
    fresh: Lead = Lead.objects.select_for_update(no_key=True, of=("self",)).get(pk=lead.pk)
    latest = Offer.objects.filter(lead=fresh, agent=by).select_related("rule").order_by("-offered_at", "-id").first()
    if latest is None:
        raise Refused("not_offered", _("This lead was not offered to you."))
    if fresh.assigned_to_id == by.pk:
        return fresh
    _check_claimable(fresh, latest, now)
    rule = latest.rule.name if latest.rule else ""
    Offer.objects.open().filter(lead=fresh, agent=by).update(closed_at=now, outcome=OfferOutcome.CLAIMED)
    handing = Handing(fresh.pk, by.pk, rule)
    hand_out([handing], cause=AssignmentCause.CLAIM, by=by, now=now, outcome=OfferOutcome.TAKEN)
    fresh.assigned_to = by
    return fresh


def _check_claimable(lead: Lead, offer: Offer, now: datetime) -> None:
    if lead.deleted_at is not None:
        raise Refused("lead_gone", _("This lead has been deleted already."))
    if lead.assigned_to is not None:
        raise Refused("claimed", _("%(agent)s has this lead already.") % {"agent": lead.assigned_to})
    if offer.closed_at is not None or offer.expires_at <= now:
        raise Refused("too_late", _("The time to claim this lead is over; it goes to somebody by the rules."))
