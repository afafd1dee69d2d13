"""Free slots, across zones and their changes of the clock."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.slots import Hours, Slot, slots_of

ZONES = (
    "America/Santiago",
    "America/Bogota",
    "America/Mexico_City",
    "Europe/Madrid",
    "America/New_York",
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",
)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NINE_TO_TWELVE = {day: [(time(9), time(12))] for day in range(7)}
HOURLY = {"slot": HOUR, "buffer": timedelta(), "notice": timedelta()}


def found(hours: Hours, zone: str, day: date, **fields: object) -> list[Slot]:
    """Of one local day, seen from the day before."""
    start = datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
    values = {"busy": (), "start": start, "end": start + timedelta(hours=23), "now": start - timedelta(days=1)}
    return list(slots_of(hours, zone=ZoneInfo(zone), **values | fields))  # type: ignore[arg-type]


def clocks(slots: list[Slot], zone: str) -> list[str]:
    return [f"{slot.starts_at.astimezone(ZoneInfo(zone)):%H:%M}" for slot in slots]


# Days of 2026 on which the clock changes there, and one on which it does not.
@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        ("America/Santiago", date(2026, 4, 4), 12),
        ("America/Santiago", date(2026, 4, 5), 13),
        ("America/Santiago", date(2026, 9, 5), 13),
        ("America/Santiago", date(2026, 9, 6), 12),
        ("America/Bogota", date(2026, 4, 5), 14),
        ("America/Mexico_City", date(2026, 4, 5), 15),
        ("Europe/Madrid", date(2026, 3, 28), 8),
        ("Europe/Madrid", date(2026, 3, 29), 7),
        ("Europe/Madrid", date(2026, 10, 25), 8),
        ("America/New_York", date(2026, 3, 7), 14),
        ("America/New_York", date(2026, 3, 8), 13),
        ("America/New_York", date(2026, 11, 1), 14),
    ],
)
def test_morning_stays_a_morning_across_changes_of_the_clock(zone: str, day: date, first: int) -> None:
    """failures.md row 21; `first` is the hour in UTC at which it is nine there."""
    slots = found(Hours(NINE_TO_TWELVE, **HOURLY), zone, day)
    assert clocks(slots, zone) == ["09:00", "10:00", "11:00"]
    assert slots[0].starts_at == datetime.combine(day, time(first), UTC)


@pytest.mark.parametrize(
    ("day", "labels"),
    [
        (date(2026, 3, 29), ["01:00", "03:00", "04:00"]),  # two o'clock does not exist
        (date(2026, 10, 25), ["01:00", "02:00", "02:00", "03:00", "04:00"]),  # it comes twice
    ],
)
def test_hour_that_is_skipped_is_not_there_and_one_that_comes_twice_is_twice(day: date, labels: list[str]) -> None:
    hours = Hours({day.weekday(): [(time(1), time(5))]}, **HOURLY)
    assert clocks(found(hours, "Europe/Madrid", day), "Europe/Madrid") == labels


def test_hours_that_begin_or_end_in_the_skipped_hour_are_cut() -> None:
    day = date(2026, 3, 29)
    half = {"slot": HOUR / 2, "buffer": timedelta(), "notice": timedelta()}
    ends = Hours({6: [(time(1), time(2, 30))]}, **half)
    begins = Hours({6: [(time(2, 30), time(4))]}, **half)
    assert clocks(found(ends, "Europe/Madrid", day), "Europe/Madrid") == ["01:00", "01:30"]
    assert clocks(found(begins, "Europe/Madrid", day), "Europe/Madrid") == ["03:00", "03:30"]


def test_date_takes_the_place_of_the_weeks_hours() -> None:
    day = date(2026, 3, 4)
    closed = Hours(NINE_TO_TWELVE, {day: []}, **HOURLY)
    other = Hours(NINE_TO_TWELVE, {day: [(time(15), time(16)), (time(17), time(18))]}, **HOURLY)
    assert found(closed, "America/Santiago", day) == []
    assert clocks(found(other, "America/Santiago", day), "America/Santiago") == ["15:00", "17:00"]


def test_blocks_notice_and_days_ahead_leave_slots_out() -> None:
    day, zone = date(2026, 3, 4), "America/Santiago"
    ten = datetime(2026, 3, 4, 13, tzinfo=UTC)
    blocked = Hours(NINE_TO_TWELVE, blocks=[(ten + MINUTE, ten + 2 * MINUTE)], **HOURLY)
    assert clocks(found(blocked, zone, day), zone) == ["09:00", "11:00"]
    noticed = Hours(NINE_TO_TWELVE, slot=HOUR, buffer=timedelta(), notice=HOUR)
    assert clocks(found(noticed, zone, day, now=ten - HOUR), zone) == ["10:00", "11:00"]
    assert clocks(found(noticed, zone, day, now=ten - HOUR + MINUTE), zone) == ["11:00"]
    assert found(Hours(NINE_TO_TWELVE, days_ahead=1), zone, day, now=ten - timedelta(days=2)) == []
    assert len(found(Hours(NINE_TO_TWELVE, days_ahead=2, **HOURLY), zone, day, now=ten - timedelta(days=2))) == 3


def test_buffer_lies_between_slots_and_around_meetings() -> None:
    day, zone = date(2026, 3, 4), "America/Santiago"
    hours = Hours(NINE_TO_TWELVE, slot=45 * MINUTE, buffer=15 * MINUTE, notice=timedelta())
    assert clocks(found(hours, zone, day), zone) == ["09:00", "10:00", "11:00"]
    ten = datetime(2026, 3, 4, 13, tzinfo=UTC)
    assert clocks(found(hours, zone, day, busy=[(ten, ten + 45 * MINUTE)]), zone) == ["09:00", "11:00"]
    odd = (ten - 10 * MINUTE, ten - 5 * MINUTE)  # at 9:50, so neither 9:00 to 9:45 nor 10:00 is a quarter away
    assert clocks(found(hours, zone, day, busy=[odd]), zone) == ["11:00"]


def test_hours_that_overlap_are_one() -> None:
    day, zone = date(2026, 3, 4), "America/Santiago"
    hours = Hours({2: [(time(9), time(11)), (time(10), time(12))]}, **HOURLY)
    assert clocks(found(hours, zone, day), zone) == ["09:00", "10:00", "11:00"]


quarters = st.integers(0, 95).map(lambda n: time(n // 4, n % 4 * 15))
pairs = st.tuples(quarters, quarters).filter(lambda pair: pair[0] < pair[1])
# Around the changes of the clock of all these zones, and in between.
moments = st.builds(
    lambda days, minutes: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=days, minutes=minutes),
    st.one_of(st.integers(0, 40), st.integers(180, 260)),
    st.integers(0, 1439),
)
stretches = st.builds(lambda start, length: (start, start + length * MINUTE), moments, st.integers(1, 600))
hours_of_agents = st.builds(
    Hours,
    weekly=st.dictionaries(st.integers(0, 6), st.lists(pairs, max_size=3)),
    dates=st.dictionaries(st.dates(date(2026, 3, 1), date(2026, 12, 1)), st.lists(pairs, max_size=2), max_size=5),
    blocks=st.lists(stretches, max_size=3),
    slot=st.integers(5, 180).map(lambda n: n * MINUTE),
    buffer=st.integers(0, 60).map(lambda n: n * MINUTE),
    notice=st.integers(0, 2000).map(lambda n: n * MINUTE),
    days_ahead=st.integers(1, 30),
)


@given(hours=hours_of_agents, zone=st.sampled_from(ZONES), busy=st.lists(stretches, max_size=5), now=moments)
def test_slot_is_whole_free_inside_the_hours_and_ahead(
    hours: Hours, zone: str, busy: list[tuple[datetime, datetime]], now: datetime
) -> None:
    there, end = ZoneInfo(zone), now + timedelta(days=12)
    slots = list(slots_of(hours, zone=there, busy=busy, start=now, end=end, now=now))
    for slot in slots:
        assert slot.ends_at - slot.starts_at == hours.slot
        assert now + hours.notice <= slot.starts_at < end
        assert slot.starts_at.astimezone(there).date() <= now.astimezone(there).date() + timedelta(hours.days_ahead)
        for begin, finish in busy:
            assert slot.ends_at + hours.buffer <= begin or finish + hours.buffer <= slot.starts_at
        for begin, finish in hours.blocks:
            assert slot.ends_at <= begin or finish <= slot.starts_at
        for minute in range(hours.slot // MINUTE):
            assert is_inside(hours, (slot.starts_at + minute * MINUTE).astimezone(there))
    assert all(one.ends_at <= other.starts_at for one, other in pairwise(slots))


def is_inside(hours: Hours, local: datetime) -> bool:
    times = hours.dates.get(local.date(), hours.weekly.get(local.weekday(), ()))
    return any(opens <= local.time() < closes for opens, closes in times)


@given(hours=hours_of_agents, zone=st.sampled_from(ZONES), now=moments)
def test_whole_open_hour_that_nothing_takes_has_a_slot(hours: Hours, zone: str, now: datetime) -> None:
    """Nothing free is kept back: where the wall clock is inside the hours from a slot's begin for two slots and a
    buffer, one begins there."""
    there, plain = ZoneInfo(zone), Hours(hours.weekly, slot=hours.slot, buffer=hours.buffer, notice=timedelta())
    slots = {
        slot.starts_at for slot in slots_of(plain, zone=there, busy=(), start=now, end=now + 3 * 24 * HOUR, now=now)
    }
    reach = 2 * hours.slot + hours.buffer
    for quarter in range(0, 2 * 96, 4):
        begin = now.replace(second=0) + quarter * 15 * MINUTE
        inside = (
            all(is_inside(plain, (begin + n * MINUTE).astimezone(there)) for n in range(-1, reach // MINUTE + 1))
            and begin.astimezone(there).date() == (begin + reach).astimezone(there).date()
        )
        if inside:
            assert any(begin <= at < begin + hours.slot + hours.buffer for at in slots)
