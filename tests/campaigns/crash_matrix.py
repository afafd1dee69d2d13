"""Kills an engine once at every point between two statements of a pass, each over a brokerage of its own, and lets one
engine recover them all."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.apps import apps

from brokers.models import Broker
from campaigns.deciding import SEND_LEASE
from campaigns.ledger import verify
from campaigns.models import CampaignLog, Enrollment
from leads.models import Appointment, StageTransition, Task
from messaging.models import Message
from tests.building import NOW
from tests.campaigns.crash_story import MINUTE, a_story
from tests.campaigns.recovery import recover, wait_for_the_dead
from tests.many import STRIDE, analyze, copies_of_brokerage
from tests.peers.counting import Send, sends
from tests.peers.forking import Forks

AT_ONCE = 2
STEP = ("campaign__name", "lead__name", "step_number")


@dataclass
class Run:
    """A brokerage whose engine was killed at `point`, and what became of it; steps are named by campaign and lead."""

    point: str
    code: int
    reached: list[str]
    in_flight: set[str] = field(default_factory=set)
    steps: dict[str, tuple[str, str]] = field(default_factory=dict)
    enrolments: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    unwritten: set[str] = field(default_factory=set)
    heard: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Matrix:
    """All that happened; `undisturbed` is the run whose engine nobody killed, which found the points."""

    undisturbed: Run
    killed: list[Run]

    @property
    def points(self) -> list[str]:
        return self.undisturbed.reached

    def failing(self, fault: Callable[[Run], Any]) -> dict[str, Any]:
        """What is wrong, by the point at which the engine was killed."""
        return {run.point: found for run in self.killed if (found := fault(run))}


def crash_everywhere(forks: Forks, folder: Path) -> Matrix:
    sent = folder / "sent"
    story = a_story(sent)
    forks.do("tests.peers.engine_process.warm", broker=story.pk, now=NOW.isoformat())

    def start(number: int, last: int) -> int:
        where = {"broker": story.pk + number * STRIDE, "points": str(folder / str(number))}
        return forks.start("tests.peers.dying.live", now=NOW.isoformat(), last=last, **where)

    def end(number: int, pid: int, point: str) -> Run:
        return Run(point, forks.wait(pid), (folder / str(number)).read_text().splitlines())

    copies_of_brokerage(story, 1, 1)
    undisturbed = end(1, start(1, last=0), "undisturbed")
    points = dict(enumerate(undisturbed.reached, 2))
    copies_of_brokerage(story, 2, len(points) + 1)
    analyze()
    runs = {1: undisturbed}
    for some in _by(AT_ONCE, list(points)):
        pids = [start(number, last=number - 1) for number in some]
        runs |= {number: end(number, pid, points[number]) for number, pid in zip(some, pids, strict=True)}
    wait_for_the_dead()
    of_broker = {story.pk + number * STRIDE: run for number, run in runs.items()}
    _observe_dead(of_broker, sent)
    recover(sent, NOW + SEND_LEASE + MINUTE / 2)
    _observe(of_broker, sent)
    return Matrix(runs.pop(1), list(runs.values()))


def _by(size: int, numbers: list[int]) -> list[list[int]]:
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]


def _observe_dead(runs: dict[int, Run], sent: Path) -> None:
    """What the dead leave: rows in flight, and, if they did wrong, contacts that nobody wrote down."""
    for broker, *step in CampaignLog.objects.in_flight().filter(broker__in=runs).values_list("broker", *STEP):
        runs[broker].in_flight.add(_name(*step))
    written = set(Message.objects.values_list("dedupe_key", flat=True))
    for run, step, send in _heard(runs, sent):
        run.unwritten |= {step} - ({step} if send.key in written else set())


def _name(*parts: Any) -> str:
    return "/".join(map(str, parts))


def _observe(runs: dict[int, Run], sent: Path) -> None:
    rows = CampaignLog.objects.filter(broker__in=runs).values_list("broker", "status", "reason", *STEP)
    for broker, status, reason, *step in rows:
        runs[broker].steps[_name(*step)] = (status, reason)
    for broker, *end in Enrollment.objects.filter(broker__in=runs).values_list(
        "broker", "campaign__name", "lead__name", "entry", "status", "exit_reason"
    ):
        runs[broker].enrolments[_name(*end)] += 1
    _observe_effects(runs)
    for run, step, send in _heard(runs, sent):
        run.heard[step].append(send.word)
        run.keys[send.key] += 1
    for finding in verify():
        for row in finding.rows:
            runs[_broker_of(row.table, row.row_id)].broken.append(f"{row.invariant}: {row.detail}")


def _observe_effects(runs: dict[int, Run]) -> None:
    """What the engine does beside sending."""
    for model in (StageTransition, Task, Appointment):
        for broker, lead in model._default_manager.filter(broker__in=runs).values_list("broker", "lead__name"):
            runs[broker].effects[_name(model.__name__, lead)] += 1


def _heard(runs: dict[int, Run], sent: Path) -> Iterator[tuple[Run, str, Send]]:
    """What the provider heard, with the run and the step that it belongs to."""
    rows = Enrollment.objects.filter(broker__in=runs).values_list("pk", "broker", "campaign__name", "lead__name")
    entries = {str(pk): rest for pk, *rest in rows}
    for send in sends(sent):
        _step, entry, number, _attempt = send.key.split(":")
        if entry in entries:
            broker, *names = entries[entry]
            yield runs[broker], _name(*names, number), send


def _broker_of(table: str, row_id: int) -> int:
    [model] = [m for m in apps.get_models() if m._meta.db_table == table and not m._meta.proxy]
    return row_id if model is Broker else model._default_manager.values_list("broker", flat=True).get(pk=row_id)
