"""How a history is begun, ended and compared; and what may happen in it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.backoff import retry_at
from campaigns.deciding import Dispatch
from campaigns.models import Campaign, CampaignLog, Enrollment
from leads.models import Lead
from messaging.clock import VirtualClock
from tests.building import NOW, broken, now_of
from tests.campaigns.histories import stories
from tests.campaigns.histories.comparing import differences, key_of, row_of
from tests.campaigns.histories.stage import SAID, Stage, count_from_one
from tests.campaigns.reference import verbs
from tests.campaigns.reference import world as plain
from tests.campaigns.reference.world import Contact, Entry, Log, World
from tests.peers.counting import sends


def happening(**drawn: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A rule after which time may go by and a pass be made."""

    def ruled(happen: Callable[..., None]) -> Any:
        def play(machine: "Base", then: tuple[int, int] | None, **what: Any) -> None:
            happen(machine, **what)
            if then is not None:
                machine.work(passes=then)

        play.__name__ = happen.__name__
        return rule(then=stories.pauses, **drawn)(play)

    return ruled


def said_of(verb: Callable[..., Any], *what: Any, **how: Any) -> str:
    """The reason for which it was refused, else ''."""
    try:
        verb(*what, **how)
    except Refused as refused:
        return refused.reason
    return ""


def has_leads(machine: "Base") -> bool:
    return any(not lead.is_deleted for lead in machine.world.leads.values())


def has_some_leads(machine: "Base") -> bool:
    return sum(not lead.is_deleted for lead in machine.world.leads.values()) > 1


def has_entries(machine: "Base") -> bool:
    return bool(machine.world.entries)


def has_failures(machine: "Base") -> bool:
    return any(log.status == "failed" for log in machine.world.logs())


class Base(RuleBasedStateMachine):
    """The beginning and the end of a history, and the comparison in between."""

    stage: Stage
    world: World

    def __init__(self) -> None:
        super().__init__()
        count_from_one(self.stage)
        self.stage.sent_file.unlink(missing_ok=True)
        self.beginning = transaction.savepoint()
        self.clock = VirtualClock(NOW)
        self.broker = self.stage.broker
        self.born = self.meetings = 0
        self.held: list[tuple[Dispatch, Contact]] = []

    def teardown(self) -> None:
        try:
            assert broken() == {}
            keys = [send.key for send in sends(self.stage.sent_file)]
            assert len(keys) == len(set(keys))
        finally:
            transaction.set_rollback(False)
            transaction.savepoint_rollback(self.beginning)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    # Picking one of what there is; both sides in the same order.

    def lead(self, number: int) -> tuple[Lead, plain.Lead]:
        present = [lead for lead in self.world.leads.values() if not lead.is_deleted]
        chosen = present[number % len(present)]
        return now_of(Lead(pk=chosen.id)), chosen

    def campaign(self, number: int) -> tuple[Campaign, plain.Campaign]:
        chosen = self.world.campaigns[number % len(self.world.campaigns)]
        return Campaign.objects.get(pk=chosen.id), chosen

    def entry(self, number: int) -> tuple[Enrollment, Entry]:
        chosen = self.world.entries[number % len(self.world.entries)]
        return Enrollment.objects.get(**key_of(chosen)), chosen

    def unknown(self, number: int) -> tuple[CampaignLog, Log]:
        """A row that failed, preferably one of which nobody knows what became."""
        failed = [log for log in self.world.logs() if log.status == "failed"]
        unknown = [log for log in failed if verbs.is_unsettled(log)] or failed
        chosen = unknown[number % len(unknown)]
        return row_of(chosen), chosen

    # The beginning

    @initialize(
        caps=stories.one_of((1, 2), (1, 3), (2, 5), (100, 100)),
        leads=st.lists(stories.leads, min_size=3, max_size=3),
        campaigns=st.lists(stories.campaigns, min_size=2, max_size=2),
        is_enrolled=stories.one_of(True, True, True, False),
    )
    def begin(
        self, caps: tuple[int, int], leads: list[dict[str, Any]], campaigns: list[dict[str, Any]], is_enrolled: bool
    ) -> None:
        Broker.objects.update(cap_24h=caps[0], cap_7d=caps[1])
        self.world = World(self.now, self.broker.timezone, *caps, self.retry_at, NOW, SAID)
        for lead in leads:
            self.create_lead(lead)
        for number, campaign in enumerate(campaigns):
            self.create_campaign(then=None, campaign=campaign)
            if is_enrolled:
                self.enroll(then=None, number=number, chosen=list(range(len(leads))))

    def retry_at(self, log: Log, attempt: int) -> datetime:
        return retry_at(self.now, attempt, row_of(log).pk, None)

    @invariant()
    def both_are_the_same(self) -> None:
        if hasattr(self, "world"):
            self.compare()

    def compare(self) -> None:
        """The whole of what can be seen; what differs comes by kind and key, as it is and as it should be."""
        found = differences(self.world)
        assert found == [], "\n".join(str(one) for one in found)
