"""May we contact this lead now? The only way to a provider, for campaigns and people alike.

Pure: facts loaded per batch in, a verdict with every check that was made out. What allowed a contact is kept with it
(`Message.basis`). The rules are explained in docs/contact-rules.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from brokers.rules import ContactWindow
from leads.consents import newest_permission
from leads.zones import phone_facts
from messaging.jurisdictions import AUTOMATED_CALLS
from messaging.schedule import next_opening

DAY, WEEK = timedelta(hours=24), timedelta(days=7)
# How long a contact stands back for those of campaigns that go before it; they are due already.
YIELDS_FOR = timedelta(minutes=10)
# After a lead's last message one may write in one's own words for 24 hours, counted from when WhatsApp got it; the
# last minutes are left alone.
WHATSAPP_WINDOW = DAY - timedelta(minutes=5)
# What a person writes within so long after the lead's last message is an answer.
ANSWER_WITHIN = DAY
TELEGRAM, CALL, EMAIL, WHATSAPP = "telegram", "call", "email", "whatsapp"


@dataclass(frozen=True, slots=True)
class Permission:
    """One ContactPermission: who gave or took back what."""

    id: int
    channel: str
    kind: str
    purpose: str
    at: datetime


# Facts and checks are not frozen: a batch makes thousands of them, and frozen ones take four times as long to make.
@dataclass(slots=True)
class ContactFacts:
    """All that the policy looks at. `recent` are the automatic contacts of the last seven days, oldest first, and
    `recent_channels` what they went over; `reserved` is how many more are due from campaigns that go before this one;
    `window_open` is whether WhatsApp takes one's own words now, `has_provider_template` whether there is an approved
    template in their place; `free_at` is from when on the provider takes another message for this address. `window` and
    what follows `recent_channels` are of the strictest law (see
    messaging.jurisdictions.Law).
    """

    channel: str
    purpose: str
    address: str
    phone: str
    treatment: str
    unreachable: Mapping[str, str]
    permissions: Sequence[Permission]
    lead_timezone: str
    broker_timezone: str
    window: ContactWindow
    recent: Sequence[datetime]
    cap_24h: int
    cap_7d: int
    reserved: int = 0
    window_open: bool = True
    has_provider_template: bool = False
    recent_channels: Sequence[str] = ()
    free_at: datetime | None = None
    contacts_a_day: int | None = None
    one_channel_days: int | None = None
    needs_grant: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    rules: str = ""


@dataclass(slots=True)
class Check:
    """One question that was asked: what, with which values, and whether it let the contact pass."""

    name: str
    passed: bool
    values: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"check": self.name, "passed": self.passed, **self.values}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is '' when the contact is allowed; `until` says when to ask again if only the moment is wrong."""

    checks: tuple[Check, ...]
    reason: str = ""
    until: datetime | None = None
    revoked: bool = False
    rules: str = ""

    @property
    def allowed(self) -> bool:
        return not self.reason

    def basis(self) -> dict[str, Any]:
        """Why it was allowed, for Message.basis."""
        values = {check.name: check.values for check in self.checks}
        return {"rules": self.rules, **values}


def judge(facts: ContactFacts, now: datetime) -> Verdict:
    """Ask every question in turn; the first no ends it. What is for ever comes before what is only for now."""
    checks: list[Check] = []
    for ask in QUESTIONS_OF_WHATSAPP if facts.channel == WHATSAPP else QUESTIONS:
        check, reason = ask(facts)
        checks.append(check)
        if reason:
            return Verdict(tuple(checks), reason, revoked=reason == "opted_out")
    return _timing(facts, now, checks)


def judge_person(facts: ContactFacts, now: datetime, *, said_at: datetime | None = None, override: str = "") -> Verdict:
    """The same for what a person writes; `said_at` is the lead's last message. An answer to it is bound by address and
    opt-out alone. Otherwise `override`, a reason, stands against wrong hours; nothing stands against an opt-out. The
    brokerage's caps are for automatic contacts, those of the law bind people too. `recent` are contacts of every kind.
    """
    is_answer = is_answered_at(said_at, now)
    checks: list[Check] = []
    for check, reason in _asked_of_person(facts, said_at if is_answer else None):
        checks.append(check)
        if reason:
            return Verdict(tuple(checks), reason, revoked=reason == "opted_out")
    reason, until = ("", None) if is_answer else _moment_of_person(facts, now, override, checks)
    if not reason and facts.free_at is not None and facts.free_at > now:
        reason, until = "chat_busy", facts.free_at
    return Verdict(tuple(checks), reason, until, rules=facts.rules)


def is_answered_at(said_at: datetime | None, now: datetime) -> bool:
    """Whether what a person writes now answers what the lead said then."""
    return said_at is not None and now - said_at <= ANSWER_WITHIN


def address_of(lead: Any, channel: str) -> str:
    """Where a lead is reached over a channel; '' when they cannot be."""
    if channel == TELEGRAM:
        return str(lead.telegram_chat_id)
    return str(lead.email if channel == EMAIL else lead.phone)


def zones_of(facts: ContactFacts) -> tuple[str, ...]:
    """The time zones whose wall clocks bind this contact."""
    return binding_zones(facts.lead_timezone, facts.phone, facts.broker_timezone)


def binding_zones(lead_timezone: str, phone: str, broker_timezone: str) -> tuple[str, ...]:
    """The lead's own zone, else the number's, else the broker's.

    A number that may lie in several zones is taken to be in the broker's where that is one of them; otherwise the
    window must be open in all.
    """
    if lead_timezone:
        return (lead_timezone,)
    zones = phone_facts(phone).zones if phone else ()
    return (broker_timezone,) if not zones or broker_timezone in zones else zones


def is_revoked(facts: ContactFacts) -> bool:
    """Whether the lead took the permission for this channel and purpose back."""
    return _permission(facts)[1] == "opted_out"


def _address(facts: ContactFacts) -> tuple[Check, str]:
    code = facts.unreachable.get(facts.channel) or ""
    if not facts.address:
        reason = "no_address"
    elif code:
        reason = "unreachable"
    else:
        reason = "" if _is_valid(facts) else "address_invalid"
    values = {"channel": facts.channel, "address": facts.address}
    return Check("address", not reason, values | ({"code": code} if code else {})), reason


def _is_valid(facts: ContactFacts) -> bool:
    if facts.channel == EMAIL:
        return "@" in facts.address
    if facts.channel == TELEGRAM:
        return facts.address.lstrip("-").isdecimal()
    return phone_facts(facts.address).is_valid


def _permission(facts: ContactFacts) -> tuple[Check, str]:
    rule = newest_permission(facts.permissions, facts.channel, facts.purpose) if facts.permissions else None
    values: dict[str, Any] = {"purpose": facts.purpose}
    if rule:
        values |= {"permission": rule.id, "kind": rule.kind, "channel": rule.channel, "at": rule.at.isoformat()}
    if rule is not None and rule.kind == "revoked":
        return Check("permission", False, values), "opted_out"
    is_needed = (AUTOMATED_CALLS if facts.channel == CALL else facts.purpose) in facts.needs_grant
    is_missing = is_needed and rule is None
    values |= {"needs_grant": True, "places": list(facts.places)} if is_needed else {}
    return Check("permission", not is_missing, values), "no_consent" if is_missing else ""


def _asked_of_person(facts: ContactFacts, answered: datetime | None) -> Iterator[tuple[Check, str]]:
    """What is for ever, in this order; `answered` is the moment of the message that this answers."""
    yield _address(facts)
    yield _permission(facts)
    yield _hold(facts) if answered is None else _opted_out_since(facts, answered)
    if facts.channel == WHATSAPP:
        yield _whatsapp(facts)


def _opted_out_since(facts: ContactFacts, answered: datetime) -> tuple[Check, str]:
    """Who asks for something after they opted out of marketing gets an answer; who opted out with their last message,
    or since, gets none."""
    rule = newest_permission(facts.permissions, facts.channel, "marketing") if facts.permissions else None
    is_meant = rule is not None and rule.kind == "revoked" and rule.at >= answered
    return Check("answer", not is_meant, {"to": answered.isoformat()}), "opted_out" if is_meant else ""


def _hold(facts: ContactFacts) -> tuple[Check, str]:
    is_held = facts.treatment == "hold"
    return Check("treatment", not is_held, {"treatment": facts.treatment}), "hold" if is_held else ""


def _treatment(facts: ContactFacts) -> tuple[Check, str]:
    refused = facts.channel == CALL and facts.treatment != "automated_call"
    return Check("treatment", not refused, {"treatment": facts.treatment}), "treatment" if refused else ""


def _whatsapp(facts: ContactFacts) -> tuple[Check, str]:
    """What WhatsApp itself takes: nothing that advertises to the United States (Twilio's error 63049), and outside of
    a conversation approved templates only (63016)."""
    reason = ""
    if facts.purpose == "marketing" and facts.address.startswith("+1") and phone_facts(facts.address).country == "US":
        reason = "us_marketing"
    elif not facts.window_open and not facts.has_provider_template:
        reason = "needs_template"
    values = {"window_open": facts.window_open, "template": facts.has_provider_template}
    return Check("whatsapp", not reason, values), reason


QUESTIONS = (_address, _permission, _treatment)
QUESTIONS_OF_WHATSAPP = (*QUESTIONS, _whatsapp)


def _timing(facts: ContactFacts, now: datetime, checks: list[Check]) -> Verdict:
    zones = zones_of(facts)
    free_at, cap_reason, cap_values = _caps(facts, now)
    channel_free_at = _channel_free_at(facts, now)
    opens_at = next_opening(now, facts.window, zones)
    reason = "" if opens_at == now else "outside_hours" if opens_at else "window_never_opens"
    values: dict[str, Any] = {"zones": list(zones), "places": list(facts.places)}
    checks.append(Check("window", not reason, values | _at("opens_at", opens_at, now)))
    checks.append(Check("caps", free_at == now, cap_values | _at("free_at", free_at, now)))
    if channel_free_at is not None and channel_free_at > now:
        values = {"channel": facts.channel, "days": facts.one_channel_days}
        checks.append(Check("one_channel", False, values | _at("free_at", channel_free_at, now)))
        if channel_free_at > free_at:
            free_at, cap_reason = channel_free_at, "one_channel_a_week"
    if facts.free_at is not None and facts.free_at > now:
        checks.append(Check("chat", False, _at("free_at", facts.free_at, now)))
        if facts.free_at > free_at:
            free_at, cap_reason = facts.free_at, "chat_busy"
    if free_at > now:
        reason, opens_at = reason or cap_reason, next_opening(free_at, facts.window, zones)
    return Verdict(tuple(checks), reason, opens_at if reason else None, rules=facts.rules)


def _moment_of_person(
    facts: ContactFacts, now: datetime, override: str, checks: list[Check]
) -> tuple[str, datetime | None]:
    """Why now is not the moment for what is no answer, and from when on it would be. ('', None) when it is."""
    zones = zones_of(facts)
    opens_at = next_opening(now, facts.window, zones)
    values: dict[str, Any] = {"zones": list(zones), "places": list(facts.places)}
    checks.append(Check("window", opens_at == now, values | _at("opens_at", opens_at, now)))
    free_at, reason = _allowed_by_law_at(facts, now)
    values = {"24h": {"sent": sum(at >= now - DAY for at in facts.recent), "cap": facts.contacts_a_day}}
    checks.append(Check("law", not reason, values | _at("free_at", free_at, now)))
    if reason:
        return reason, free_at
    if opens_at == now or override:
        return "", None
    return ("outside_hours" if opens_at else "window_never_opens"), opens_at


def _allowed_by_law_at(facts: ContactFacts, now: datetime) -> tuple[datetime, str]:
    """When the law where the lead is allows another contact, and which of its rules does not now."""
    if facts.purpose == "transactional":
        return now, ""
    free_at, reason = now, ""
    inside = [at for at in facts.recent if at >= now - DAY]
    if facts.contacts_a_day and len(inside) >= facts.contacts_a_day:
        free_at, reason = inside[-facts.contacts_a_day] + DAY + timedelta(seconds=1), "frequency_cap"
    channel_free_at = _channel_free_at(facts, now)
    if channel_free_at is not None and channel_free_at > free_at:
        free_at, reason = channel_free_at, "one_channel_a_week"
    return free_at, reason


def _channel_free_at(facts: ContactFacts, now: datetime) -> datetime | None:
    """Where only one channel may be used for some days: when the last contact over another one is long enough ago."""
    if facts.one_channel_days is None or facts.purpose == "transactional":
        return None
    others = [at for at, channel in zip(facts.recent, facts.recent_channels, strict=True) if channel != facts.channel]
    return max(others) + timedelta(days=facts.one_channel_days, seconds=1) if others else None


def _at(key: str, moment: datetime | None, now: datetime) -> dict[str, str]:
    return {key: moment.isoformat()} if moment and moment != now else {}


def _caps(facts: ContactFacts, now: datetime) -> tuple[datetime, str, dict[str, Any]]:
    """When the caps let another contact through, and why not now. No window of 24 h or 7 d, ends included, may hold
    more; the last places in one belong to what goes before this contact."""
    values: dict[str, Any] = {"reserved": facts.reserved} if facts.reserved else {}
    free_at, yields = now, False
    cap_24h = min(facts.cap_24h, facts.contacts_a_day or facts.cap_24h)
    for name, length, limit in (("24h", DAY, cap_24h), ("7d", WEEK, facts.cap_7d)):
        inside = [at for at in facts.recent if at >= now - length]
        values[name] = {"sent": len(inside), "cap": limit}
        if len(inside) >= limit:
            blocking = inside[-limit] if limit else now
            free_at = max(free_at, blocking + length + timedelta(seconds=1))
        yields = yields or len(inside) + facts.reserved >= limit
    if facts.purpose == "transactional" or not yields:
        return now, "", values
    return (free_at, "frequency_cap", values) if free_at > now else (now + YIELDS_FOR, "yields_to_priority", values)
