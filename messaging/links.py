"""The link that brings a lead to the brokerage's Telegram bot, and tells us who came. Pure.

Telegram hands on 64 signs at most of A–Z, a–z, 0–9, _ and -, so the ids are packed: eight bytes each, and sixteen of
the signature.
"""

import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Self

from django.utils.crypto import constant_time_compare, salted_hmac

SALT = "messaging.links.telegram"
IDS = struct.Struct(">QQ")
SIGNATURE_BYTES = 16
PAYLOAD = re.compile(r"[A-Za-z0-9_-]{43}")
BOT_NAME = re.compile(r"[A-Za-z0-9_]{3,64}")


@dataclass(frozen=True, slots=True)
class StartLink:
    """Whose link it is."""

    broker_id: int
    lead_id: int

    @classmethod
    def parse(cls, payload: str) -> Self:
        """Raises ValueError when it is none of ours."""
        packed = urlsafe_b64decode(payload + "=") if PAYLOAD.fullmatch(payload) else b""
        ids, signature = packed[: IDS.size], packed[IDS.size :]
        if not packed or not constant_time_compare(signature, _signature(ids)):
            raise ValueError("this link is none of ours")
        return cls(*IDS.unpack(ids))

    def payload(self) -> str:
        ids = IDS.pack(self.broker_id, self.lead_id)
        return urlsafe_b64encode(ids + _signature(ids)).decode().rstrip("=")


def telegram_link(*, bot: str, broker_id: int, lead_id: int) -> str:
    """The address that a lead opens; '' while the bot's name is not known. `bot` may begin with @."""
    name = bot.strip().removeprefix("@")
    return f"https://t.me/{name}?start={StartLink(broker_id, lead_id).payload()}" if BOT_NAME.fullmatch(name) else ""


def _signature(ids: bytes) -> bytes:
    return salted_hmac(SALT, ids, algorithm="sha256").digest()[:SIGNATURE_BYTES]
