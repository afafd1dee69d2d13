"""A lead is offered to several agents, each of whom may claim it."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings as django_settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from brokers.models import Broker, User
from leads.actions.telling import write_notices
from leads.models import Offer
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
