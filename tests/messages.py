"""Messages that are there already, whoever wrote them."""

import itertools
from typing import Any

from leads.models import Lead
from messaging.models import ChannelAccount, Message
from tests.building import NOW

_keys = itertools.count(1)


def a_message(lead: Lead, **fields: Any) -> Message:
    """An automatic one on Telegram over the sandbox that arrived, unless told otherwise."""
    channel = fields.get("channel", "telegram")
    known = {
        "channel": channel,
        "direction": "out",
        "status": "delivered",
        "account": ChannelAccount.objects.get(broker=lead.broker_id, channel=channel, is_default=True),
        "dedupe_key": f"earlier:{next(_keys)}",
        "sandbox": True,
        "created_at": NOW,
    }
    return Message.objects.create(broker_id=lead.broker_id, lead=lead, **known | fields)
