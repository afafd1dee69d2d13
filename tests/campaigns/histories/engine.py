"""What is done to single entries, and what the engine and its workers do."""

from datetime import timedelta

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from campaigns import actions, engine
from campaigns.deciding import decide_batch, due_groups
from campaigns.settling import settle
from tests.building import HOUR, enroll
from tests.campaigns.histories import stories
from tests.campaigns.histories.base import Base, happening, has_entries, has_failures, has_leads, said_of
from tests.campaigns.reference import engine as plain_engine
from tests.campaigns.reference import verbs
from tests.peers.counting import WORDS


class EngineHistories(Base):
    @precondition(has_leads)
    @happening(number=stories.numbers, chosen=stories.some)
    def enroll(self, number: int, chosen: list[int]) -> None:
        row, campaign = self.campaign(number)
        rows = [self.lead(one)[0] for one in chosen]
        said = said_of(enroll, row, *rows, now=self.now)
        assert said == verbs.enroll_by_hand(self.world, campaign, [row.pk for row in rows])

    @precondition(has_entries)
    @happening(number=stories.numbers, hours=stories.one_of(1, 30, 400))
    def pause_entry(self, number: int, hours: int) -> None:
        row, entry = self.entry(number)
        until = self.now + hours * HOUR
        said = said_of(actions.pause_enrollment, enrollment=row, until=until, now=self.now)
        assert said == verbs.pause_entry(self.world, entry, until)

    @precondition(has_entries)
    @happening(number=stories.numbers, waits=st.none() | stories.waits)
    def stop_entry(self, number: int, waits: tuple[int | None] | None) -> None:
        """Perhaps while its step is being sent."""
        if waits:
            self.begin_batch(then=None, minutes=waits[0], is_committed=True)
        sent = [contact.log.entry for _dispatch, contact in self.held if waits]
        row, entry = self.entry(self.world.entries.index(sent[-1]) if sent else number)
        said = said_of(actions.stop_enrollment, enrollment=row, now=self.now)
        assert said == verbs.stop_entry(self.world, entry)

    @precondition(has_entries)
    @happening(number=stories.numbers)
    def enroll_again(self, number: int) -> None:
        row, entry = self.entry(number)
        assert said_of(actions.enroll_again, enrollment=row, now=self.now) == verbs.enroll_again(self.world, entry)

    # Unknown outcomes

    @precondition(has_failures)
    @happening(number=stories.numbers)
    def confirm_delivered(self, number: int) -> None:
        row, log = self.unknown(number)
        assert said_of(actions.confirm_delivered, log=row, now=self.now) == verbs.confirm_delivered(self.world, log)

    @precondition(has_failures)
    @happening(number=stories.numbers)
    def leave_unknown(self, number: int) -> None:
        row, log = self.unknown(number)
        assert said_of(actions.leave_unknown, log=row, now=self.now) == verbs.leave_unknown(self.world, log)

    @precondition(has_failures)
    @happening(number=stories.numbers)
    def send_again(self, number: int) -> None:
        row, log = self.unknown(number)
        assert said_of(actions.send_again, log=row, clock=self.clock) == verbs.send_again(self.world, log)

    # The engine

    def pass_time(self, minutes: int | None) -> None:
        """None: until the next step is due."""
        due = [log.due for log in self.world.logs() if log.is_waiting and log.due > self.now]
        if minutes is None and due:
            self.clock.sleep_until(min(due))
        else:
            self.clock.advance(timedelta(minutes=minutes or 0))
        self.world.now = self.now

    @rule(passes=stories.passes)
    def work(self, passes: tuple[int, int | None]) -> None:
        """Time goes by, then a pass; some times."""
        for _ in range(passes[0]):
            self.pass_time(passes[1])
            engine.run(clock=self.clock)
            plain_engine.run(self.world)
            self.compare()

    @rule(passes=stories.passes)
    def work_off(self, passes: tuple[int, int | None]) -> None:
        """Without the triggers."""
        self.pass_time(passes[1])
        engine.work_off(clock=self.clock, broker=self.broker)
        plain_engine.work_off(self.world)

    @happening(minutes=stories.waits.map(lambda waits: waits[0]), is_committed=stories.one_of(True, True, True, False))
    def begin_batch(self, minutes: int | None, is_committed: bool) -> None:
        """A worker decides and is not heard of again: for ever, or until `answer`; or dies before its commit."""
        self.pass_time(minutes)
        with transaction.atomic():
            groups = due_groups(batch=100, broker_id=None, now=self.now)
            dispatches = decide_batch(groups=groups, size=100, now=self.now).dispatches
            transaction.set_rollback(not is_committed)
        if is_committed:
            by_lead = {dispatch.due.facts.lead.id: dispatch for dispatch in dispatches}
            for contact in plain_engine.decide_due(self.world) or ():
                self.held.append((by_lead.pop(contact.message.lead.id), contact))
            assert by_lead == {}

    @precondition(lambda self: self.held)
    @happening(number=stories.numbers, word=stories.one_of("accept", "refuse", "invalid", "temporary", "timeout"))
    def answer(self, number: int, word: str) -> None:
        """The worker comes back with what its provider said."""
        dispatch, contact = self.held.pop(number % len(self.held))
        settle([(dispatch, WORDS[word](dispatch.envelope, 0))], self.now)
        plain_engine.settle(self.world, contact, word)
