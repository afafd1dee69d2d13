"""What an account's messages cost, as its prices stand now."""

import logging
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models.functions import Coalesce

from messaging.models import ON_THE_WAY, ChannelAccount, Message
from messaging.prices import Prices, cost_of, kind_of

logger = logging.getLogger(__name__)


class Cost(NamedTuple):
    """`amount` is None, and `currency` empty, where nobody knows."""

    amount: Decimal | None = None
    currency: str = ""


def prices_of(account: ChannelAccount) -> Prices:
    """What is stored wrongly is no price: a message that went out is never held up by it. The sandbox costs nothing."""
    if account.sandbox:
        return Prices()
    try:
        return Prices.parse(account.prices)
    except (AttributeError, TypeError, ValueError):
        logger.exception("The prices of account %s cannot be read", account.pk)
        return Prices()


def cost_by(prices: Prices, *, channel: str, address: str, purpose: str, is_own_words: bool) -> Cost:
    """What a message costs that is accepted now."""
    kind = kind_of(channel=channel, purpose=purpose, is_own_words=is_own_words)
    amount = cost_of(prices, address=address, kind=kind)
    return Cost(amount, prices.currency) if amount is not None else Cost()


def late_cost(message: Message, account: ChannelAccount, told: Decimal | None = None) -> dict[str, Any]:
    """The columns of a message of which we learn only now that it was accepted; `told` is what the provider says that
    it cost. A cost that is known already stays, unless the provider knows better."""
    prices = prices_of(account)
    if told is not None and prices.currency:
        return {"cost": told, "currency": prices.currency}
    if message.cost is not None or message.status not in ON_THE_WAY:
        return {}
    is_own_words = bool(message.basis.get("whatsapp", {}).get("window_open", True))
    about = {"channel": message.channel, "address": message.address, "purpose": message.purpose}
    cost = cost_by(prices, is_own_words=is_own_words, **about)
    return {"cost": Coalesce("cost", cost.amount), "currency": cost.currency} if cost.amount is not None else {}
