"""May we contact this lead now? One question after the other, each both ways."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from brokers.rules import ContactWindow, default_contact_window
from leads.consents import newest_permission
from messaging.policy import ContactFacts, Permission, Verdict, address_of, judge, zones_of

# A Wednesday, noon in Santiago.
NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
PHONE = "+56987654321"
HOUR = timedelta(hours=1)


def facts(**changes: Any) -> ContactFacts:
    known: dict[str, Any] = {
        "channel": "whatsapp",
        "purpose": "marketing",
        "address": PHONE,
        "phone": PHONE,
        "treatment": "automated_telegram",
        "unreachable": {},
        "permissions": (),
        "lead_timezone": "",
        "broker_timezone": "America/Santiago",
        "window": ContactWindow.parse(default_contact_window()),
        "recent": (),
        "cap_24h": 2,
        "cap_7d": 5,
        "rules": "2026-11",
    }
    return ContactFacts(**known | changes)


def verdict(**changes: Any) -> Verdict:
    return judge(facts(**changes), NOW)


def rule(number: int = 1, **changes: Any) -> Permission:
    known: dict[str, Any] = {"channel": "*", "kind": "revoked", "purpose": "marketing", "at": NOW - HOUR}
    return Permission(number, **known | changes)


def test_contact_is_allowed_when_nothing_speaks_against_it() -> None:
    assert (verdict().allowed, verdict().reason, verdict().until) == (True, "", None)


def test_contact_is_judged_by_every_question() -> None:
    assert [check.name for check in verdict().checks] == [
        "address",
        "permission",
        "treatment",
        "whatsapp",
        "window",
        "caps",
    ]


@pytest.mark.parametrize(
    ("channel", "address", "reason"),
    [
        ("telegram", "4711", ""),
        ("telegram", "-4711", ""),
        ("telegram", "@ana", "address_invalid"),
        ("telegram", "", "no_address"),
        ("email", "ana@example.com", ""),
        ("email", "ana", "address_invalid"),
        ("email", "", "no_address"),
        ("whatsapp", PHONE, ""),
        ("whatsapp", "+5612", "address_invalid"),
        ("whatsapp", "98765", "address_invalid"),
        ("whatsapp", "", "no_address"),
    ],
)
def test_address_must_be_present_and_valid(channel: str, address: str, reason: str) -> None:
    assert verdict(channel=channel, address=address).reason == reason


def test_address_that_reaches_nobody_is_not_tried_again() -> None:
    assert verdict(unreachable={"whatsapp": "invalid_address"}).reason == "unreachable"
    assert verdict(unreachable={"email": "invalid_address"}).reason == ""


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([rule()], "opted_out"),
        ([rule(kind="granted")], ""),
        ([rule(1), rule(2, kind="granted", at=NOW)], ""),
        ([rule(2, kind="granted", at=NOW), rule(1)], ""),
        ([rule(1, kind="granted"), rule(2, at=NOW)], "opted_out"),
        # At the same moment the later row decides.
        ([rule(2, kind="granted"), rule(1)], ""),
        ([rule(channel="whatsapp")], "opted_out"),
        ([rule(channel="email")], ""),
        ([rule(purpose="all")], "opted_out"),
        ([rule(1, channel="*"), rule(2, channel="whatsapp", kind="granted", at=NOW)], ""),
    ],
)
def test_newest_permission_of_channel_or_every_channel_decides(rules: list[Permission], reason: str) -> None:
    assert verdict(permissions=rules).reason == reason


def test_opt_out_ends_more_than_this_contact() -> None:
    assert verdict(permissions=[rule()]).revoked
    assert not verdict(address="").revoked


@pytest.mark.parametrize(("purpose", "reason"), [("marketing", ""), ("all", "opted_out")])
def test_transactional_message_passes_a_marketing_opt_out(purpose: str, reason: str) -> None:
    assert verdict(purpose="transactional", permissions=[rule(purpose=purpose)]).reason == reason


def test_newest_permission_is_none_where_there_is_none() -> None:
    assert newest_permission([], "email", "marketing") is None


@pytest.mark.parametrize(
    ("channel", "treatment", "reason"),
    [
        ("call", "automated_call", ""),
        ("call", "automated_telegram", "treatment"),
        ("call", "manual_follow_up", "treatment"),
        ("whatsapp", "automated_telegram", ""),
    ],
)
def test_calls_need_the_treatment_that_allows_them(channel: str, treatment: str, reason: str) -> None:
    assert verdict(channel=channel, treatment=treatment).reason == reason


@pytest.mark.parametrize(
    ("channel", "is_open", "is_approved", "reason"),
    [
        ("whatsapp", True, False, ""),
        ("whatsapp", False, True, ""),
        ("whatsapp", False, False, "needs_template"),
        ("call", False, False, ""),
    ],
)
def test_whatsapp_takes_own_words_in_a_conversation_only(
    channel: str, is_open: bool, is_approved: bool, reason: str
) -> None:
    treatment = "automated_call"
    said = verdict(channel=channel, treatment=treatment, window_open=is_open, has_provider_template=is_approved)
    assert (said.reason, said.until) == (reason, None)


@pytest.mark.parametrize(
    ("phone", "purpose", "channel", "reason"),
    [
        ("+12025550123", "marketing", "whatsapp", "us_marketing"),
        ("+12025550123", "transactional", "whatsapp", ""),
        ("+12025550123", "marketing", "call", ""),
        ("+14165550123", "marketing", "whatsapp", ""),  # Toronto
        ("+17875550123", "marketing", "whatsapp", ""),  # San Juan
        (PHONE, "marketing", "whatsapp", ""),
    ],
)
def test_whatsapp_advertises_to_nobody_in_the_united_states(
    phone: str, purpose: str, channel: str, reason: str
) -> None:
    known = {"address": phone, "phone": phone, "channel": channel, "purpose": purpose, "treatment": "automated_call"}
    assert verdict(**known, lead_timezone="America/Santiago").reason == reason


def test_outside_the_window_the_contact_waits_for_its_opening() -> None:
    night = judge(facts(), datetime(2026, 3, 4, 3, tzinfo=UTC))
    assert (night.reason, night.until) == ("outside_hours", datetime(2026, 3, 4, 12, tzinfo=UTC))


@pytest.mark.parametrize("channel", ["whatsapp", "telegram", "email"])
@pytest.mark.parametrize("purpose", ["marketing", "transactional"])
def test_hours_bind_every_channel_and_purpose(channel: str, purpose: str) -> None:
    address = {"whatsapp": PHONE, "telegram": "4711", "email": "ana@example.com"}[channel]
    night = facts(channel=channel, address=address, purpose=purpose)
    assert judge(night, datetime(2026, 3, 4, 3, tzinfo=UTC)).reason == "outside_hours"


def test_window_that_never_opens_is_no_postponement() -> None:
    closed = verdict(window=ContactWindow.parse({}))
    assert (closed.reason, closed.until) == ("window_never_opens", None)


@pytest.mark.parametrize(
    ("lead", "phone", "broker", "zones"),
    [
        ("Asia/Tokyo", PHONE, "America/Bogota", ("Asia/Tokyo",)),
        ("", PHONE, "America/Bogota", ("America/Santiago",)),
        # A Spanish number may be on the Canaries; a brokerage in Madrid takes it to be in Madrid.
        ("", "+34612345678", "America/Bogota", ("Atlantic/Canary", "Europe/Madrid")),
        ("", "+34612345678", "Europe/Madrid", ("Europe/Madrid",)),
        ("", "", "America/Bogota", ("America/Bogota",)),
        ("", "+99999", "America/Bogota", ("America/Bogota",)),
    ],
)
def test_zone_is_the_leads_else_the_numbers_else_the_brokers(
    lead: str, phone: str, broker: str, zones: tuple[str, ...]
) -> None:
    assert zones_of(facts(lead_timezone=lead, phone=phone, broker_timezone=broker)) == zones


def test_window_is_open_where_the_lead_is() -> None:
    # Noon in Santiago is midnight in Tokyo.
    assert verdict(lead_timezone="Asia/Tokyo").until == datetime(2026, 3, 5, 0, tzinfo=UTC)


def test_verdict_keeps_why_it_was_allowed() -> None:
    granted = rule(7, kind="granted")
    basis = verdict(permissions=[granted], recent=[NOW - 30 * HOUR]).basis()
    assert basis["permission"] == {
        "purpose": "marketing",
        "permission": 7,
        "kind": "granted",
        "channel": "*",
        "at": (NOW - HOUR).isoformat(),
    }
    assert basis["caps"] == {"24h": {"sent": 0, "cap": 2}, "7d": {"sent": 1, "cap": 5}}
    assert basis["window"] == {"zones": list(zones_of(facts())), "places": []}
    assert basis["rules"]


@pytest.mark.parametrize(
    ("channel", "address"), [("telegram", "4711"), ("email", "a@x"), ("whatsapp", "+56"), ("call", "+56")]
)
def test_address_of_a_channel_is_the_leads_own(channel: str, address: str) -> None:
    lead = SimpleNamespace(phone="+56", email="a@x", telegram_chat_id=4711)
    assert address_of(lead, channel) == address
