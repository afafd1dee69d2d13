"""What a file says about being contacted: read line by line, weighed against what is known, and recorded once. Pure.

A consent needs its proof, the sentence that was agreed to or where it was given; an opt-out needs none. The newest
decides by the moment that the file states; one without a moment never overrides an opt-out.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from leads.consents import ADDRESS_OF, ANY_CHANNEL, CHANNELS, MARKETING, is_off, opted_out_at

GRANTED, REVOKED = "granted", "revoked"
SOURCE = "import"
KEYS = ("consent", "consent_source", "consent_wording", "consent_at", "consent_channel", "opt_out", "opt_out_at")
# Rules of this batch have no id yet; they come after all that do.
UNBORN = 2**62


class Remark(NamedTuple):
    """Something of a line that was not taken over, and why."""

    key: str
    said: str
    reason: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What one line says: `at` None where it gives no moment; `source` and `wording` are its proof."""

    kind: str
    channel: str = ANY_CHANNEL
    source: str = ""
    wording: str = ""
    at: datetime | None = None


class Person(Protocol):
    """The part of a lead that this looks at."""

    id: int
    phone: str
    email: str
    telegram_chat_id: str


class KnownRule(NamedTuple):
    """A row that is there already; `is_played` on the sandbox only."""

    id: int
    lead_id: int | None
    address: str
    channel: str
    kind: str
    purpose: str
    at: datetime
    wording: str
    said_source: str
    is_played: bool


class NewPermission(NamedTuple):
    """A row to be written; without a lead it stands on the suppression list."""

    lead: Any
    address: str
    line_number: int
    consent: Consent
    at: datetime


def read_consent(known: Mapping[str, Any], said: Collection[str]) -> tuple[Consent | None, list[Remark]]:
    """What the understood cells of a line say together, and what of it cannot be recorded. `said` are the keys of those
    that are filled, understood or not."""
    source, wording = known.get("consent_source", ""), known.get("consent_wording", "")
    channel = known.get("consent_channel", ANY_CHANNEL)
    if known.get("opt_out") == "yes":
        contrary = [Remark("consent", "yes", "contradicts opt_out; the opt-out counts")]
        taken = Consent(REVOKED, channel, source, wording, known.get("opt_out_at"))
        return taken, contrary if known.get("consent") == "yes" else []
    if known.get("consent") == "no":
        return Consent(REVOKED, channel, source, wording, known.get("consent_at")), []
    if known.get("consent") != "yes":
        return None, []
    if unread := [key for key in ("consent_at", "consent_channel") if key in said and key not in known]:
        return None, [Remark("consent", "yes", f"is not recorded: {unread[0]} is not understood")]
    if not source and not wording:
        reason = "is not recorded: a consent needs its proof, consent_wording or consent_source"
        return None, [Remark("consent", "yes", reason)]
    return Consent(GRANTED, channel, source, wording, known.get("consent_at")), []


@dataclass(slots=True)
class Consents:
    """Those of a batch; `written` are the rows to be written, `remarks` by line why others are not."""

    now: datetime
    known: Iterable[KnownRule] = ()
    written: list[NewPermission] = field(default_factory=list)
    remarks: list[tuple[int, Remark]] = field(default_factory=list)
    consents: int = 0
    opt_outs: int = 0
    _of_address: defaultdict[str, dict[int, KnownRule]] = field(default_factory=lambda: defaultdict(dict))
    _of_lead: defaultdict[int, dict[int, KnownRule]] = field(default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        for rule in self.known:
            self._remember(rule)

    def take(self, line: Any, lead: Any) -> bool:
        """Whether what the line says about being contacted is new. Without a lead only an opt-out is kept."""
        said: Consent | None = line.consent
        if said is None or (lead is None and said.kind == GRANTED):
            return False
        at = self._moment(line.line_number, said)
        if at is None:
            return False
        fresh = [address for address in _addresses(line, lead, said.channel) if self._is_new(address, said, at)]
        if said.kind == GRANTED and said.at is None and self._is_taken_back(line, lead, said):
            reason = "is not recorded: the person opted out, and without consent_at nobody knows which came last"
            self.remarks.append((line.line_number, Remark("consent", "yes", reason)))
            return False
        for address in fresh:
            self._write(NewPermission(lead, address, line.line_number, said, at))
        self.consents += bool(fresh) and said.kind == GRANTED
        self.opt_outs += bool(fresh) and said.kind == REVOKED
        return bool(fresh)

    def opted_out_at(self, lead: Person) -> datetime | None:
        return opted_out_at(list(self._about(lead, _of(lead))))

    def is_spoken_of(self, lead: Person) -> bool:
        return any(True for _rule in self._about(lead, _of(lead)))

    def _moment(self, line_number: int, said: Consent) -> datetime | None:
        """When it was said; an opt-out from the future holds from now on, a consent from there is no proof."""
        if said.at is None or said.at <= self.now:
            return said.at or self.now
        if said.kind == REVOKED:
            self.remarks.append((line_number, Remark("opt_out_at", str(said.at), "lies in the future; now is taken")))
            return self.now
        reason = "lies in the future; the consent is not recorded"
        self.remarks.append((line_number, Remark("consent_at", str(said.at), reason)))
        return None

    def _is_new(self, address: str, said: Consent, at: datetime) -> bool:
        """What was recorded from a file before, or holds anyway, is not written again."""
        rules = [rule for rule in self._of_address[address].values() if not rule.is_played]
        if said.at is None and said.kind == REVOKED:
            return not is_off(rules, MARKETING, _channels(said.channel))
        same = [rule for rule in rules if (rule.kind, rule.channel) == (said.kind, said.channel)]
        if said.at is not None:
            return all(rule.at != at for rule in same)
        return all((rule.wording, rule.said_source) != (said.wording, said.source) for rule in same)

    def _is_taken_back(self, line: Any, lead: Any, said: Consent) -> bool:
        about = self._about(lead, _addresses(line, lead, ANY_CHANNEL))
        rules = [rule for rule in about if not rule.is_played]
        return any(is_off(rules, MARKETING, [channel]) for channel in _channels(said.channel))

    def _about(self, lead: Person | None, addresses: Iterable[str]) -> Iterator[KnownRule]:
        found = dict(self._of_lead[lead.id]) if lead is not None and lead.id else {}
        for address in addresses:
            found |= self._of_address.get(address, {})
        return iter(found.values())

    def _write(self, row: NewPermission) -> None:
        self.written.append(row)
        said = row.consent
        number = UNBORN + len(self.written)
        lead_id = row.lead.id if row.lead is not None else None
        proof = (said.wording, said.source, False)
        self._remember(KnownRule(number, lead_id, row.address, said.channel, said.kind, MARKETING, row.at, *proof))

    def _remember(self, rule: KnownRule) -> None:
        self._of_address[rule.address][rule.id] = rule
        if rule.lead_id:
            self._of_lead[rule.lead_id][rule.id] = rule


def _channels(channel: str) -> Iterable[str]:
    return CHANNELS if channel == ANY_CHANNEL else [channel]


def _of(person: Any) -> list[str]:
    return [address for address in (person.phone, person.email, person.telegram_chat_id) if address]


def _addresses(line: Any, lead: Any, channel: str) -> list[str]:
    """Those of the line and of the lead that a rule is about; of one channel that nobody has, all."""
    known = [one for one in (lead, line) if one is not None]
    every = list(dict.fromkeys(address for one in known for address in _of(one)))
    if channel == ANY_CHANNEL:
        return every
    return list(dict.fromkeys(filter(None, (getattr(one, ADDRESS_OF[channel]) for one in known)))) or every
