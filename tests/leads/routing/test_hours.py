"""Business time: seconds that really go by while they are open, in any zone, over any change of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.rules import WEEKDAYS, ContactWindow
from leads.hours import after_work_of, is_at_work
from tests.leads.routing.offices import work_between

SANTIAGO = "America/Santiago"
OFFICE = ContactWindow.parse({day: ["09:00", "18:00"] for day in ("mon", "tue", "wed", "thu", "fri")})
CLOSED = ContactWindow.parse({})
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def there(text: str, zone: str = SANTIAGO) -> datetime:
    """A moment by the clocks of a place."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


# The 6th of March 2026 is a Friday; in Santiago clocks go back in the night to the 5th of April, a Sunday, and forward
# in the night to the 6th of September, a Sunday.
@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-03-06 10:00", "2026-03-06 10:05", 5 * MINUTE),
        ("2026-03-06 17:58", "2026-03-09 09:03", 5 * MINUTE),
        ("2026-03-06 08:00", "2026-03-06 20:00", 9 * HOUR),
        ("2026-03-07 10:00", "2026-03-08 20:00", timedelta()),
        ("2026-03-06 18:00", "2026-03-09 09:00", timedelta()),
        ("2026-03-02 00:00", "2026-03-16 00:00", 90 * HOUR),
        ("2026-03-06 10:05", "2026-03-06 10:00", timedelta()),
        ("2026-04-03 17:00", "2026-04-06 10:00", 2 * HOUR),
        ("2026-09-04 17:00", "2026-09-07 10:00", 2 * HOUR),
    ],
)
def test_only_time_in_business_hours_counts(since: str, until: str, expected: timedelta) -> None:
    assert work_between(there(since), there(until), OFFICE, SANTIAGO) == expected


@pytest.mark.parametrize(
    ("since", "minutes", "expected"),
    [
        ("2026-03-06 10:00", 5, "2026-03-06 10:05"),
        ("2026-03-06 17:58", 5, "2026-03-09 09:03"),
        ("2026-03-06 17:55", 5, "2026-03-06 18:00"),
        ("2026-03-06 22:00", 5, "2026-03-09 09:05"),
        ("2026-03-07 12:00", 9 * 60 + 1, "2026-03-10 09:01"),
        ("2026-04-04 23:30", 5, "2026-04-06 09:05"),
    ],
)
def test_limit_ends_in_business_hours(since: str, minutes: int, expected: str) -> None:
    assert after_work_of(there(since), minutes * MINUTE, OFFICE, SANTIAGO) == there(expected)


def test_who_never_opens_has_no_limit() -> None:
    assert after_work_of(there("2026-03-06 10:00"), MINUTE, CLOSED, SANTIAGO) is None


def test_public_holidays_are_closed_where_it_is_said() -> None:
    """The 18th and 19th of September are holidays in Chile; in 2026 a Friday and a Saturday."""
    since, until = there("2026-09-17 17:00"), there("2026-09-21 10:00")
    assert work_between(since, until, OFFICE.closed_on_holidays("CL"), SANTIAGO) == 2 * HOUR
    assert work_between(since, until, OFFICE, SANTIAGO) == 11 * HOUR


@pytest.mark.parametrize(
    ("moment", "expected"),
    [("2026-03-06 08:59", False), ("2026-03-06 09:00", True), ("2026-03-06 17:59", True), ("2026-03-06 18:00", False)],
)
def test_work_begins_with_its_first_minute_and_ends_before_its_last(moment: str, expected: bool) -> None:
    assert is_at_work(there(moment), OFFICE, SANTIAGO) is expected


def hours_from(draw: st.DrawFn) -> ContactWindow:
    days = {}
    for day in WEEKDAYS:
        opens, closes = sorted(draw(st.tuples(st.integers(0, 1439), st.integers(0, 1439))))
        if opens < closes and draw(st.booleans()):
            days[day] = [f"{one // 60:02}:{one % 60:02}" for one in (opens, closes)]
    return ContactWindow.parse(days)


HOURS = st.composite(hours_from)()
MOMENTS = st.integers(0, 3 * 365 * 24 * 60).map(lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + minutes * MINUTE)
ZONES = st.sampled_from([SANTIAGO, "America/Sao_Paulo", "Europe/Madrid", "Australia/Lord_Howe", "UTC", "Asia/Beirut"])


@given(MOMENTS, st.integers(1, 3000), HOURS, ZONES)
def test_after_the_limit_exactly_that_much_work_has_gone_by(
    since: datetime, minutes: int, hours: ContactWindow, zone: str
) -> None:
    """failures.md row 21: whatever the clocks do."""
    until = after_work_of(since, minutes * MINUTE, hours, zone)
    if until is None:
        assert work_between(since, since + timedelta(days=55), hours, zone) < minutes * MINUTE
    else:
        assert work_between(since, until, hours, zone) == minutes * MINUTE


@given(MOMENTS, MOMENTS, MOMENTS, HOURS, ZONES)
def test_work_adds_up(one: datetime, two: datetime, three: datetime, hours: ContactWindow, zone: str) -> None:
    one, two, three = sorted((one, two, three))
    parts = work_between(one, two, hours, zone) + work_between(two, three, hours, zone)
    assert parts == work_between(one, three, hours, zone)
