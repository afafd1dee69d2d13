"""An engine is killed once at every point between two statements of its passes; whatever the point, nothing is lost and
nothing is done twice (failures.md rows 2, 3, 4, 7 and 26).

Each point is a process that dies by SIGKILL. The points are those of a run that nobody disturbed: a new statement of
the engine is a new point.
"""

import signal
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.campaigns.crash_matrix import Matrix, Run, crash_everywhere
from tests.campaigns.recovery import counting_wired
from tests.many import committed_rows
from tests.peers.counting import REACHES_NOBODY
from tests.peers.dying import PHASES
from tests.peers.forking import a_forking_process

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
ACCEPTED, UNKNOWN = ("sent", ""), ("failed", "outcome_unknown")
# Some of the points, so that no hook comes loose unseen.
LANDMARKS = {
    "end_what_is_over: WITH o AS",
    "fire: WITH candidate AS",
    "settle_expired: WITH o AS",
    "settle_resent_calls: WITH corrected AS",
    "correct_unsettled: WITH corrected AS",
    "decide_batch: SELECT taken.id",
    "decide_batch: WITH act AS",
    "decide_batch: before COMMIT",
    "decide_batch: after COMMIT",
    "dispatch_all: the provider is asked",
    "dispatch_all: the provider has answered",
    "settle: WITH o AS",
    "settle: UPDATE campaigns_campaignlog",
    "settle: before COMMIT",
    "settle: after COMMIT",
    "settle_calls: WITH o AS",
    "settle_calls: UPDATE campaigns_campaignlog",
}
# What the provider's last word about a step means for its log.
TOLD = {
    "accept": ACCEPTED,
    "refuse": ("failed", "refused"),
    "timeout": UNKNOWN,
}


@pytest.fixture(scope="module")
def matrix(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    database_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Matrix]:
    with (
        django_db_blocker.unblock(),
        committed_rows(),
        counting_wired(),
        a_forking_process(database_environment, SENDER_THREADS="1") as forks,
    ):
        yield crash_everywhere(forks, tmp_path_factory.mktemp("crashes"))


def test_points_cover_every_phase(matrix: Matrix) -> None:
    """A phase that is new wants a name in tests/peers/dying.py, and something to do in the story."""
    found = [point.split(". ", 1)[1] for point in matrix.points]
    assert matrix.undisturbed.code == 0
    assert len(found) > 100
    assert {name.split(":")[0] for name in found} == PHASES
    assert [mark for mark in LANDMARKS if not any(name.startswith(mark) for name in found)] == []


def test_story_has_every_ending(matrix: Matrix) -> None:
    """Nothing that the engine does is missing from what it is killed in."""
    assert matrix.undisturbed.steps == {
        "abandoned/forgotten/1": UNKNOWN,
        "arrivals/arrived/1": ACCEPTED,
        "calls/answered/1": ACCEPTED,
        "calls/busy/1": ACCEPTED,
        "calls/called/1": ACCEPTED,
        "calls/told/1": ACCEPTED,
        "fallback/nobody/1": ACCEPTED,
        "mails/first/1": ACCEPTED,
        "mails/second/1": ACCEPTED,
        "meeting/invited/1": ACCEPTED,
        "messages/accepted/1": ACCEPTED,
        "messages/accepted/2": ACCEPTED,
        "messages/an agent's/1": ("skipped", "handed_to_agent"),
        "messages/an agent's/2": ("skipped", "handed_to_agent"),
        "messages/asleep/1": ACCEPTED,
        "messages/asleep/2": ACCEPTED,
        "messages/lost/1": UNKNOWN,
        "messages/lost/2": UNKNOWN,
        "messages/new/1": ACCEPTED,
        "messages/new/2": ACCEPTED,
        "messages/refused/1": ("failed", "refused"),
        "messages/refused/2": ("failed", "refused"),
        "messages/refused for now/1": ACCEPTED,
        "messages/refused for now/2": ACCEPTED,
        "messages/replied/1": ACCEPTED,
        "messages/replied/2": ("skipped", "replied"),
        "messages/told/1": ACCEPTED,
        "messages/told/2": UNKNOWN,
        "moves/moved/1": ACCEPTED,
        "moves/moved/2": ("skipped", "condition:stage"),
        "moves/moving/1": ACCEPTED,
        "moves/moving/2": ("skipped", "condition:stage"),
        "simulated/simulated/1": ACCEPTED,
    }


def test_engine_dies_at_every_point(matrix: Matrix) -> None:
    """Killed there and nowhere else, after the very steps of the run that nobody disturbed."""
    assert [run.point for run in matrix.killed] == matrix.points
    ends = [(run.code, run.reached) for run in matrix.killed]
    assert ends == [(-signal.SIGKILL, matrix.points[:number]) for number in range(1, len(matrix.points) + 1)]


def test_provider_hears_each_key_once(matrix: Matrix) -> None:
    """failures.md row 4."""
    assert matrix.failing(lambda run: [key for key, times in run.keys.items() if times > 1]) == {}


def test_provider_hears_only_what_was_committed(matrix: Matrix) -> None:
    """failures.md row 4: the intent is stored before the call."""
    assert matrix.failing(lambda run: run.unwritten) == {}


def test_no_step_reaches_anybody_twice(matrix: Matrix) -> None:
    """failures.md rows 1 and 4: a next attempt follows only one that reached nobody."""

    def twice(run: Run) -> list[str]:
        return [step for step, words in run.heard.items() if len([w for w in words if w not in REACHES_NOBODY]) > 1]

    assert matrix.failing(twice) == {}


def test_no_step_is_lost(matrix: Matrix) -> None:
    """failures.md rows 2, 3 and 7: each lead got each step, each ended, and nobody is left under way."""
    steps, enrolments = matrix.undisturbed.steps, matrix.undisturbed.enrolments
    assert matrix.failing(lambda run: run.steps.keys() ^ steps.keys()) == {}
    assert matrix.failing(lambda run: [step for step, said in run.steps.items() if said[0] == "pending"]) == {}
    assert matrix.failing(lambda run: run.enrolments - enrolments or enrolments - run.enrolments) == {}


def test_steps_end_as_if_nothing_had_happened_but_for_those_in_flight(matrix: Matrix) -> None:
    """failures.md rows 2 and 4: what was in flight ends unknown; nothing else does, and nothing else ends otherwise."""

    def otherwise(run: Run) -> dict[str, tuple[str, str]]:
        usual = matrix.undisturbed.steps
        return {
            step: said
            for step, said in run.steps.items()
            if said != usual[step] and not (said == UNKNOWN and step in run.in_flight)
        }

    assert matrix.failing(otherwise) == {}


def test_log_says_what_the_provider_said_or_that_nobody_knows(matrix: Matrix) -> None:
    """failures.md rows 4 and 31."""

    def wrong(run: Run) -> dict[str, tuple[str, str]]:
        said = {step: run.steps[step] for step in run.heard}
        return {step: end for step, end in said.items() if end not in (TOLD.get(run.heard[step][-1]), UNKNOWN)}

    def unheard(run: Run) -> list[str]:
        contacts = [step for step in matrix.undisturbed.heard if run.steps.get(step) == ACCEPTED]
        return [step for step in contacts if step not in run.heard]

    assert matrix.failing(wrong) == {}
    assert matrix.failing(unheard) == {}


def test_moves_tasks_and_meetings_happen_once(matrix: Matrix) -> None:
    """failures.md row 26: what is done in the decision is done with it, or not yet."""
    effects = matrix.undisturbed.effects
    assert matrix.failing(lambda run: run.effects - effects or effects - run.effects) == {}


def test_unknown_outcomes_are_in_flight_rows_of_the_dead(matrix: Matrix) -> None:
    """failures.md row 2: some points do leave unknown outcomes, so that the tests above are about something."""
    usual = sum(said == UNKNOWN for said in matrix.undisturbed.steps.values())
    more = matrix.failing(lambda run: sum(said == UNKNOWN for said in run.steps.values()) - usual)
    assert len(more) > 30
    assert max(more.values()) > 5


def test_ledger_is_clean_after_every_point(matrix: Matrix) -> None:
    assert matrix.undisturbed.broken == []
    assert matrix.failing(lambda run: run.broken) == {}
