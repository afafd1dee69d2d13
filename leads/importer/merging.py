"""Which lead a line belongs to, and what it changes there. Pure: known rows and lines in, decisions out.

The rules, in this order (docs/domain.md):
- the same phone is the same lead, else the same Telegram chat;
- the same e-mail is the same lead only when one of the two has no phone; when both have one and they differ they are
  two leads, marked as possible duplicates of each other (couples share mailboxes);
- a line fills what is empty and unites tags, it never writes over; every new line is an Inquiry;
- a line that was imported before changes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from brokers.rules import BrokerRules
from leads.importer.consents import Consents, Remark
from leads.importer.rows import ParsedLine
from leads.importer.words import squash
from leads.scoring import ScoreFacts
from leads.standing import Meetings, assess, path_of

Outcome = Literal["created", "updated", "merged", "unchanged"]

POSSIBLE_DUPLICATES = "possible_duplicates"  # in Lead.metadata: the ids of the others
# A mailbox of so many leads is an office's, or a word typed to get past a form: it says nothing about any two.
MAILBOX_LIMIT = 20

_TEXTS = ("name", "phone", "email", "notes", "source", "dicom_status")
# Column and what was said of it are one fact: known by either, neither is filled.
_FACTS = (
    ("budget_amount", "budget"),
    ("income_amount", "monthly_income"),
    ("debt_amount", "debt"),
    ("location", "location"),
)
_FACT_KEYS = frozenset(key for _, key in _FACTS)
_ADDRESSES = ("phone", "email", "telegram_chat_id")
_COPIED = (*_TEXTS, "telegram_chat_id", *(column for column, _ in _FACTS))


# What only this batch needs to know of a lead.
_OF_THE_BATCH = ("score_before", "born_in", "steps", "twins", "others")


@dataclass(slots=True, eq=False)
class KnownLead:
    """A lead as the importer needs it: what it may fill, and what the score is made of."""

    id: int = 0
    name: str = ""
    phone: str = ""
    email: str = ""
    telegram_chat_id: str = ""
    status: str = ""
    lead_score: int = 0
    score_components: dict[str, int] = field(default_factory=dict)
    pipeline_stage: str = ""
    notes: str = ""
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    budget_amount: Decimal | None = None
    income_amount: Decimal | None = None
    debt_amount: Decimal | None = None
    dicom_status: str = ""
    location: str = ""
    field_sources: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    qualification: str = ""
    treatment_type: str = ""
    inbound_count: int = 0
    quick_reply_count: int = 0
    long_call_count: int = 0
    booking_count: int = 0
    call_score: int = 0
    opted_out_at: datetime | None = None
    unreachable: dict[str, str] = field(default_factory=dict)
    last_activity_at: datetime | None = None
    last_inquiry_at: datetime | None = None
    import_batch_id: int | None = None
    created_at: datetime | None = None
    score_before: int | None = None
    born_in: str = ""
    steps: Sequence[tuple[str, str, str]] = ()
    twins: "list[KnownLead]" = field(default_factory=list)
    # Addresses by (column, address) that came by a merge, of those that the lines of this batch name.
    others: list[tuple[str, str]] = field(default_factory=list)


# The columns of Lead that are loaded into a KnownLead, by the same names.
LOADED = tuple(name for name in KnownLead.__slots__ if name not in _OF_THE_BATCH)


class KnownInquiry(NamedTuple):
    """An inquiry that came under an id of its source; `lead` is None when that lead has been deleted."""

    digest: str
    lead: KnownLead | None
    addresses: frozenset[str]

    def is_about(self, line: ParsedLine) -> bool:
        """Not so when two spreadsheets number their lines from 1."""
        return not self.addresses.isdisjoint(_addresses_of(line))


def _addresses_of(line: ParsedLine) -> frozenset[str]:
    return frozenset({line.phone, line.email, line.telegram_chat_id} - {""})


class NewInquiry(NamedTuple):
    lead: KnownLead
    line: ParsedLine
    external_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is the same for every line of a batch. `by` is noted beside each field that was filled.

    `is_history`: the file's stages and dates are honoured.
    """

    now: datetime
    batch_id: int
    by: str
    is_history: bool
    rules: BrokerRules


class Merger:
    """Takes the lines of one batch, in order; afterwards `born`, `changed` and `inquiries` are to be written."""

    def __init__(
        self,
        circumstances: Circumstances,
        *,
        leads: Iterable[KnownLead] = (),
        external: Mapping[tuple[str, str], KnownInquiry] | None = None,
        digests: Iterable[str] = (),
        consents: Consents | None = None,
    ) -> None:
        self.circumstances = circumstances
        self.consents = consents or Consents(circumstances.now)
        self.born: list[KnownLead] = []
        self.inquiries: list[NewInquiry] = []
        self.remarks: list[tuple[int, Remark]] = []
        self.duplicates = 0
        self._changed: dict[KnownLead, None] = {}
        self._external = dict(external or {})
        self._digests = set(digests)
        self._by_phone: dict[str, KnownLead] = {}
        self._by_chat: dict[str, KnownLead] = {}
        self._by_email: defaultdict[str, list[KnownLead]] = defaultdict(list)
        known = list(leads)
        for lead in known:
            self._remember(lead, _ADDRESSES)
        for lead in known:
            self._remember_others(lead)

    @property
    def changed(self) -> list[KnownLead]:
        """Leads known before this batch, each once."""
        return list(self._changed)

    def take(self, line: ParsedLine) -> Outcome:
        earlier = self._external.get((line.source, line.external_id)) if line.external_id else None
        if earlier and earlier.is_about(line):
            return self._take_again(line, earlier)
        external_id = "" if earlier else line.external_id
        if not external_id and line.content_hash in self._digests:
            return "unchanged"
        lead = self._find(line)
        outcome: Outcome = "created"
        if lead is None:
            lead = self._bear(line)
        else:
            is_ours = lead.import_batch_id == self.circumstances.batch_id
            outcome = "merged" if is_ours else "updated"
            self._fill(lead, line)
        self._ask(lead, line, external_id)
        self.consents.take(line, lead)
        return outcome

    def finish(self) -> None:
        """Scores, and the marks of possible duplicates; call it when every id is known."""
        for lead in (*self.born, *self._changed):
            if self.consents.is_spoken_of(lead):
                lead.opted_out_at = self.consents.opted_out_at(lead)
            if lead.twins:
                marked = {*lead.metadata.get(POSSIBLE_DUPLICATES, ()), *(twin.id for twin in lead.twins)}
                lead.metadata[POSSIBLE_DUPLICATES] = sorted(marked)
            self._score(lead)

    def _take_again(self, line: ParsedLine, earlier: KnownInquiry) -> Outcome:
        """The same record of the same source. When it says more than before, that is no new inquiry."""
        if earlier.digest == line.content_hash:
            return "unchanged"
        lead = earlier.lead
        has_more = lead is not None and self._fill(lead, line)
        has_said = self.consents.take(line, lead)
        if lead is not None and has_said:
            lead.last_activity_at = self.circumstances.now
            self._touch(lead)
        return "updated" if has_more or has_said else "unchanged"

    def _find(self, line: ParsedLine) -> KnownLead | None:
        by_number = self._by_phone.get(line.phone) or self._by_chat.get(line.telegram_chat_id)
        if by_number or not line.email:
            return by_number
        same = [lead for lead in self._by_email.get(line.email, ()) if not (lead.phone and line.phone)]
        return min(same, key=lambda lead: (squash(lead.name) != squash(line.name), lead.phone != ""), default=None)

    def _bear(self, line: ParsedLine) -> KnownLead:
        lead = KnownLead(
            **{name: getattr(line, name) for name in _COPIED},
            tags=list(line.tags),
            metadata=dict(line.metadata),
            field_sources=self._sources(_said_by(line)),
            pipeline_stage=(self.circumstances.is_history and line.stage) or "entrada",
            created_at=self._at(line),
            last_activity_at=self.circumstances.now,
            import_batch_id=self.circumstances.batch_id,
        )
        self.born.append(lead)
        self._remember(lead, _ADDRESSES)
        self._mark_twins(lead)
        return lead

    def _sources(self, filled: Iterable[str]) -> dict[str, Any]:
        stamp = {"by": self.circumstances.by, "at": self.circumstances.now.isoformat()}
        return dict.fromkeys(filled, stamp)

    def _ask(self, lead: KnownLead, line: ParsedLine, external_id: str) -> None:
        at = self._at(line)
        self.inquiries.append(NewInquiry(lead, line, external_id, at))
        if lead.last_activity_at is None or at > lead.last_activity_at:
            lead.last_activity_at = at
            self._touch(lead)
        if lead.last_inquiry_at is None or at > lead.last_inquiry_at:
            lead.last_inquiry_at = at
            self._touch(lead)
        if external_id:
            known = KnownInquiry(line.content_hash, lead, _addresses_of(line))
            self._external[line.source, external_id] = known
        else:
            self._digests.add(line.content_hash)

    def _at(self, line: ParsedLine) -> datetime:
        """When they asked: what the file says counts only in a history, and never lies ahead."""
        now, said = self.circumstances.now, line.created_at
        return min(said, now) if said and self.circumstances.is_history else now

    def _fill(self, lead: KnownLead, line: ParsedLine) -> bool:
        """Whether anything was empty, or untagged, that the line knows."""
        filled = [*self._fill_texts(lead, line), *_fill_said(lead, line)]
        has_new_tags = _unite_tags(lead, line.tags)
        lead.field_sources |= self._sources(filled)
        self._remember(lead, filled)
        if "email" in filled or "phone" in filled:
            self._mark_twins(lead)
        self._remark(lead, line)
        if filled or has_new_tags:
            self._touch(lead)
        return bool(filled or has_new_tags)

    def _touch(self, lead: KnownLead) -> None:
        if lead.id:  # else it is among the born
            self._changed[lead] = None

    def _fill_texts(self, lead: KnownLead, line: ParsedLine) -> Iterator[str]:
        for name in _TEXTS:
            value = getattr(line, name)
            if value and not getattr(lead, name):
                setattr(lead, name, value)
                yield name
        chat = line.telegram_chat_id
        if chat and not lead.telegram_chat_id and chat not in self._by_chat:
            lead.telegram_chat_id = chat
            yield "telegram_chat_id"

    def _remember(self, lead: KnownLead, filled: Iterable[str]) -> None:
        """By the addresses that it has, or has just got."""
        if "phone" in filled and lead.phone:
            self._by_phone[lead.phone] = lead
        if "telegram_chat_id" in filled and lead.telegram_chat_id:
            self._by_chat[lead.telegram_chat_id] = lead
        if "email" in filled and lead.email and len(self._by_email[lead.email]) < MAILBOX_LIMIT:
            self._by_email[lead.email].append(lead)

    def _remember_others(self, lead: KnownLead) -> None:
        """By the addresses that came by a merge, where nobody has them in their own columns."""
        for column, address in lead.others:
            if column == "phone":
                self._by_phone.setdefault(address, lead)
            elif column == "telegram_chat_id":
                self._by_chat.setdefault(address, lead)
            elif lead not in self._by_email[address]:
                self._by_email[address].append(lead)

    def _mark_twins(self, lead: KnownLead) -> None:
        """Every other lead with the same mailbox, in both directions."""
        sharing = self._by_email.get(lead.email, ())
        if len(sharing) >= MAILBOX_LIMIT:
            return
        fresh = [other for other in sharing if other is not lead and not _are_marked(lead, other)]
        for other in fresh:
            for one, twin in ((lead, other), (other, lead)):
                one.twins.append(twin)
                self._touch(one)
        self.duplicates += bool(fresh)

    def _remark(self, lead: KnownLead, line: ParsedLine) -> None:
        for name, same in (("name", squash), ("phone", str), ("email", str)):
            said = getattr(line, name)
            if said and same(said) != same(getattr(lead, name)):
                remark = Remark(name, said, f"is another {name} than the lead's, which stays as it is")
                self.remarks.append((line.line_number, remark))

    def _score(self, lead: KnownLead) -> None:
        """Score, status, qualification and the stages that it reaches by them; in a history it stays where it was."""
        is_known, born_in = bool(lead.status), lead.pipeline_stage
        may_move = not self.circumstances.is_history and lead.treatment_type != "hold"
        outcome = assess(
            ScoreFacts.of(lead),
            self.circumstances.rules,
            self.circumstances.now,
            meetings=Meetings(),
            advances=may_move,
        )
        lead.score_before = lead.lead_score if is_known else None
        lead.lead_score, lead.score_components = outcome.score, outcome.components
        lead.status, lead.qualification = outcome.status, outcome.qualification
        lead.steps = path_of(outcome, born_in)
        lead.born_in, lead.pipeline_stage = born_in, outcome.stage


def _said_by(line: ParsedLine) -> Iterator[str]:
    yield from (name for name in _COPIED if getattr(line, name) not in (None, ""))
    yield from (key for key in line.metadata if key not in _FACT_KEYS)


def _fill_said(lead: KnownLead, line: ParsedLine) -> Iterator[str]:
    for column, key in _FACTS:
        value, said = getattr(line, column), line.metadata.get(key)
        if (value in (None, "") and not said) or getattr(lead, column) not in (None, "") or lead.metadata.get(key):
            continue
        setattr(lead, column, value)
        if said:
            lead.metadata[key] = said
        yield column
    for key, said in line.metadata.items():
        if key not in _FACT_KEYS and not lead.metadata.get(key):
            lead.metadata[key] = said
            yield key


def _unite_tags(lead: KnownLead, tags: Iterable[str]) -> bool:
    has = {tag.casefold() for tag in lead.tags}
    new = [tag for tag in tags if tag.casefold() not in has]
    lead.tags = [*lead.tags, *new]
    return bool(new)


def _are_marked(lead: KnownLead, other: KnownLead) -> bool:
    return other in lead.twins or bool(other.id and other.id in lead.metadata.get(POSSIBLE_DUPLICATES, ()))
