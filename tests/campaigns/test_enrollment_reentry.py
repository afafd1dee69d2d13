"""May a lead enter again? One rule with a truth table, in SQL as in a plain reading of it (failures.md row 12)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from django.db.models import DateTimeField, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brokers.models import Broker
from campaigns.models import Campaign, Enrollment
from leads.models import Lead
from messaging.clock import VirtualClock
from tests.building import DAY, NOW, a_campaign, a_lead, enroll, run
from tests.many import copies_of_lead

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


class Entry(NamedTuple):
    """An earlier entry; days before now."""

    status: str
    enrolled: int
    finished: int | None


def may_enter(entries: list[Entry], reentry_after_days: int | None, happened: int | None) -> bool:
    """The rule in plain words. `happened` is how many days ago the event was, None for a choice by hand."""
    if not entries:
        return True
    if reentry_after_days is None or any(entry.status == "active" for entry in entries):
        return False
    ended = min(entry.enrolled if entry.finished is None else entry.finished for entry in entries)
    is_new = happened is None or happened < min(entry.enrolled for entry in entries)
    return ended >= reentry_after_days and is_new


def rows_of(campaign: Campaign, lead: Lead, entries: list[Entry]) -> Iterator[Enrollment]:
    for number, entry in enumerate(entries, start=1):
        yield Enrollment(
            broker_id=campaign.broker_id,
            campaign=campaign,
            version=1,
            lead=lead,
            entry=number,
            trigger="manual",
            status=entry.status,
            sandbox=True,
            enrolled_at=NOW - entry.enrolled * DAY,
            finished_at=None if entry.finished is None else NOW - entry.finished * DAY,
        )


def write(campaign: Campaign, lead: Lead, entries: list[Entry]) -> None:
    Enrollment.objects.bulk_create(rows_of(campaign, lead, entries))


def moment_of(happened: int | None) -> Value:
    return Value(None if happened is None else NOW - happened * DAY, output_field=DateTimeField(null=True))


def entered(campaign: Campaign, lead: Lead, happened: int | None) -> bool:
    return enroll(campaign, lead, happened_at=moment_of(happened)).enrolled == 1


@pytest.mark.parametrize(
    ("entries", "days", "happened", "expected"),
    [
        ([], None, None, True),
        ([], 7, None, True),
        # Never again.
        ([Entry("completed", 90, 80)], None, None, False),
        ([Entry("exited", 90, 80)], None, None, False),
        # Under way.
        ([Entry("active", 90, None)], 7, None, False),
        ([Entry("completed", 90, 80), Entry("active", 30, None)], 7, None, False),
        # Counted from the end of the last entry.
        ([Entry("completed", 10, 7)], 7, None, True),
        ([Entry("completed", 10, 6)], 7, None, False),
        ([Entry("exited", 10, 7)], 7, None, True),
        ([Entry("completed", 90, 80), Entry("completed", 10, 3)], 7, None, False),
        # Held out: from when they were.
        ([Entry("held_out", 7, None)], 7, None, True),
        ([Entry("held_out", 6, None)], 7, None, False),
        # What happened before the last entry is no new event.
        ([Entry("completed", 10, 8)], 7, 1, True),
        ([Entry("completed", 10, 8)], 7, 9, True),
        ([Entry("completed", 10, 8)], 7, 10, False),
        ([Entry("completed", 10, 8)], 7, 11, False),
    ],
)
def test_reentry_follows_its_truth_table(
    broker: Broker, entries: list[Entry], days: int | None, happened: int | None, expected: bool
) -> None:
    lead, campaign = a_lead(broker), a_campaign(broker, reentry_after_days=days)
    write(campaign, lead, entries)
    assert (entered(campaign, lead, happened), may_enter(entries, days, happened)) == (expected, expected)


# Every way in which one entry can lie in the past; limits are a day and seven days, events nine to eleven days ago.
PAST = [
    Entry(status, enrolled, finished)
    for status in ("completed", "exited")
    for enrolled, finished in ((10, 8), (10, 7), (10, 6), (9, 1), (1, 0))
]
PAST += [Entry("held_out", enrolled, None) for enrolled in (10, 8, 7, 6, 0)]
ACTIVE = Entry("active", 5, None)
HISTORIES = [[], [ACTIVE], *([one] for one in PAST), *([one, ACTIVE] for one in PAST)]
HISTORIES += [[one, other] for one in PAST for other in PAST if other.enrolled <= one.enrolled]


@pytest.mark.parametrize("days", [None, 1, 7])
@pytest.mark.parametrize("happened", [None, 0, 9, 10, 11])
def test_reentry_follows_its_rule_for_every_history(broker: Broker, days: int | None, happened: int | None) -> None:
    """By hand, and for events before, at and after the last entry; everybody in one statement, as a trigger does it."""
    campaign = a_campaign(broker, reentry_after_days=days)
    copies_of_lead(a_lead(broker), len(HISTORIES) - 1)
    people = list(zip(Lead.objects.order_by("pk"), HISTORIES, strict=True))
    for lead, history in people:
        write(campaign, lead, history)
    newest = Enrollment.objects.order_by("pk").values_list("pk", flat=True).last()
    intake = enroll(campaign, happened_at=moment_of(happened))
    found = Enrollment.objects.filter(pk__gt=newest).order_by("lead").values_list("lead", "entry", "status")
    expected = [(lead.pk, len(history) + 1, "active") for lead, history in people if may_enter(history, days, happened)]
    assert (list(found), intake.enrolled) == (expected, len(expected))


ended_entries = st.builds(
    lambda status, enrolled, length: Entry(
        status, enrolled, None if status == "held_out" else max(0, enrolled - length)
    ),
    st.sampled_from(["completed", "exited", "held_out"]),
    st.integers(0, 30),
    st.integers(0, 10),
)
histories = st.lists(ended_entries, max_size=3).flatmap(
    lambda past: st.sampled_from([past, [*past, Entry("active", 0, None)]])
)


@given(histories, st.none() | st.integers(1, 20), st.none() | st.integers(0, 30))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reentry_in_sql_is_the_rule_in_plain_words(
    broker: Broker, entries: list[Entry], days: int | None, happened: int | None
) -> None:
    lead, campaign = a_lead(broker), a_campaign(broker, reentry_after_days=days)
    write(campaign, lead, entries)
    assert entered(campaign, lead, happened) == may_enter(entries, days, happened)


def test_second_entry_counts_on_and_starts_at_the_first_step(broker: Broker, clock: VirtualClock) -> None:
    lead, campaign = a_lead(broker), a_campaign(broker, reentry_after_days=1)
    enroll(campaign, lead)
    run(clock)
    again: datetime = clock.now() + DAY
    assert enroll(campaign, lead, now=again).enrolled == 1
    entries = Enrollment.objects.order_by("entry").values_list("entry", "status")
    assert list(entries) == [(1, "completed"), (2, "active")]
    assert Enrollment.objects.get(entry=2).logs.get().due_at == again


def test_reentry_a_second_too_early_is_left_out(broker: Broker, clock: VirtualClock) -> None:
    lead, campaign = a_lead(broker), a_campaign(broker, reentry_after_days=1)
    enroll(campaign, lead)
    run(clock)
    assert enroll(campaign, lead, now=NOW + DAY - SECOND).enrolled == 0


def test_entry_on_the_sandbox_does_not_count_in_the_real_world(broker: Broker, clock: VirtualClock) -> None:
    lead, campaign = a_lead(broker), a_campaign(broker)
    enroll(campaign, lead)
    run(clock)
    Enrollment.objects.update(sandbox=False)
    assert enroll(campaign, lead).enrolled == 1
    assert Enrollment.objects.filter(sandbox=True).get().entry == 1
