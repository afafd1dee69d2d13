"""No window of 24 hours or 7 days holds more than its cap (failures.md row 22)."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

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


class Contact(NamedTuple):
    """What went out to the lead. `counts` is False for what a person sent and for what reached nobody."""

    at: datetime
    purpose: str
    counts: bool


class Try(NamedTuple):
    """Somebody tries this long after the one before; `counts` says what becomes of it."""

    after: timedelta
    purpose: str
    counts: bool


# Any second, and the ends of both windows to the second, of which a uniform choice would find none.
edges = [length + n * SECOND for length in (timedelta(), HOUR, DAY / 2, DAY, WEEK / 4, WEEK) for n in (0, 1)]
edges += [DAY - SECOND, WEEK - SECOND]
gaps = st.sampled_from(edges) | st.integers(0, 3 * 86_400).map(lambda n: n * SECOND)
marketing = st.builds(Try, gaps, st.just("marketing"), st.just(True))
anything = st.builds(Try, gaps, st.sampled_from(["marketing", "transactional"]), st.sampled_from([True, True, False]))
caps = st.tuples(st.integers(1, 4), st.integers(1, 8))
windows = ((DAY, 0), (WEEK, 1))


def contacts(tries: Sequence[Try], caps: tuple[int, int]) -> list[Contact]:
    """What goes out when somebody tries again and again."""
    sent: list[Contact] = []
    now = NOW
    for one in tries:
        now += one.after
        if asked(counting(sent), now, caps=caps, purpose=one.purpose).allowed:
            sent.append(Contact(now, one.purpose, one.counts))
    return sent


def counting(sent: Sequence[Contact]) -> list[datetime]:
    return [contact.at for contact in sent if contact.counts]


def end_of(tries: Sequence[Try]) -> datetime:
    return NOW + sum((one.after for one in tries), timedelta())


@given(st.lists(marketing, max_size=40), caps)
@settings(max_examples=300, deadline=None)
def test_no_window_holds_more_contacts_than_its_cap(tries: list[Try], caps: tuple[int, int]) -> None:
    """Wherever it begins; the fullest ones begin with a contact."""
    sent = counting(contacts(tries, caps))
    for length, cap in ((DAY, caps[0]), (WEEK, caps[1])):
        assert all(sum(start <= at <= start + length for at in sent) <= cap for start in sent)


@given(st.lists(anything, max_size=40), caps)
@settings(max_examples=300, deadline=None)
def test_no_marketing_contact_goes_out_into_a_full_window(tries: list[Try], caps: tuple[int, int]) -> None:
    """Full of automatic contacts of any purpose; persons' and those that reached nobody take no room."""
    sent = contacts(tries, caps)
    for number, contact in enumerate(sent):
        earlier = [at for at in counting(sent[:number]) if contact.at - at <= WEEK]
        in_a_day = sum(contact.at - at <= DAY for at in earlier)
        assert contact.purpose == "transactional" or (in_a_day < caps[0] and len(earlier) < caps[1])


@given(st.lists(anything, max_size=40), caps)
@settings(max_examples=200, deadline=None)
def test_nothing_but_a_full_window_holds_a_contact_back(tries: list[Try], caps: tuple[int, int]) -> None:
    sent = counting(contacts(tries, caps))
    now = end_of(tries)
    full = any(sum(now - at <= length for at in sent) >= caps[which] for length, which in windows)
    assert asked(sent, now, caps=caps).reason == ("frequency_cap" if full else "")
    assert asked(sent, now, caps=caps, purpose="transactional").allowed


@given(st.lists(anything, max_size=40), caps)
@settings(max_examples=200, deadline=None)
def test_postponed_contact_is_allowed_when_its_moment_comes(tries: list[Try], caps: tuple[int, int]) -> None:
    sent = counting(contacts(tries, caps))
    until = asked(sent, end_of(tries), caps=caps).until
    assert until is None or asked(sent, until, caps=caps).allowed


@given(st.lists(anything, max_size=40), caps)
@settings(max_examples=100, deadline=None)
def test_postponed_contact_is_not_allowed_a_second_earlier(tries: list[Try], caps: tuple[int, int]) -> None:
    sent = counting(contacts(tries, caps))
    until = asked(sent, end_of(tries), caps=caps).until
    assert until is None or not asked(sent, until - SECOND, caps=caps).allowed
