"""No window of 24 hours or 7 days holds more than its cap (failures.md row 22)."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.rules import ContactWindow
from messaging.policy import DAY, WEEK, ContactFacts, Verdict, judge

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
ALWAYS = ContactWindow(((time(0), time.max),) * 7)


def asked(
    recent: Sequence[datetime], now: datetime = NOW, *, caps: tuple[int, int] = (2, 5), purpose: str = "marketing"
) -> Verdict:
    return judge(
        ContactFacts(
            channel="telegram",
            purpose=purpose,
            address="4711",
            phone="",
            treatment="automated_telegram",
            unreachable={},
            permissions=(),
            lead_timezone="UTC",
            broker_timezone="UTC",
            window=ALWAYS,
            recent=[at for at in recent if at >= now - WEEK],
            cap_24h=caps[0],
            cap_7d=caps[1],
        ),
        now,
    )


@pytest.mark.parametrize(
    ("ago", "until"),
    [
        ([], None),
        ([HOUR], None),
        ([2 * HOUR, HOUR], NOW + 22 * HOUR + SECOND),
        ([DAY, HOUR], NOW + SECOND),
        ([DAY + SECOND, HOUR], None),
        # Four this week and none today; five this week.
        ([6 * DAY, 5 * DAY, 4 * DAY, 3 * DAY], None),
        ([6 * DAY, 5 * DAY, 4 * DAY, 3 * DAY, 2 * DAY], NOW + DAY + SECOND),
        ([WEEK, 5 * DAY, 4 * DAY, 3 * DAY, 2 * DAY], NOW + SECOND),
        # Both are full: the later one decides.
        ([6 * DAY, 5 * DAY, 4 * DAY, 2 * HOUR, HOUR], NOW + DAY + SECOND),
    ],
)
def test_cap_is_free_when_the_window_has_room(ago: list[timedelta], until: datetime | None) -> None:
    verdict = asked([NOW - one for one in ago])
    assert (verdict.reason, verdict.until) == ("frequency_cap" if until else "", until)


def test_cap_of_zero_never_frees() -> None:
    assert asked([], caps=(0, 5)).until == NOW + DAY + SECOND


def test_cap_does_not_bind_transactional_messages() -> None:
    assert asked([NOW - HOUR] * 9, purpose="transactional").allowed


def test_cap_is_asked_again_inside_the_window() -> None:
    """A cap that frees at night waits for the morning."""
    facts = ContactWindow(((time(9), time(20)),) * 7)
    recent = [NOW - 20 * HOUR, NOW - 16 * HOUR]
    verdict = judge(ContactFacts("telegram", "marketing", "1", "", "", {}, (), "UTC", "UTC", facts, recent, 2, 5), NOW)
    assert (verdict.reason, verdict.until) == ("frequency_cap", NOW + 4 * HOUR + SECOND)
    late = judge(
        ContactFacts("telegram", "marketing", "1", "", "", {}, (), "UTC", "UTC", facts, [NOW, NOW], 2, 5),
        NOW + 4 * HOUR,
    )
    assert late.until == NOW + DAY + SECOND


def contacts(tries: Sequence[int], caps: tuple[int, int]) -> list[datetime]:
    """What goes out when somebody tries after each of these many minutes."""
    sent: list[datetime] = []
    now = NOW
    for minutes in tries:
        now += timedelta(minutes=minutes)
        if asked(sent, now, caps=caps).allowed:
            sent.append(now)
    return sent


tries = st.lists(st.integers(0, 3 * 24 * 60), max_size=40)
caps = st.tuples(st.integers(1, 4), st.integers(1, 8))


@given(tries, caps)
@settings(max_examples=200, deadline=None)
def test_no_window_holds_more_contacts_than_its_cap(tries: list[int], caps: tuple[int, int]) -> None:
    sent = contacts(tries, caps)
    for length, cap in ((DAY, caps[0]), (WEEK, caps[1])):
        assert all(sum(start <= at <= start + length for at in sent) <= cap for start in sent)


@given(tries, caps)
@settings(max_examples=200, deadline=None)
def test_postponed_contact_is_allowed_when_its_moment_comes(tries: list[int], caps: tuple[int, int]) -> None:
    sent = contacts(tries, caps)
    now = NOW + timedelta(minutes=sum(tries))
    verdict = asked(sent, now, caps=caps)
    assert verdict.until is None or asked(sent, verdict.until, caps=caps).allowed


@given(tries, caps)
@settings(max_examples=100, deadline=None)
def test_postponed_contact_is_not_allowed_a_second_earlier(tries: list[int], caps: tuple[int, int]) -> None:
    sent = contacts(tries, caps)
    now = NOW + timedelta(minutes=sum(tries))
    until = asked(sent, now, caps=caps).until
    assert until is None or not asked(sent, until - SECOND, caps=caps).allowed
