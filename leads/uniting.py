"""What a lead knows after another one became part of it. Pure: two leads in, the changed columns out.

Nothing is written over: what is empty is filled, tags are united, counts added up, moments the later ones; the stricter
treatment stays. docs/duplicates.md has the table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

ADDRESSES = ("phone", "email", "telegram_chat_id")
# The channels of an address, as `unreachable` names them.
CHANNELS_OF = {"phone": ("whatsapp", "call"), "email": ("email",), "telegram_chat_id": ("telegram",)}
FILLED = (
    "name",
    *ADDRESSES,
    "notes",
    "dicom_status",
    "source",
    "language",
    "timezone",
    "import_batch_id",
)
# A column and what was said of it in words are one fact: known by either, neither is filled.
FACTS = (
    ("budget_amount", "budget"),
    ("income_amount", "monthly_income"),
    ("debt_amount", "debt"),
    ("location", "location"),
)
COUNTED = ("inbound_count", "quick_reply_count", "long_call_count", "booking_count", "call_score")
LATER = (
    "last_contacted_at",
    "last_inbound_at",
    "last_answered_at",
    "last_inquiry_at",
    "last_activity_at",
    "opted_out_at",
)
EARLIER = ("first_touched_at", "next_task_at", "next_appointment_at")
STRICTEST_FIRST = ("hold", "manual_follow_up", "automated_telegram", "automated_call")
MARKED = "possible_duplicates"  # in metadata: what the importer noted, ids of other leads
EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(slots=True)
class United:
    """`values` are the columns that change, `keys` what was added inside the JSON columns, by column."""

    values: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


def unite(into: Any, gone: Any) -> United:
    """What changes of `into`."""
    filled = dict(_filled(into, gone)) | dict(_facts(into, gone))
    said = {**_said(into, gone)}
    values = filled | dict(_counted(into, gone)) | dict(_moments(into, gone))
    treatment = min(into.treatment_type, gone.treatment_type, key=STRICTEST_FIRST.index)
    if treatment != into.treatment_type:
        values["treatment_type"] = treatment
    united = United(values, {"metadata": said}, _new_tags(into, gone))
    named = {*filled, *said}
    united.keys["field_sources"] = {key: gone.field_sources[key] for key in named if key in gone.field_sources}
    united.keys["unreachable"] = _unreachable(filled, gone)
    for column, added in united.keys.items():
        if added:
            values[column] = {**getattr(into, column), **added}
    if united.tags:
        values["tags"] = [*into.tags, *united.tags]
    return united


def lost_addresses(into: Any, gone: Any) -> list[tuple[str, str]]:
    """The addresses of `gone` for which `into` has another one: (column, address)."""
    pairs = [(column, getattr(gone, column)) for column in ADDRESSES]
    return [(column, address) for column, address in pairs if address and getattr(into, column) not in ("", address)]


def _filled(into: Any, gone: Any) -> Iterator[tuple[str, Any]]:
    for column in FILLED:
        value = getattr(gone, column)
        if getattr(into, column) in EMPTY and value not in EMPTY:
            yield column, value


def _facts(into: Any, gone: Any) -> Iterator[tuple[str, Any]]:
    for column, key in FACTS:
        value = getattr(gone, column)
        if not _knows(into, column, key) and value not in EMPTY:
            yield column, value


def _said(into: Any, gone: Any) -> Mapping[str, Any]:
    columns = {key: column for column, key in FACTS}
    return {
        key: said
        for key, said in gone.metadata.items()
        if said not in EMPTY and key != MARKED and not _knows(into, columns.get(key, ""), key)
    }


def _knows(lead: Any, column: str, key: str) -> bool:
    return bool(lead.metadata.get(key)) or (column != "" and getattr(lead, column) not in EMPTY)


def _counted(into: Any, gone: Any) -> Iterator[tuple[str, int]]:
    for column in COUNTED:
        if getattr(gone, column):
            yield column, getattr(into, column) + getattr(gone, column)


def _moments(into: Any, gone: Any) -> Iterator[tuple[str, Any]]:
    for columns, choose in ((LATER, max), (EARLIER, min)):
        for column in columns:
            known = [value for value in (getattr(into, column), getattr(gone, column)) if value is not None]
            if known and choose(known) != getattr(into, column):
                yield column, choose(known)


def _new_tags(into: Any, gone: Any) -> list[str]:
    has = {tag.casefold() for tag in into.tags}
    return [tag for tag in gone.tags if tag.casefold() not in has]


def _unreachable(filled: Mapping[str, Any], gone: Any) -> dict[str, str]:
    """What providers said of the addresses that were taken over."""
    channels = [channel for column in ADDRESSES if column in filled for channel in CHANNELS_OF[column]]
    return {channel: gone.unreachable[channel] for channel in channels if channel in gone.unreachable}
