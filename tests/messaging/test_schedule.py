"""Contact windows on single days; test_schedule_properties.py looks at all zones."""

from datetime import UTC, datetime, time

import pytest

from brokers.rules import ContactWindow, default_contact_window
from messaging.schedule import next_opening

SANTIAGO = ("America/Santiago",)
USUAL = ContactWindow.parse(default_contact_window())
NIGHT = ContactWindow(((time(0, 30), time(6)),) * 7)


def opening(local: str, window: ContactWindow = USUAL, zones: tuple[str, ...] = SANTIAGO) -> str:
    """Both moments as UTC, by the minute."""
    found = next_opening(datetime.fromisoformat(local).replace(tzinfo=UTC), window, zones)
    return found.isoformat(timespec="minutes")[:16] if found else "never"


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-03-04T12:00", "2026-03-04T12:00"),
        ("2026-03-04T11:59", "2026-03-04T12:00"),
        ("2026-03-04T22:59", "2026-03-04T22:59"),
        ("2026-03-04T23:00", "2026-03-05T12:00"),
        ("2026-03-05T02:00", "2026-03-05T12:00"),
        # Saturday evening, Sunday: Monday morning.
        ("2026-03-07T23:00", "2026-03-09T12:00"),
        ("2026-03-08T15:00", "2026-03-09T12:00"),
    ],
)
def test_opening_is_now_or_the_next_morning(now: str, opens: str) -> None:
    assert opening(now) == opens


def test_opening_keeps_the_microseconds_of_an_open_moment() -> None:
    now = datetime(2026, 3, 4, 15, 0, 0, 123456, tzinfo=UTC)
    assert next_opening(now, USUAL, SANTIAGO) == now


def test_opening_follows_the_wall_clock_over_the_end_of_summer_time() -> None:
    # Chile goes from UTC-3 to UTC-4 on Sunday 5 April 2026 at 00:00.
    assert opening("2026-04-04T23:30") == "2026-04-06T13:00"


def test_opening_in_a_gap_is_the_moment_the_clock_jumps() -> None:
    # Berlin jumps from 02:00 to 03:00 on 29 March 2026; 02:30 does not exist.
    window = ContactWindow(((time(2, 30), time(6)),) * 7)
    assert opening("2026-03-29T00:45", window, ("Europe/Berlin",)) == "2026-03-29T01:00"


def test_opening_in_a_gap_at_midnight_is_the_moment_the_clock_jumps() -> None:
    # Santiago jumps from Saturday 24:00 to Sunday 01:00 on 6 September 2026; Saturday is closed, 00:30 is not there.
    window = ContactWindow((None,) * 6 + ((time(0, 30), time(6)),))
    assert opening("2026-09-05T12:00", window) == "2026-09-06T04:00"


def test_opening_in_a_repeated_hour_comes_twice() -> None:
    # Berlin repeats 02:00–03:00 on 25 October 2026; open 02:00–02:30 twice.
    window = ContactWindow(((time(2), time(2, 30)),) * 7)
    assert opening("2026-10-25T00:40", window, ("Europe/Berlin",)) == "2026-10-25T01:00"


def test_opening_on_the_day_of_a_change_comes_before_it_however_early_one_asks() -> None:
    """failures.md row 21: Casablanca jumps at 02:00 on Sunday 14 April 2024, the only open day, open from midnight."""
    window = ContactWindow((None,) * 6 + ((time(0), time(12)),))
    for day in (11, 12, 13):
        assert opening(f"2024-04-{day}T12:00", window, ("Africa/Casablanca",)) == "2024-04-14T00:00"


def test_opening_in_several_zones_is_open_in_all() -> None:
    zones = ("America/New_York", "America/Los_Angeles")
    # 09:00 on the west coast is noon in the east; both are in winter time.
    assert opening("2026-03-04T14:30", zones=zones) == "2026-03-04T17:00"
    # 20:00 in the east is 17:00 in the west: the next time both are open is the next morning in the west.
    assert opening("2026-03-05T01:00", zones=zones) == "2026-03-05T17:00"


def test_opening_never_comes_where_zones_share_no_hour() -> None:
    window = ContactWindow(((time(9), time(10)),) * 7)
    assert opening("2026-03-04T12:00", window, ("America/Santiago", "Asia/Tokyo")) == "never"


def test_opening_never_comes_in_a_window_that_never_opens() -> None:
    assert opening("2026-03-04T12:00", ContactWindow((None,) * 7)) == "never"


def test_opening_is_any_moment_where_no_zone_binds() -> None:
    assert opening("2026-03-08T03:00", NIGHT, ()) == "2026-03-08T03:00"
