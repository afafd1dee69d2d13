"""One lead's way through a campaign: paused until a date, stopped, begun again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from django.db import transaction

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import (
    edit_campaign,
    enroll_again,
    move_enrollments,
    pause,
    pause_enrollment,
    resume,
    save_steps,
    stop_enrollment,
)
from campaigns.actions.locking import locked_enrollment
from campaigns.deciding import SEND_LEASE, Decided, decide_batch, due_groups
from campaigns.models import Campaign, CampaignLog, Enrollment
from campaigns.settling import settle
from leads.actions import delete_lead
from leads.models import Lead
from messaging.clock import VirtualClock
from messaging.dispatching import dispatch_all
from messaging.models import Message
from tests.building import (
    DAY,
    HOUR,
    NOW,
    a_broker,
    a_campaign,
    a_lead,
    an_admin,
    broken,
    counting_account,
    enroll,
    enrolment_of,
    log_of,
    logs,
    message_step,
    reply,
    run,
    sent_bodies,
)
from tests.together import meanwhile

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def under_way(broker: Broker) -> tuple[Campaign, Lead]:
    """A lead that waits for the first of two messages, due at NOW and two hours later."""
    lead = a_lead(broker)
    campaign = a_campaign(broker, message_step(broker, "uno"), message_step(broker, "dos", delay_hours=2))
    enroll(campaign, lead)
    return campaign, lead


def begun(clock: VirtualClock) -> Decided:
    return decide_batch(groups=due_groups(batch=9, broker_id=None, now=clock.now()), size=9, now=clock.now())


def test_paused_enrolment_waits_until_the_date(broker: Broker, clock: VirtualClock) -> None:
    _campaign, lead = under_way(broker)
    until = NOW + 20 * DAY
    log = pause_enrollment(enrollment=enrolment_of(lead), until=until, now=NOW)
    assert (log.status, log.reason, log.due_at, log.planned_at) == ("pending", "paused_until", until, until)
    clock.sleep_until(until - SECOND)
    assert run(clock).taken == 0
    clock.advance(SECOND)
    run(clock, passes=3)
    assert (sent_bodies(lead), enrolment_of(lead).status, broken()) == (["uno", "dos"], "completed", {})


def test_paused_enrolment_stays_active(broker: Broker) -> None:
    _campaign, lead = under_way(broker)
    pause_enrollment(enrollment=enrolment_of(lead), until=NOW + DAY, now=NOW)
    assert enrolment_of(lead).status == "active"


def test_pausing_an_enrolment_delays_nobody_else(broker: Broker, clock: VirtualClock) -> None:
    campaign, lead = under_way(broker)
    other = a_lead(broker)
    enroll(campaign, other)
    pause_enrollment(enrollment=enrolment_of(lead), until=NOW + DAY, now=NOW)
    run(clock)
    assert (sent_bodies(lead), sent_bodies(other)) == ([], ["uno"])


def test_pausing_an_enrolment_never_brings_a_step_forward(broker: Broker) -> None:
    lead = a_lead(broker)
    enroll(a_campaign(broker, message_step(broker, delay_hours=48)), lead)
    log = pause_enrollment(enrollment=enrolment_of(lead), until=NOW + HOUR, now=NOW)
    assert (log.due_at, log.planned_at) == (NOW + 2 * DAY, NOW + 2 * DAY)


def test_pause_of_an_enrolment_says_who_paused_it(broker: Broker) -> None:
    _campaign, lead = under_way(broker)
    admin, until = an_admin(broker), NOW + DAY
    log = pause_enrollment(enrollment=enrolment_of(lead), until=until, now=NOW, by=admin)
    assert log.response["paused"] == {"until": until.isoformat(), "by": admin.pk, "at": NOW.isoformat()}


def test_paused_enrolment_ends_on_a_reply(broker: Broker, clock: VirtualClock) -> None:
    _campaign, lead = under_way(broker)
    pause_enrollment(enrollment=enrolment_of(lead), until=NOW + DAY, now=NOW)
    reply(lead, NOW + HOUR)
    run(clock, passes=2)
    assert (logs(), enrolment_of(lead).exit_reason) == ([(1, "skipped", "replied")], "replied")


@pytest.mark.parametrize("until", [NOW - DAY, NOW, NOW + 366 * DAY])
def test_enrolment_is_not_paused_until_a_moment_that_makes_no_sense(broker: Broker, until: datetime) -> None:
    _campaign, lead = under_way(broker)
    with pytest.raises(Refused, match=f"until={until:%Y-%m-%d}") as refused:
        pause_enrollment(enrollment=enrolment_of(lead), until=until, now=NOW)
    assert (refused.value.reason, log_of(lead).due_at) == ("until_invalid", NOW)


def test_enrolment_is_not_paused_while_its_step_is_in_flight(broker: Broker, clock: VirtualClock) -> None:
    _campaign, lead = under_way(broker)
    begun(clock)
    with pytest.raises(Refused) as refused:
        pause_enrollment(enrollment=enrolment_of(lead), until=NOW + DAY, now=NOW)
    assert (refused.value.reason, log_of(lead).due_at) == ("in_flight", NOW)


@pytest.mark.parametrize("verb", [partial(pause_enrollment, until=NOW + 9 * DAY), stop_enrollment])
def test_ended_enrolment_is_neither_paused_nor_stopped(
    broker: Broker, clock: VirtualClock, verb: Callable[..., object]
) -> None:
    _campaign, lead = under_way(broker)
    run(clock, passes=4)
    with pytest.raises(Refused, match="completed") as refused:
        verb(enrollment=enrolment_of(lead), now=clock.now())
    assert (refused.value.reason, enrolment_of(lead).status) == ("not_under_way", "completed")


def test_stopped_enrolment_gets_nothing_more(broker: Broker, clock: VirtualClock) -> None:
    _campaign, lead = under_way(broker)
    run(clock)
    admin = an_admin(broker)
    stopped = stop_enrollment(enrollment=enrolment_of(lead), now=NOW + HOUR, by=admin)
    assert (stopped.status, stopped.exit_reason, stopped.finished_at) == ("exited", "stopped", NOW + HOUR)
    assert log_of(lead, 2).response["stopped"] == {"by": admin.pk, "at": (NOW + HOUR).isoformat()}
    run(clock, passes=5)
    assert (logs(), sent_bodies(lead), broken()) == ([(1, "sent", ""), (2, "skipped", "stopped")], ["uno"], {})


def test_stopping_ends_one_enrolment_of_the_lead_only(broker: Broker, clock: VirtualClock) -> None:
    campaign, lead = under_way(broker)
    other = a_campaign(broker, message_step(broker, "otra"))
    enroll(other, lead)
    stop_enrollment(enrollment=enrolment_of(lead, campaign=campaign), now=NOW)
    run(clock)
    assert sent_bodies(lead) == ["otra"]


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("accept", ("sent", "")),
        ("refuse", ("failed", "refused")),
        ("timeout", ("failed", "outcome_unknown")),
        ("temporary", ("skipped", "stopped")),
        ("invalid", ("failed", "invalid_address")),
    ],
)
def test_step_in_flight_settles_after_a_stop_and_nothing_follows(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str, outcome: tuple[str, str]
) -> None:
    counting_account(broker, sent_file, otherwise=word)
    _campaign, lead = under_way(broker)
    decided = begun(clock)
    stopped = stop_enrollment(enrollment=enrolment_of(lead), now=NOW)
    assert (stopped.status, stopped.exit_reason, log_of(lead).status) == ("exited", "stopped", "pending")
    settle(dispatch_all(decided.dispatches, clock), NOW + SECOND)
    run(clock, passes=5)
    assert (logs(), log_of(lead).executed_at, broken()) == ([(1, *outcome)], NOW + SECOND, {})
    assert (enrolment_of(lead).exit_reason, enrolment_of(lead).finished_at) == ("stopped", NOW)


def test_step_that_would_fall_back_after_a_stop_does_not(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    counting_account(broker, sent_file, otherwise="invalid")
    counting_account(broker, sent_file, channel="whatsapp")
    mail = message_step(broker, channel="whatsapp")["message_template"]
    lead = a_lead(broker)
    enroll(a_campaign(broker, message_step(broker, fallback_channel="whatsapp", fallback_template=mail)), lead)
    decided = begun(clock)
    stop_enrollment(enrollment=enrolment_of(lead), now=NOW)
    settle(dispatch_all(decided.dispatches, clock), NOW)
    run(clock, passes=3)
    assert (logs(), Message.objects.count(), broken()) == ([(1, "skipped", "stopped")], 1, {})


def test_worker_that_was_too_late_after_a_stop_sends_nothing(broker: Broker, clock: VirtualClock) -> None:
    _campaign, lead = under_way(broker)
    decided = begun(clock)
    stop_enrollment(enrollment=enrolment_of(lead), now=NOW)

    class Slow(VirtualClock):
        """Each look at it is ten seconds later."""

        def now(self) -> datetime:
            self.advance(10 * SECOND)
            return super().now()

    settle(dispatch_all(decided.dispatches, Slow(NOW)), NOW + 20 * SECOND)
    run(clock, passes=3)
    assert (logs(), Message.objects.get().status, broken()) == ([(1, "skipped", "stopped")], "cancelled", {})


def test_worker_that_died_after_a_stop_leaves_it_unknown(broker: Broker, clock: VirtualClock) -> None:
    _campaign, lead = under_way(broker)
    begun(clock)
    stop_enrollment(enrollment=enrolment_of(lead), now=NOW)
    run(clock, passes=3, every=SEND_LEASE)
    assert (logs(), enrolment_of(lead).status, broken()) == ([(1, "failed", "outcome_unknown")], "exited", {})


def test_call_that_nobody_picks_up_after_a_stop_is_not_made_again(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    lead = a_lead(broker, phone="+56987654329", treatment_type="automated_call")
    enroll(a_campaign(broker, {"action": "make_call"}), lead)
    decided = begun(clock)
    settle(dispatch_all(decided.dispatches, clock), NOW)
    stop_enrollment(enrollment=enrolment_of(lead), now=NOW)
    run(clock, passes=6)
    assert (logs(), Message.objects.count(), broken()) == ([(1, "skipped", "stopped")], 1, {})


def test_stopped_enrolment_is_not_moved_or_resumed(broker: Broker) -> None:
    campaign, lead = under_way(broker)
    save_steps(campaign=campaign, specs=[message_step(broker)], now=NOW)
    stop_enrollment(enrollment=enrolment_of(lead), now=NOW)
    pause(campaign=campaign, now=NOW)
    assert move_enrollments(campaign=campaign, to=2, now=NOW).moved == 0
    resume(campaign=campaign, now=NOW + DAY, policy="skip")
    assert (logs(), enrolment_of(lead).version, broken()) == ([(1, "skipped", "stopped")], 1, {})


@pytest.mark.parametrize("waited", [1, 6, 7, 30])
def test_enrolling_again_keeps_to_the_re_entry_rule(broker: Broker, clock: VirtualClock, waited: int) -> None:
    """failures.md row 12: seven days after the end of the last entry."""
    lead = a_lead(broker)
    campaign = a_campaign(broker, reentry_after_days=7)
    enroll(campaign, lead)
    run(clock)
    now = NOW + waited * DAY
    if waited < 7:
        with pytest.raises(Refused) as refused:
            enroll_again(enrollment=enrolment_of(lead), now=now)
        assert refused.value.reason == "not_entered"
    else:
        assert enroll_again(enrollment=enrolment_of(lead), now=now).enrolled == 1
    assert (Enrollment.objects.count(), broken()) == (1 + (waited >= 7), {})


def test_enrolling_again_begins_anew(broker: Broker, clock: VirtualClock) -> None:
    campaign, lead = under_way(broker)
    edit_campaign(campaign=campaign, now=NOW, reentry_after_days=1)
    run(clock)
    stop_enrollment(enrollment=enrolment_of(lead), now=clock.now())
    clock.advance(2 * DAY)
    enroll_again(enrollment=enrolment_of(lead), now=clock.now())
    entry = enrolment_of(lead, entry=2)
    assert (entry.status, entry.trigger, entry.version, campaign.enrollments.count()) == ("active", "manual", 2, 2)
    run(clock, passes=4)
    assert (sent_bodies(lead), broken()) == (["uno", "uno", "dos"], {})


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("never again", "re-entry days"),
        ("under way", "re-entry days"),
        ("deleted", "come again"),
        ("full", "Raise the number of leads"),
    ],
)
def test_enrolling_again_says_what_stands_in_the_way(broker: Broker, clock: VirtualClock, case: str, said: str) -> None:
    lead = a_lead(broker)
    rule = None if case == "never again" else 1
    enroll(a_campaign(broker, reentry_after_days=rule, max_contacts=1 if case == "full" else None), lead)
    entry = enrolment_of(lead)
    if case != "under way":
        stop_enrollment(enrollment=entry, now=NOW)
    if case == "deleted":
        delete_lead(lead=lead, now=NOW)
    with pytest.raises(Refused) as refused:
        enroll_again(enrollment=entry, now=NOW + 9 * DAY)
    assert refused.value.reason == "not_entered"
    assert [fault for fault in refused.value.faults if said in fault] == refused.value.faults
    assert Enrollment.objects.count() == len(refused.value.faults) == 1


def test_enrolling_again_into_a_paused_campaign_is_refused(broker: Broker) -> None:
    campaign, lead = under_way(broker)
    stop_enrollment(enrollment=enrolment_of(lead), now=NOW)
    pause(campaign=campaign, now=NOW)
    with pytest.raises(Refused) as refused:
        enroll_again(enrollment=enrolment_of(lead), now=NOW + 9 * DAY)
    assert refused.value.reason == "not_active"


def move_all(campaign: Campaign) -> None:
    move_enrollments(campaign=campaign, to=2, now=NOW)


def skip_all(campaign: Campaign) -> None:
    resume(campaign=campaign, now=NOW, policy="skip")


EVERYBODY = pytest.mark.parametrize("whole", [move_all, skip_all])


def a_paused_campaign_of_two_versions() -> tuple[Campaign, Lead]:
    """The lead waits for the first step of the first."""
    campaign, lead = under_way(a_broker())
    save_steps(campaign=campaign, specs=[message_step(campaign.broker), message_step(campaign.broker)], now=NOW)
    return pause(campaign=campaign, now=NOW), lead


@pytest.mark.django_db(transaction=True)
@EVERYBODY
def test_stop_and_what_is_done_to_everybody_do_not_wait_for_each_other(whole: Callable[[Campaign], None]) -> None:
    """The stop holds its lead and its enrolment already when the other begins."""
    campaign, lead = a_paused_campaign_of_two_versions()
    with meanwhile() as begin, transaction.atomic():
        locked_enrollment(enrolment_of(lead))
        begin(lambda: whole(campaign))
        stop_enrollment(enrollment=enrolment_of(lead), now=NOW)
    assert (logs(), enrolment_of(lead).exit_reason, broken()) == ([(1, "skipped", "stopped")], "stopped", {})


@pytest.mark.django_db(transaction=True)
@EVERYBODY
def test_stop_while_everybody_is_moved_or_skipped_still_stops(whole: Callable[[Campaign], None]) -> None:
    campaign, lead = a_paused_campaign_of_two_versions()
    with meanwhile() as begin, transaction.atomic():
        whole(campaign)
        begin(lambda: stop_enrollment(enrollment=enrolment_of(lead), now=NOW))
    assert (enrolment_of(lead).exit_reason, CampaignLog.objects.waiting().count(), broken()) == ("stopped", 0, {})


@pytest.mark.django_db(transaction=True)
@EVERYBODY
def test_pause_of_an_enrolment_while_everybody_is_moved_or_skipped_holds(whole: Callable[[Campaign], None]) -> None:
    campaign, lead = a_paused_campaign_of_two_versions()
    until = NOW + DAY
    with meanwhile() as begin, transaction.atomic():
        whole(campaign)
        begin(lambda: pause_enrollment(enrollment=enrolment_of(lead), until=until, now=NOW))
    waiting = CampaignLog.objects.waiting().get()
    assert (waiting.reason, waiting.due_at, broken()) == ("paused_until", until, {})


@pytest.mark.django_db(transaction=True)
@EVERYBODY
def test_step_that_is_decided_about_is_left_alone_by_what_is_done_to_everybody(
    whole: Callable[[Campaign], None],
) -> None:
    """Its worker has it in hand, and commits it while the other waits."""
    campaign, lead = a_paused_campaign_of_two_versions()
    resume(campaign=campaign, now=NOW, policy="send")
    clock = VirtualClock(NOW)
    with meanwhile() as begin, transaction.atomic():
        decided = begun(clock)
        if whole is skip_all:
            pause(campaign=campaign, now=NOW)
        begin(lambda: whole(campaign))
    settle(dispatch_all(decided.dispatches, clock), NOW)
    assert (logs(), enrolment_of(lead).version, broken()) == ([(1, "sent", ""), (2, "pending", "")], 1, {})
