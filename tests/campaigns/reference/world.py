"""The things of the reference: leads, campaigns, who is in them, and the log."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# The pipeline's table: from each stage to those that a lead may go to.
MOVES = {
    "entrada": {"perfilamiento", "calificacion_financiera", "agendado", "perdido"},
    "perfilamiento": {"calificacion_financiera", "agendado", "perdido"},
    "calificacion_financiera": {"agendado", "seguimiento", "perdido"},
    "agendado": {"seguimiento", "ganado", "perdido"},
    "seguimiento": {"calificacion_financiera", "agendado", "ganado", "perdido"},
    "ganado": {"referidos"},
    "referidos": set(),
    "perdido": {"perfilamiento"},
}
STAGE_POINTS = dict(zip(MOVES, (0, 2, 4, 8, 5, 10, 9, -10), strict=True))
RANK = dict(zip(MOVES, (0, 1, 2, 3, 3, 4, 4, 4), strict=True))
ADDRESS = {"telegram": "telegram", "email": "email", "whatsapp": "phone", "call": "phone"}
CONTACTS = ("send_message", "make_call", "schedule_meeting")
FALLS_BACK = ("no_address", "unreachable", "treatment")
TRIGGERS = ("lead_score", "stage_change", "inactivity")
UNKNOWN = ("outcome_unknown", "left_unknown")
CODES = {"refuse": "refused", "invalid": "invalid_address", "temporary": "too_many", "timeout": "timeout"}


class Event(NamedTuple):
    """A lead went from one stage, or score, to another; `is_silent` fires nothing, `is_auto` was by its facts alone."""

    at: datetime
    before: object
    after: object
    is_silent: bool
    is_auto: bool = False


@dataclass
class Lead:
    id: int
    addresses: dict[str, str]
    name: str
    location: str
    timezone: str
    treatment: str
    income: int
    has_agent: bool
    stage: str
    active_at: datetime
    score: int = 0
    inbound: int = 0
    long_calls: int = 0
    opted_out_at: datetime | None = None
    inbound_at: datetime | None = None
    answered_at: datetime | None = None
    is_deleted: bool = False
    is_merged: bool = False
    unreachable: dict[str, str] = field(default_factory=dict)
    stages: list[Event] = field(default_factory=list)
    scores: list[Event] = field(default_factory=list)
    booked: list[datetime] = field(default_factory=list)
    is_taken_back: bool = False

    @property
    def opted_out(self) -> bool:
        return self.opted_out_at is not None

    def reached_by(self, channel: str) -> str:
        return self.addresses[ADDRESS[channel]]


@dataclass(frozen=True)
class Step:
    action: str
    hours: float = 0
    channel: str = ""
    text: str = ""
    target: str = ""
    fallback: str = ""
    conditions: tuple[tuple[str, object], ...] = ()

    def ways(self) -> list[str]:
        return [self.channel, self.fallback] if self.fallback else [self.channel]


@dataclass(frozen=True)
class Rules:
    """The settings that enrolments live by."""

    exit_on_reply: bool = True
    goal: str = ""


@dataclass
class Campaign:
    id: int
    trigger: str
    condition: dict[str, object]
    rules: Rules
    steps: tuple[Step, ...]
    collects_from: datetime
    max_contacts: int | None = None
    reentry_days: int | None = None
    holdout: int = 0
    priority: int = 0
    version: int = 1
    status: str = "active"
    paused_at: datetime | None = None
    enrolled: int = 0
    versions: dict[int, tuple[Rules, tuple[Step, ...]]] = field(default_factory=dict)


@dataclass
class Message:
    lead: Lead
    channel: str
    address: str
    text: str
    key: str
    at: datetime
    status: str = "sending"
    code: str = ""
    call: str = ""
    log: "Log | None" = None


@dataclass
class Log:
    """One step of one entry; `dispatched` while it is in a worker's hands, until `lease`."""

    entry: "Entry"
    number: int
    step: Step
    channel: str
    planned: datetime
    due: datetime
    created: datetime
    status: str = "pending"
    reason: str = ""
    attempts: int = 0
    message: Message | None = None
    dispatched: bool = False
    lease: datetime | None = None
    done_at: datetime | None = None
    is_invited: bool = False
    resent: int = 0

    @property
    def is_waiting(self) -> bool:
        return self.status == "pending" and not self.dispatched


@dataclass
class Entry:
    """An enrolment."""

    campaign: Campaign
    lead: Lead
    number: int
    version: int
    trigger: str
    at: datetime
    status: str = "active"
    exit_reason: str = ""
    ended_at: datetime | None = None
    logs: list[Log] = field(default_factory=list)

    @property
    def rules(self) -> Rules:
        return self.campaign.versions[self.version][0]

    def step(self, number: int) -> Step | None:
        steps = self.campaign.versions[self.version][1]
        return steps[number - 1] if number <= len(steps) else None


@dataclass(eq=False)
class Permission:
    lead: int
    address: str
    channel: str
    purpose: str
    is_revoked: bool
    at: datetime


@dataclass
class Merge:
    """What moved, and `into` before and after."""

    into: Lead
    gone: Lead
    at: datetime
    before: dict[str, object]
    given: dict[str, object]
    unreachable: dict[str, str]
    booked: list[datetime]
    entries: list[tuple[Entry, int]]
    ended: list[Entry]
    messages: list[Message]
    permissions: list[Permission]
    written: list[Permission]
    # How many stages `into` had been through.
    stages: int = 0
    is_undone: bool = False


class Decision(NamedTuple):
    """`kind` is act, skip, fail, postpone or exit."""

    kind: str
    reason: str = ""
    until: datetime | None = None
    way: int = 0


@dataclass
class Contact:
    """What a worker has committed to, as it stood when it was decided."""

    log: Log
    message: Message
    way: int
    has_fallback: bool
    attempt: int
    at: datetime


@dataclass
class World:
    """`words` says what the provider answers at an address, attempt by attempt; `retry_at` is told a log and the number
    of its attempt. `texts` are the templates, `inactive` those that are not, by channel and name."""

    now: datetime
    zone: str
    cap_24h: int
    cap_7d: int
    retry_at: Callable[[Log, int], datetime]
    swept_to: datetime
    texts: Mapping[str, Callable[[Lead], str]]
    stopped_at: datetime | None = None
    platform_stopped_at: datetime | None = None
    leads: dict[int, Lead] = field(default_factory=dict)
    campaigns: list[Campaign] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    permissions: list[Permission] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)
    inactive: set[tuple[str, str]] = field(default_factory=set)
    merges: list[Merge] = field(default_factory=list)

    def logs(self) -> list[Log]:
        return [log for entry in self.entries for log in entry.logs]

    def logs_of(self, lead: Lead) -> list[Log]:
        return [log for log in self.logs() if log.entry.lead is lead]
