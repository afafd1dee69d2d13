"""One record → a lead's values, or the reason why it is none."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from leads.importer import dates, money, phones, values
from leads.importer.consents import Consent, Remark, read_consent
from leads.importer.headers import ALIASES, Columns
from leads.importer.values import Invalid
from leads.importer.words import TOTALS, squash

# What the lead said, kept word by word in its metadata, whatever columns are made of it.
SAID_KEYS = (
    "location", "budget", "monthly_income", "debt", "timeline", "property_type", "bedrooms", "purpose",
    "job_type", "mortgage_preapproval", "funding_source",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """What of a broker the reading of a file depends on. `custom_fields` is key → label; `uf_rate` is one UF
    in the broker's currency, None as long as the broker has set none."""

    country: str = "CL"
    currency: str = "CLP"
    timezone: str = "America/Santiago"
    uf_rate: Decimal | None = None
    custom_fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """A line with at least one address. Empty text is '', an unknown amount or date None; dates are UTC.

    `metadata` is what was said, in words; `raw` the whole line as {column: cell}, without its empty cells;
    `content_hash` the SHA-256 (hex) of the normalised line: the same in another encoding, with another
    delimiter, column order or way of writing phones, money and dates.
    """

    line_number: int
    phone: str
    email: str
    telegram_chat_id: str
    name: str
    tags: tuple[str, ...]
    notes: str
    text: str
    location: str
    budget_amount: Decimal | None
    income_amount: Decimal | None
    debt_amount: Decimal | None
    dicom_status: str
    source: str
    stage: str
    external_id: str
    property_ref: str
    created_at: datetime | None
    metadata: dict[str, str]
    raw: dict[str, str]
    content_hash: str
    remarks: tuple[Remark, ...]
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """`raw` is the line's cells as they came, which may be more or fewer than the header's."""

    line_number: int
    reason: str
    raw: tuple[str, ...]


# Several columns of one of these keys are one text; of the others the first valid one counts.
_JOINED = {"tags": ",", "notes": "\n", "text": "\n", "last_name": " "}
_ADDRESSES = ("phone", "email", "telegram_chat_id")

# The columns' lengths. What is longer was a paragraph in the wrong column; `raw` has all of it.
_LONGEST_TEXT = 200
_LONGEST_SOURCE = 100


class LineParser:
    """Reads the records of one file. `month_first`: 03/04/2025 is the 4th of March."""

    def __init__(self, columns: Columns, rules: Rules, *, month_first: bool = False) -> None:
        self._header = columns.header
        self._width = len(columns.header)
        found = [(key, columns.of[key]) for key in {**ALIASES, **rules.custom_fields} if key in columns.of]
        self._single = [(key, indexes[0]) for key, indexes in found if len(indexes) == 1]
        self._several = [(key, indexes) for key, indexes in found if len(indexes) > 1]
        self._unmapped = [(f"~{squash(self._header[i])}", i) for i in columns.unmapped]
        self._kept = (*SAID_KEYS, *rules.custom_fields)
        self._readers = _readers(rules, month_first)
        self._source = columns.source

    def parse(self, line_number: int, record: Sequence[str]) -> ParsedLine | RefusedLine | None:
        """None for a line without a single filled cell."""
        cells = [values.text(cell) if cell else "" for cell in record]
        if not any(cells):
            return None
        remarks: list[Remark] = []
        if len(cells) != self._width:
            if any(cells[self._width :]):
                return RefusedLine(line_number, self._too_many(record), tuple(record))
            cells = self._filled_up(cells, remarks)
        said = self._said(cells)
        known = self._known(said, remarks)
        if not any(map(known.get, _ADDRESSES)):
            return RefusedLine(line_number, self._why_not(record, remarks), tuple(record))
        return self._line(line_number, record, cells, said, known, remarks)

    def _filled_up(self, cells: list[str], remarks: list[Remark]) -> list[str]:
        """Excel leaves out the separators behind the last filled column of a block of lines, so a line that
        is short at its end is whole; what it lacks was empty."""
        if missing := self._width - len(cells):
            if missing > 0:
                count = f"{len(cells)} of {self._width} columns"
                remarks.append(Remark("columns", count, "the missing ones at the end are taken as empty"))
            cells = cells[: self._width] + [""] * missing
        return cells

    def _said(self, cells: list[str]) -> dict[str, list[str]]:
        """The filled cells of each key, in the order of preference."""
        said = {key: [cells[i]] for key, i in self._single if cells[i]}
        for key, indexes in self._several:
            if found := [cells[i] for i in indexes if cells[i]]:
                glue = _JOINED.get(key)
                said[key] = found if glue is None else [glue.join(dict.fromkeys(found))]
        if in_uf := said.pop("budget_uf", None):
            said["budget"] = [cell if "uf" in cell.casefold() else f"{cell} UF" for cell in in_uf]
        return said

    def _known(self, said: dict[str, list[str]], remarks: list[Remark]) -> dict[str, Any]:
        """What was understood; what was not is remarked upon, once a key."""
        known: dict[str, Any] = {}
        for key, cells in said.items():
            read = self._readers.get(key, str)
            try:
                known[key] = read(cells[0]) if len(cells) == 1 else _first_valid(read, cells)
            except Invalid as invalid:
                remarks.append(Remark(key, cells[0], str(invalid)))
        known["name"] = _whole_name(known)
        return known

    def _metadata(self, said: dict[str, list[str]], known: dict[str, Any]) -> dict[str, str]:
        metadata = {key: values.one_line(said[key][0]) for key in self._kept if key in said}
        if "purpose" in known:
            metadata["purpose"] = known["purpose"]
        if "dicom_status" in said and "dicom_status" not in known:
            metadata["dicom_status"] = values.one_line(said["dicom_status"][0])
        return metadata

    def _content_hash(self, cells: list[str], said: dict[str, list[str]], known: dict[str, Any]) -> str:
        parts = [f"{key}={known.get(key) or ' / '.join(found)}" for key, found in said.items()]
        parts += [f"{label}={values.one_line(cells[i])}" for label, i in self._unmapped if cells[i]]
        return hashlib.sha256("\x1f".join(sorted(parts)).encode("utf-8", "replace")).hexdigest()

    def _line(
        self, number: int, record: Sequence[str], cells: list[str], said: dict[str, list[str]],
        known: dict[str, Any], remarks: list[Remark],
    ) -> ParsedLine:  # fmt: skip
        metadata, notes = self._metadata(said, known), known.get("notes", "")
        consent, unproven = read_consent(known, said)
        return ParsedLine(
            line_number=number,
            phone=known.get("phone", ""),
            email=known.get("email", ""),
            telegram_chat_id=known.get("telegram_chat_id", ""),
            name=known["name"][:_LONGEST_TEXT],
            tags=known.get("tags", ()),
            notes=notes,
            text=known.get("text", "") or notes,
            location=metadata.get("location", "")[:_LONGEST_TEXT],
            budget_amount=known.get("budget") or None,
            income_amount=known.get("monthly_income") or None,
            debt_amount=known.get("debt"),
            dicom_status=known.get("dicom_status", ""),
            source=known.get("source", "")[:_LONGEST_SOURCE] or self._source,
            stage=known.get("stage", ""),
            external_id=known.get("external_id", "")[:_LONGEST_TEXT],
            property_ref=known.get("property_ref", "")[:_LONGEST_TEXT],
            created_at=known.get("created_at"),
            metadata=metadata,
            raw={column: cell for column, cell in zip(self._header, record, strict=False) if cell},
            content_hash=self._content_hash(cells, said, known),
            remarks=(*remarks, *unproven),
            consent=consent,
        )

    def _too_many(self, record: Sequence[str]) -> str:
        hint = " or a quote is never closed" if any('"' in cell for cell in record) else ""
        return (
            f"{len(record)} columns where the header has {self._width}: "
            f"a cell with the separator in it is not in quotes{hint}"
        )

    def _why_not(self, record: Sequence[str], remarks: list[Remark]) -> str:
        first = next(cell for cell in record if values.text(cell))
        if squash(first).startswith(TOTALS):
            return "a line of totals, not a lead"
        if values.text(first) == self._header[0]:
            return "the header line once more"
        bad = [f"{remark.key} {remark.said[:80]!r} {remark.reason}" for remark in remarks if remark.key in _ADDRESSES]
        found = "; ".join(bad) or "phone and email are empty"
        short = f" ({len(record)} columns where the header has {self._width})" if len(record) < self._width else ""
        return f"{found}{short}. A lead needs a valid phone, an e-mail address or a Telegram chat id"


def _readers(rules: Rules, month_first: bool) -> dict[str, Callable[[str], Any]]:
    """key → what makes a value of its cell. Keys without a reader stay as they were said."""
    in_currency = partial(money.amount, currency=rules.currency, uf_rate=rules.uf_rate)
    return {
        "phone": partial(phones.e164, country=rules.country),
        "email": values.email,
        "telegram_chat_id": values.telegram_chat_id,
        "name": values.name,
        "first_name": values.name,
        "last_name": values.name,
        "tags": values.tags,
        "budget": in_currency,
        "monthly_income": in_currency,
        "debt": partial(money.owed, currency=rules.currency, uf_rate=rules.uf_rate),
        "dicom_status": values.dicom_status,
        "purpose": values.purpose,
        "source": values.source,
        "stage": values.stage,
        "external_id": values.one_line,
        "property_ref": values.one_line,
        "consent": values.yes_or_no,
        "consent_source": values.one_line,
        "consent_wording": values.one_line,
        "consent_channel": values.channel,
        "opt_out": values.yes_or_no,
        **dict.fromkeys(
            ("created_at", "consent_at", "opt_out_at"),
            partial(dates.moment, timezone=rules.timezone, month_first=month_first),
        ),
    }


def _first_valid(read: Callable[[str], Any], cells: list[str]) -> Any:
    """Of several columns. Raises Invalid as the first does, when none is valid."""
    for cell in cells:
        with suppress(Invalid):
            return read(cell)
    return read(cells[0])


def _whole_name(known: dict[str, Any]) -> str:
    """'Nombre' is the whole name in one export and half of it in the next; the surname is not said twice."""
    name, last = known.get("name") or known.get("first_name", ""), known.get("last_name", "")
    if last and squash(last) not in squash(name):
        name = f"{name} {last}".strip()
    return str(name)
