"""The law of where people are: the table that is shipped, the strictest of several, and what is wrong with a copy."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings, settings
from django.core.exceptions import ImproperlyConfigured

from brokers.rules import ContactWindow
from messaging.jurisdictions import Law, Rulebook, country_of_zone, law_for, rulebook
from messaging.policy import ContactFacts, Permission, Verdict, judge

SHIPPED = Path(settings.BASE_DIR) / "messaging" / "jurisdictions.yaml"
ALWAYS = ContactWindow.parse({day: ["00:00", "23:59:59"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")})
NINE_TO_SIX = ContactWindow.parse(
    {day: ["09:00", "18:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
)
CL, CO, MX, AR, ES = "+56987654321", "+573001234567", "+525512345678", "+5491123456789", "+34612345678"
US_NY, US_FL, GB = "+12125550123", "+13055550123", "+447911123456"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def shipped(settings: LazySettings) -> None:
    settings.JURISDICTIONS_FILE = SHIPPED


def law(phone: str = "", zone: str = "", country: str = "CL", window: ContactWindow = ALWAYS) -> Law:
    return law_for(phone=phone, lead_timezone=zone, broker_country=country, window=window)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def judged(phone: str, now: datetime, *, zone: str = "", country: str = "CL", **changes: Any) -> Verdict:
    found = law(phone, zone, country, changes.pop("window", ALWAYS))
    known: dict[str, Any] = {
        "channel": "telegram",
        "purpose": "marketing",
        "address": "4711",
        "phone": phone,
        "treatment": "automated_call",
        "unreachable": {},
        "permissions": (),
        "lead_timezone": zone,
        "broker_timezone": "America/Santiago",
        "window": found.window,
        "recent": (),
        "cap_24h": 9,
        "cap_7d": 9,
        "contacts_a_day": found.contacts_a_day,
        "one_channel_days": found.one_channel_days,
        "needs_grant": found.needs_grant,
        "places": found.places,
        "rules": found.version,
    }
    return judge(ContactFacts(**known | changes), now)


@pytest.mark.parametrize(
    ("phone", "places"),
    [
        (CL, ("CL",)),
        (CO, ("CO",)),
        (MX, ("MX",)),
        (AR, ("AR",)),
        (ES, ("ES",)),
        (US_NY, ("US",)),
        (US_FL, ("US-FL",)),
        (GB, ("default",)),
    ],
)
def test_number_says_whose_law_binds(phone: str, places: tuple[str, ...]) -> None:
    assert law(phone).places == places


def test_own_zone_binds_too_and_the_brokerages_country_only_where_nothing_else_is_known() -> None:
    assert law(CL, "Europe/Madrid").places == ("CL", "ES")
    assert law("", "America/Bogota").places == ("CO",)
    assert law("", "UTC", country="MX").places == ("MX",)
    assert law("", country="CO").places == ("CO",)


# What is open and what is not, by the recipient's own clock (facts: compliance, the table).
HOURS = [
    (CL, "2026-03-04T11:00", True),  # Wednesday 08:00 in Santiago
    (CL, "2026-03-04T10:59", False),
    (CL, "2026-03-04T22:59", True),
    (CL, "2026-03-04T23:00", False),
    (CL, "2026-03-07T16:59", True),  # Saturday 13:59
    (CL, "2026-03-07T17:00", False),
    (CL, "2026-03-08T15:00", False),  # Sunday
    (CO, "2026-03-04T12:00", True),  # Wednesday 07:00 in Bogotá
    (CO, "2026-03-05T00:00", False),
    (CO, "2026-03-07T20:00", False),  # Saturday 15:00
    (CO, "2026-01-12T15:00", False),  # the Monday on which Epiphany is kept
    (MX, "2026-03-04T14:59", False),  # Wednesday 08:59 in Ciudad de México
    (MX, "2026-03-04T15:00", True),
    (MX, "2026-03-07T21:00", False),  # Saturday 15:00
    (AR, "2026-03-07T15:00", False),  # Saturday
    (US_NY, "2026-03-04T13:00", True),  # Wednesday 08:00 in New York
    (US_NY, "2026-03-05T01:59", True),
    (US_FL, "2026-03-05T00:59", True),  # 19:59 in Miami
    (US_FL, "2026-03-05T01:00", False),
    (GB, "2026-03-04T20:00", False),
    (GB, "2026-03-04T19:59", True),
]


@pytest.mark.parametrize(("phone", "moment", "is_open"), HOURS)
def test_hours_are_those_of_the_place(phone: str, moment: str, is_open: bool) -> None:
    verdict = judged(phone, utc(moment))
    assert (verdict.reason == "", verdict.until is None) == (is_open, is_open)


def test_strictest_hours_win_over_the_brokerages_own() -> None:
    assert judged(CL, utc("2026-03-04T11:00"), window=NINE_TO_SIX).reason == "outside_hours"
    late = judged(CL, utc("2026-03-07T17:00"), window=NINE_TO_SIX)
    assert (late.reason, late.until) == ("outside_hours", utc("2026-03-09T12:00"))


def test_holidays_move_the_opening_to_the_next_working_day() -> None:
    # Maundy Thursday and Good Friday of 2026 in Colombia; Saturday is open.
    assert judged(CO, utc("2026-04-02T15:00")).until == utc("2026-04-04T13:00")


def test_colombia_allows_one_contact_a_day_and_one_channel_a_week() -> None:
    now = utc("2026-03-04T15:00")
    again = judged(CO, now, recent=[now - HOUR], recent_channels=["telegram"])
    assert (again.reason, again.until) == ("frequency_cap", utc("2026-03-05T14:00:01"))
    other = judged(CO, now, recent=[now - 2 * DAY], recent_channels=["email"])
    assert (other.reason, other.until) == ("one_channel_a_week", utc("2026-03-09T15:00:01"))
    assert judged(CO, now, recent=[now - 2 * DAY], recent_channels=["telegram"]).allowed
    assert judged(CL, now, recent=[now - 2 * DAY], recent_channels=["email"]).allowed


def test_florida_allows_three_contacts_a_day() -> None:
    now = utc("2026-03-04T15:00")
    recent = [now - 3 * HOUR, now - 2 * HOUR, now - HOUR]
    assert judged(US_FL, now, recent=recent[:2], recent_channels=["telegram"] * 2).allowed
    assert judged(US_FL, now, recent=recent, recent_channels=["telegram"] * 3).reason == "frequency_cap"
    assert judged(US_NY, now, recent=recent, recent_channels=["telegram"] * 3).allowed


GRANTED = Permission(1, "*", "granted", "marketing", utc("2026-01-01T00:00"))
REVOKED = Permission(2, "*", "revoked", "marketing", utc("2026-02-01T00:00"))


@pytest.mark.parametrize(
    ("phone", "channel", "purpose", "permissions", "reason"),
    [
        (ES, "whatsapp", "marketing", (), "no_consent"),
        (ES, "whatsapp", "marketing", (GRANTED,), ""),
        (ES, "whatsapp", "marketing", (GRANTED, REVOKED), "opted_out"),
        (ES, "whatsapp", "transactional", (), ""),
        (ES, "call", "marketing", (), "no_consent"),
        (US_NY, "call", "marketing", (), "no_consent"),
        (US_NY, "call", "marketing", (GRANTED,), ""),
        (US_NY, "telegram", "marketing", (), ""),
        (CL, "call", "marketing", (), ""),
    ],
)
def test_permission_must_be_given_where_the_law_says_so(
    phone: str, channel: str, purpose: str, permissions: tuple[Permission, ...], reason: str
) -> None:
    now = utc("2026-03-04T15:00")
    address = "4711" if channel == "telegram" else phone
    verdict = judged(phone, now, channel=channel, address=address, purpose=purpose, permissions=permissions)
    assert verdict.reason == reason


def test_every_contact_keeps_the_version_and_the_places_it_was_allowed_by() -> None:
    basis = judged(US_FL, utc("2026-03-04T15:00")).basis()
    assert (basis["rules"], basis["window"]["places"]) == (rulebook().version, ["US-FL"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("version: 1", "jurisdictions"),
        ("version: 1\njurisdictions: {CL: {hours: {mon: null}, source: x}}", "default is missing"),
        ("version: 1\njurisdictions: {default: {source: x}}", "default: hours is missing"),
        ('version: 1\njurisdictions: {default: {hours: {mon: ["9", "08:00"]}, source: x}}', "default: hours: mon"),
        ("version: 1\njurisdictions: {default: {hours: {mon: null}, source: x, caps: 2}}", "unknown key 'caps'"),
        (
            "version: 1\njurisdictions: {default: {hours: {mon: null}, source: x, contacts_a_day: 0}}",
            "contacts_a_day=0 is not allowed",
        ),
        (
            "version: 1\njurisdictions: {default: {hours: {mon: null}, source: x, needs_grant: [mail]}}",
            "needs_grant=['mail'] is not allowed",
        ),
        ("{", "not a table"),
    ],
)
def test_wrong_table_is_refused_by_name(text: str, complaint: str, tmp_path: Path, settings: LazySettings) -> None:
    with pytest.raises(ValueError) as refused:
        Rulebook.parse(text)
    assert complaint in str(refused.value)
    settings.JURISDICTIONS_FILE = tmp_path / "law.yaml"
    settings.JURISDICTIONS_FILE.write_text(text)
    with pytest.raises(ImproperlyConfigured, match="JURISDICTIONS_FILE"):
        rulebook()


def test_zone_that_is_no_place_has_no_country() -> None:
    assert [country_of_zone(zone) for zone in ("America/Santiago", "UTC", "", "Etc/GMT+3")] == ["CL", "", "", ""]
