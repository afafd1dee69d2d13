"""What a campaign has sent and spent; the sandbox, which costs nothing, is told apart."""

from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count, Q, Sum
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from campaigns.models import Campaign, CampaignLog
from messaging.models import ACCEPTED


class Spent(NamedTuple):
    """Accepted messages of one side and one currency; `priced` of them have a cost, which is `cost` in all."""

    sandbox: bool
    currency: str
    messages: int
    priced: int
    cost: Decimal


def spent(campaign: Campaign) -> list[Spent]:
    """One statement, in the campaign's size. Real messages first; what costs nothing we know of has no currency."""
    logs = CampaignLog.objects.filter(enrollment__campaign=campaign, message__status__in=ACCEPTED)
    rows = logs.values_list("message__sandbox", "message__currency").annotate(
        messages=Count("pk"),
        priced=Count("pk", filter=Q(message__cost__isnull=False)),
        cost=Sum("message__cost", default=Decimal(0)),
    )
    return [Spent(*row) for row in rows.order_by("message__sandbox", "-message__currency")]


def told_spent(found: list[Spent]) -> list[str]:
    """In sentences, for people."""
    real = [one for one in found if not one.sandbox]
    played = sum(one.messages for one in found if one.sandbox)
    lines = [
        _("Messages sent: %(messages)s") % {"messages": number_format(sum(one.messages for one in real))},
        *[
            _("Spent: %(cost)s %(currency)s") % {"cost": money(one.cost), "currency": one.currency}
            for one in real
            if one.currency
        ],
    ]
    unpriced = sum(one.messages - one.priced for one in real)
    if unpriced:
        lines.append(
            _("Without a price: %(messages)s; the account's prices say what one costs")
            % {"messages": number_format(unpriced)}
        )
    return [*lines, _("On the sandbox: %(messages)s") % {"messages": number_format(played)}] if played else lines


def money(amount: Decimal) -> str:
    """At least two decimals, and no more than are needed."""
    digits = amount.normalize().as_tuple().exponent
    return number_format(amount, decimal_pos=max(2, -digits if isinstance(digits, int) else 2), force_grouping=True)
