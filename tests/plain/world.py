"""Made-up histories of a few leads, and how they come into the database. Moments are whole hours after NOW,
most of them a multiple of six, so that they often fall together, and on the bounds of what is asked."""

from dataclasses import dataclass

from hypothesis import strategies as st

from brokers.models import Broker, User
from campaigns.models import Campaign, CampaignLog, Enrollment
from leads.models import ContactPermission, Lead, Stage, StageTransition
from messaging.models import Message
from tests.building import a_user
from tests.figures import after

# What is asked later than this is not known yet; what happened in the last day had no day yet.
TELLING = 66
LAST = 72
MOMENTS = st.sampled_from(range(0, LAST + 1, 6))
SOURCES = ["TocToc", "Instagram", ""]
GOALS = ["agendado", ""]


@dataclass(frozen=True)
class Move:
    at: int
    before: str
    stage: str
    cause: str


@dataclass(frozen=True)
class Said:
    at: int
    is_question: bool
    is_persons: bool = False
    status: str = "sent"
    delay: int | None = None
    is_automatic: bool = False
    is_opt_out: bool = False
    sandbox: bool = False


@dataclass(frozen=True)
class Entry:
    campaign: int
    at: int
    is_held: bool
    sandbox: bool
    is_contacted: bool


@dataclass(frozen=True)
class Person:
    moves: list[Move]
    said: list[Said]
    entries: list[Entry]
    source: str
    agent: int | None
    is_deleted: bool
    is_merged: bool
    is_on_hold: bool
    first_touched: int | None
    silent_since: int

    @property
    def arrived(self) -> int:
        return self.moves[0].at


@st.composite
def moves(draw: st.DrawFn) -> list[Move]:
    """Every third or so is a correction, most of which take the move before them back."""
    found = [
        Move(
            draw(st.sampled_from(range(0, 48, 6))),
            "",
            draw(st.sampled_from(Stage.values)),
            draw(st.sampled_from(["arrival", "import", "migration"])),
        )
    ]
    for _ in range(draw(st.integers(1, 5))):
        last = found[-1]
        others = [stage for stage in ("entrada", "perfilamiento", "agendado", "ganado") if stage != last.stage]
        cause = draw(st.sampled_from(["agent", "auto", "campaign", "correction", "correction", "migration"]))
        to = draw(st.sampled_from(others))
        if cause == "correction" and last.before and draw(st.integers(0, 3)):
            to = last.before
        found.append(Move(min(LAST, last.at + draw(st.sampled_from([0, 6, 6, 12, 24]))), last.stage, to, cause))
    return found


def said() -> st.SearchStrategy[Said]:
    flags = st.sampled_from([False, False, False, True])
    question = st.builds(
        Said, at=MOMENTS, is_question=st.just(True), is_automatic=flags, is_opt_out=flags, sandbox=flags
    )
    answer = st.builds(
        Said,
        at=MOMENTS,
        is_question=st.just(False),
        is_persons=st.booleans(),
        status=st.sampled_from(["sent", "delivered", "read", "failed", "unknown"]),
        delay=st.sampled_from([None, 0, 1]),
        sandbox=flags,
    )
    return st.one_of(question, answer)


def entries() -> st.SearchStrategy[list[Entry]]:
    flags = st.booleans()
    one = st.builds(Entry, campaign=st.integers(0, 1), at=MOMENTS, is_held=flags, sandbox=flags, is_contacted=flags)
    return st.lists(one, min_size=1, max_size=4).map(lambda found: sorted(found, key=lambda entry: entry.at))


def people() -> st.SearchStrategy[list[Person]]:
    seldom = st.sampled_from([False, False, False, True])
    one = st.builds(
        Person,
        moves=moves(),
        said=st.lists(said(), min_size=2, max_size=7),
        entries=entries(),
        source=st.sampled_from(SOURCES),
        agent=st.sampled_from([None, 0, 1]),
        is_deleted=seldom,
        is_merged=seldom,
        is_on_hold=seldom,
        first_touched=st.none() | MOMENTS,
        silent_since=MOMENTS,
    )
    return st.lists(one, max_size=1) | st.lists(one, min_size=4, max_size=9)


def settle(broker: Broker, world: list[Person]) -> list[User]:
    """Write the histories down as rows of this brokerage; its two agents."""
    agents = [a_user(broker, name) for name in ("carla", "diego")]
    campaigns = Campaign.objects.bulk_create(
        Campaign(broker=broker, name=f"Campaign {goal}", channel="telegram", goal_stage=goal, created_at=after(0))
        for goal in GOALS
    )
    leads = Lead.objects.bulk_create(_lead(broker, agents, person) for person in world)
    for lead, person in zip(leads, world, strict=True):
        StageTransition.objects.bulk_create(
            StageTransition(
                broker=broker,
                lead=lead,
                from_stage=move.before,
                to_stage=move.stage,
                at=after(move.at),
                cause=move.cause,
            )
            for move in person.moves
        )
        _write(lead, agents[0], person.said)
        _enter(lead, campaigns, person.entries)
    return agents


def _lead(broker: Broker, agents: list[User], person: Person) -> Lead:
    last = person.moves[-1]
    return Lead(
        broker=broker,
        pipeline_stage=last.stage,
        stage_entered_at=after(last.at),
        source=person.source,
        assigned_to=None if person.agent is None else agents[person.agent],
        treatment_type="hold" if person.is_on_hold else "automated_telegram",
        deleted_at=after(1) if person.is_deleted or person.is_merged else None,
        merged_into_id=0 if person.is_merged else None,
        first_touched_at=None if person.first_touched is None else after(person.first_touched),
        last_activity_at=after(person.silent_since),
        created_at=after(person.arrived),
        updated_at=after(person.arrived),
    )


def _write(lead: Lead, agent: User, said: list[Said]) -> None:
    messages = Message.objects.bulk_create(
        Message(
            broker_id=lead.broker_id,
            lead=lead,
            channel="telegram",
            direction="in" if one.is_question else "out",
            status="received" if one.is_question else one.status,
            sent_by=agent if one.is_persons else None,
            basis={"automatic": True} if one.is_automatic else {},
            sandbox=one.sandbox,
            dedupe_key=f"said:{lead.pk}:{number}",
            created_at=after(one.at),
            sent_at=None if one.delay is None else after(one.at + one.delay),
        )
        for number, one in enumerate(said)
    )
    ContactPermission.objects.bulk_create(
        ContactPermission(
            broker_id=lead.broker_id,
            lead=lead,
            kind="revoked",
            source="keyword",
            evidence={"message": message.pk},
            at=message.created_at,
        )
        for message, one in zip(messages, said, strict=True)
        if one.is_opt_out
    )


def _enter(lead: Lead, campaigns: list[Campaign], entries: list[Entry]) -> None:
    """The first entry into a campaign is 1, on either side."""
    counts: dict[tuple[int, bool], int] = {}
    for entry in entries:
        key = entry.campaign, entry.sandbox
        counts[key] = counts.get(key, 0) + 1
        row = Enrollment.objects.create(
            broker_id=lead.broker_id,
            campaign=campaigns[entry.campaign],
            lead=lead,
            version=1,
            entry=counts[key],
            trigger="manual",
            status="held_out" if entry.is_held else "completed",
            sandbox=entry.sandbox,
            enrolled_at=after(entry.at),
        )
        CampaignLog.objects.create(
            broker_id=lead.broker_id,
            enrollment=row,
            campaign=row.campaign,
            lead=lead,
            step_id=0,
            step_number=1,
            action="send_message",
            status="sent" if entry.is_contacted else "skipped",
            message_id=1,
            planned_at=row.enrolled_at,
            due_at=row.enrolled_at,
            created_at=row.enrolled_at,
        )
