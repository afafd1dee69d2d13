"""Pairs of leads who may be one person, with what speaks for it. One statement over a brokerage; docs/duplicates.md."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.models import Lead, NotDuplicate

# What each reason is worth; a pair is listed from LISTED_FROM on.
POINTS = {
    "chat_link": 70,
    "other_address": 60,
    "same_email": 50,
    "same_name": 30,
    "same_location": 15,
    "fit_together": 20,
}
LISTED_FROM = 45
REASONS = {
    "chat_link": _("One opened the other's Telegram link from a chat of their own"),
    "other_address": _("One has an address by which the other is known since a merge"),
    "same_email": _("The same e-mail address"),
    "same_name": _("The same name"),
    "same_location": _("The same area"),
    "fit_together": _("One has the phone, the other has none"),
}
# A mailbox or a name of more leads than this is an office's, or a common one: it says nothing about any two.
SHARED_BY, NAMED_ALIKE = 20, 8

# Each look finds pairs by one index or one pass over the brokerage's names; only the pairs are then compared in full,
# by a probe each: a planner whose figures are old or missing would go through all leads for each pair.
NAME = "translate(lower(btrim({}.name)), 'áéíóúüñ', 'aeiouun') COLLATE \"C\""
# Of a lead that has an address by which another one is known; a probe each, as nobody can know how few they are.
KNOWN_AS = """
    SELECT least(o.lead_id, d.id), greatest(o.lead_id, d.id), false, true
    FROM leads_otheraddress o CROSS JOIN LATERAL (
        SELECT id FROM leads_lead WHERE broker_id = o.broker_id AND deleted_at IS NULL
          AND NOT {column} = '' AND {column} = o.address LIMIT %(shared_by)s) d
    WHERE o.broker_id = %(broker)s AND o.kind = '{column}' AND o.lead_id <> d.id
"""
# What speaks for a pair: the keys of POINTS as conditions over its two leads a and b.
ASKED = {
    "chat_link": "t.by_chat",
    "other_address": "t.by_other",
    "same_email": "a.email <> '' AND a.email = b.email",
    "same_name": f"a.name <> '' AND {NAME.format('a')} = {NAME.format('b')}",
    "same_location": "a.location <> '' AND lower(a.location) = lower(b.location)",
    "fit_together": "(a.phone = '') <> (b.phone = '')",
}
ANSWERS = ", ".join(f"{asked} AS {reason}" for reason, asked in ASKED.items())
WORTH = " + ".join(f"CASE WHEN {reason} THEN {worth} ELSE 0 END" for reason, worth in POINTS.items())
PAIRS = f"""
WITH present AS MATERIALIZED (
    SELECT d.id, d.email COLLATE "C" AS email, {NAME.format("d")} AS name
    FROM leads_lead d WHERE broker_id = %(broker)s AND deleted_at IS NULL
), shared AS (
    SELECT array_agg(id ORDER BY id) AS ids FROM present WHERE email <> ''
    GROUP BY email HAVING count(*) BETWEEN 2 AND %(shared_by)s
    UNION ALL
    SELECT array_agg(id ORDER BY id) FROM present WHERE position(' ' IN name) > 0
    GROUP BY name HAVING count(*) BETWEEN 2 AND %(named_alike)s
), pair AS (
    SELECT a.id AS first, b.id AS second, false AS by_chat, false AS by_other
    FROM shared, unnest(ids) AS a(id), unnest(ids) AS b(id) WHERE a.id < b.id
    UNION ALL
    SELECT least(t.lead_id, d.id), greatest(t.lead_id, d.id), true, false
    FROM leads_task t CROSS JOIN LATERAL (
        SELECT id FROM leads_lead WHERE broker_id = t.broker_id AND deleted_at IS NULL
          AND NOT telegram_chat_id = '' AND telegram_chat_id = substr(t.origin, 15) LIMIT 1) d
    WHERE t.broker_id = %(broker)s AND t.done_at IS NULL AND starts_with(t.origin, 'telegram_link:')
      AND t.lead_id <> d.id
    UNION ALL
    {KNOWN_AS.format(column="phone")}
    UNION ALL
    {KNOWN_AS.format(column="email")}
), told AS (
    SELECT first, second, bool_or(by_chat) AS by_chat, bool_or(by_other) AS by_other
    FROM pair GROUP BY first, second
), compared AS MATERIALIZED (
    SELECT t.first, t.second, {ANSWERS}
    FROM told t
    CROSS JOIN LATERAL (SELECT * FROM leads_lead WHERE id = t.first AND deleted_at IS NULL LIMIT 1) a
    CROSS JOIN LATERAL (SELECT * FROM leads_lead WHERE id = t.second AND deleted_at IS NULL LIMIT 1) b
), weighed AS MATERIALIZED (
    SELECT *, least(100, {WORTH}) AS score FROM compared
)
SELECT first, second, score, {", ".join(POINTS)} FROM weighed w
WHERE score >= %(listed_from)s AND (score, -first, -second) < (%(score)s, -%(first)s, -%(second)s)
  AND NOT EXISTS (SELECT FROM leads_notduplicate n WHERE n.first_id = w.first AND n.second_id = w.second)
ORDER BY score DESC, first, second LIMIT %(limit)s
"""


class After(NamedTuple):
    """The pair after which a page begins."""

    score: int = 101
    first: int = 0
    second: int = 0

    @classmethod
    def parse(cls, text: str) -> "After":
        """Raises ValueError."""
        score, first, second = text.split("-")
        return cls(int(score), int(first), int(second))

    def __str__(self) -> str:
        return f"{self.score}-{self.first}-{self.second}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two leads who may be one; `score` 0–100, `reasons` are keys of REASONS."""

    first: Lead
    second: Lead
    score: int
    reasons: tuple[str, ...]

    @property
    def after(self) -> After:
        return After(self.score, self.first.pk, self.second.pk)

    @property
    def leads(self) -> tuple[Lead, Lead]:
        return self.first, self.second

    @property
    def why(self) -> list[Any]:
        return [REASONS[reason] for reason in self.reasons]


def possible_duplicates(*, broker: Broker, after: After | None = None, limit: int = 50) -> list[Pair]:
    """The likeliest first; two statements."""
    with connection.cursor() as cursor:
        cursor.execute(PAIRS, params_of(broker, after or After(), limit))
        found = cursor.fetchall()
    leads = Lead.objects.select_related("assigned_to").in_bulk({pk for row in found for pk in row[:2]})
    return [
        Pair(
            leads[first],
            leads[second],
            score,
            tuple(reason for reason, holds in zip(POINTS, asked, strict=True) if holds),
        )
        for first, second, score, *asked in found
    ]


def params_of(broker: Broker, after: After, limit: int) -> dict[str, Any]:
    return {
        "broker": broker.pk,
        "shared_by": SHARED_BY,
        "named_alike": NAMED_ALIKE,
        "listed_from": LISTED_FROM,
        "limit": limit,
        **after._asdict(),
    }


@transaction.atomic
def say_not_duplicates(*, one: Lead, other: Lead, now: datetime, by: User | None = None) -> NotDuplicate:
    """A person says that these are two; they are not listed again. Raises Refused `same_lead`, `other_broker`."""
    if one.pk == other.pk:
        raise Refused("same_lead", str(_("This is one lead; choose two.")))
    if one.broker_id != other.broker_id:
        raise Refused("other_broker", str(_("These leads belong to two brokerages.")))
    first, second = _in_order((one, other))
    said, _is_new = NotDuplicate.objects.get_or_create(
        first=first, second=second, defaults={"broker_id": first.broker_id, "by": by, "at": now}
    )
    return said


def may_be_duplicates(*, said: NotDuplicate) -> None:
    """They may be one after all: they are listed again, if they still look so."""
    NotDuplicate.objects.filter(pk=said.pk).delete()


def _in_order(leads: Iterable[Lead]) -> list[Lead]:
    return sorted(leads, key=lambda lead: lead.pk)
