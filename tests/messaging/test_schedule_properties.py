"""For every zone, any window and any moment (failures.md row 21): inside, earliest, monotone, idempotent.

test_schedule_sweep.py looks at the changes of the clocks one by one.
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brokers.rules import ContactWindow
from leads.zones import phone_facts
from messaging.policy import ContactFacts, judge
from messaging.schedule import is_open, next_opening
from tests.messaging.clocks import DAY, FIRST, LAST, SECOND, ZONES, changes, changing, earliest, open_intervals

FORTNIGHT = 15 * DAY
MICROSECOND = timedelta(microseconds=1)
# Where windows like to break: midnight, what a change skips or repeats, the last moments of a day.
EDGES = [
    "00:00",
    "00:00:01",
    "00:01",
    "00:30",
    "01:00",
    "02:00",
    "02:30",
    "03:00",
    "12:00",
    "23:00",
    "23:59",
    "23:59:59",
]
# A number that may lie anywhere in North America, in Russia, in Australia, in Kazakhstan, in Spain.
PHONES = ["+18005550199", "+78005553535", "+61400123456", "+77012345678", "+34612345678"]

# The hours of a window say nothing of which one is meant where one comes twice.
clocks = st.sampled_from([*map(time.fromisoformat, EDGES), time.max]) | st.times().map(lambda one: one.replace(fold=0))
spans = st.tuples(clocks, clocks).map(sorted).filter(lambda pair: pair[0] < pair[1]).map(tuple)
minutes = st.integers(0, 24 * 60 - 2).map(lambda n: (time(n // 60, n % 60), time((n + 1) // 60, (n + 1) % 60)))
hours = st.none() | spans | minutes
windows = (st.lists(hours, min_size=7, max_size=7) | hours.map(lambda day: [day] * 7)).map(
    lambda days: ContactWindow(tuple(days))
)
zones = st.sampled_from(ZONES)
anywhen = st.integers(0, (LAST - FIRST - 2 * FORTNIGHT) // MICROSECOND).map(lambda n: FIRST + n * MICROSECOND)
around = st.integers(-2 * DAY // SECOND, 2 * DAY // SECOND).map(lambda n: n * SECOND)
# Zones, and a moment within two days of a change of one of their clocks.
near_a_change = (
    st.deferred(lambda: st.sampled_from(changing()))
    .flatmap(lambda zone: st.tuples(st.just(zone), st.sampled_from(changes(zone)), around))
    .map(lambda found: ((found[0],), found[1].at + found[2]))
)
single = near_a_change | st.tuples(zones.map(lambda zone: (zone,)), anywhen)
of_a_phone = st.sampled_from(PHONES).map(lambda phone: phone_facts(phone)[1])
several = (
    st.tuples(near_a_change, st.lists(zones, max_size=2)).map(lambda both: ((*both[0][0], *both[1]), both[0][1]))
    | st.tuples(st.lists(zones, min_size=2, max_size=4).map(tuple), anywhen)
    | st.tuples(of_a_phone, anywhen)
)
Where = tuple[tuple[str, ...], datetime]


def test_phones_may_lie_in_several_zones() -> None:
    assert all(len(phone_facts(phone)[1]) > 1 for phone in PHONES)


@given(single, windows)
@settings(max_examples=200, deadline=None)
def test_window_is_open_exactly_within_its_intervals(where: Where, window: ContactWindow) -> None:
    """The two ways of reckoning agree: this one is what the others are measured by."""
    [zone], now = where
    inside = any(True for _interval in open_intervals(window, zone, now, now + MICROSECOND))
    assert is_open(now, window, ZoneInfo(zone)) is inside


@given(single, windows)
@settings(max_examples=500, deadline=None)
def test_opening_in_a_zone_is_the_earliest(where: Where, window: ContactWindow) -> None:
    zone, now = where
    assert next_opening(now, window, zone) == earliest(now, window, zone)


@given(several, windows)
@settings(max_examples=400, deadline=None)
def test_opening_in_several_zones_is_the_earliest_that_all_share(where: Where, window: ContactWindow) -> None:
    zones, now = where
    assert next_opening(now, window, zones) == earliest(now, window, zones)


@given(single | several, windows)
@settings(max_examples=300, deadline=None)
def test_opening_lies_inside_every_window_and_is_its_own_opening(where: Where, window: ContactWindow) -> None:
    zones, now = where
    found = next_opening(now, window, zones)
    assume(found is not None)
    assert found is not None
    assert now <= found <= now + FORTNIGHT
    assert [zone for zone in zones if not is_open(found, window, ZoneInfo(zone))] == []
    assert next_opening(found, window, zones) == found


@given(single | several, windows, st.integers(0, FORTNIGHT // SECOND).map(lambda n: n * SECOND))
@settings(max_examples=300, deadline=None)
def test_opening_is_monotone(where: Where, window: ContactWindow, later: timedelta) -> None:
    """None within a fortnight is later than all of it."""
    zones, now = where
    first, second = (next_opening(moment, window, zones) for moment in (now, now + later))
    assert second is None or (first or now + FORTNIGHT) <= second


@given(single, windows)
@settings(max_examples=200, deadline=None)
def test_window_that_opens_at_all_opens_within_a_fortnight(where: Where, window: ContactWindow) -> None:
    """Even if its only day of the week is the one on which the clock skips it."""
    zone, now = where
    assert (next_opening(now, window, zone) is None) is not window.ever_opens


recent = st.lists(st.integers(0, 8 * DAY // SECOND).map(lambda n: n * SECOND), max_size=8)


def judged(zone: str, window: ContactWindow, sent: list[datetime], now: datetime) -> tuple[str, datetime | None]:
    """What the policy says of a contact that only hours and caps can hold back."""
    counted = [at for at in sent if now - 7 * DAY <= at <= now]
    facts = ContactFacts("telegram", "marketing", "1", "", "", {}, (), zone, "UTC", window, counted, 2, 5)
    verdict = judge(facts, now)
    return verdict.reason, verdict.until


@given(single, windows, recent)
@settings(max_examples=300, deadline=None)
def test_contact_that_waits_for_hours_and_caps_goes_out_when_its_moment_comes(
    where: Where, window: ContactWindow, ago: list[timedelta]
) -> None:
    [zone], now = where
    sent = sorted(now - one for one in ago)
    reason, until = judged(zone, window, sent, now)
    if until is None:
        assert reason == ("" if window.ever_opens else "window_never_opens")
    else:
        assert until > now
        assert is_open(until, window, ZoneInfo(zone))
        assert judged(zone, window, sent, until) == ("", None)


@given(single, windows, recent, st.integers(0, 8 * DAY // SECOND).map(lambda n: n * SECOND))
@settings(max_examples=200, deadline=None)
def test_contact_that_is_asked_about_later_never_goes_out_earlier(
    where: Where, window: ContactWindow, ago: list[timedelta], later: timedelta
) -> None:
    [zone], now = where
    assume(window.ever_opens)
    sent = sorted(now - one for one in ago)
    first, second = (judged(zone, window, sent, moment)[1] or moment for moment in (now, now + later))
    assert first <= second
