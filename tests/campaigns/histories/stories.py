"""What happens in the histories that are played: leads, steps and campaigns, as Hypothesis chooses them."""

from typing import Any

from hypothesis import strategies as st

from tests.campaigns.reference.world import MOVES, Rules, Step

CHANNELS = ("telegram", "email", "whatsapp")
WORDS = (
    *[["accept"]] * 6,
    ["refuse"],
    ["invalid"],
    ["temporary", "accept"],
    ["temporary"],
    ["timeout"],
    ["timeout", "accept"],
)


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


# How many passes, and how many minutes before each, None for as many as it takes until the next step is due; one that
# comes after more than two days finds everything late.
passes = one_of(
    *[(1, None), (2, None), (3, None), (4, None), (1, 0), (1, 6), (1, 60), (2, 300), (5, 600), (3, 1_440)] * 2,
    *[(1, None), (2, None), (4, None), (1, 10_000)],
)
pauses = st.none() | passes
waits = one_of((None,), (None,), (0,), (60,))
numbers = st.integers(0, 11)
stages = st.sampled_from(list(MOVES))
words = st.sampled_from(WORDS)
incomes = st.sampled_from([0, 500_000, 1_000_000, 3_000_000])
treatments = one_of("automated_telegram", "automated_call", "automated_call", "manual_follow_up", "hold")
delays = one_of(1, 0, 0.25, 4, 12, 24, 24, 48)
some = st.just([0, 1, 2, 3]) | st.lists(numbers, min_size=1, max_size=4)


# The last digit of a phone says what the sandbox's phone does; '' is no phone.
leads = st.fixed_dictionaries(
    {
        "digit": one_of("1", "1", "7", "8", "9", ""),
        "has_email": one_of(True, True, True, False),
        "has_telegram": one_of(True, True, True, False),
        "words": st.fixed_dictionaries(dict.fromkeys(("phone", "email", "telegram"), words)),
        "name": one_of("Ana Soto", ""),
        "location": one_of("Lota", ""),
        "timezone": one_of("", "", "Europe/Madrid", "Pacific/Auckland"),
        "treatment": one_of(*["automated_telegram", "automated_call", "automated_call"] * 2, "manual_follow_up"),
        "income": incomes,
        "has_agent": one_of(True, True, True, False),
        "stage": one_of("entrada", "entrada", "perfilamiento", "seguimiento"),
    }
)
lead_clauses = st.one_of(
    st.tuples(st.just("score_min"), one_of(10, 15, 20, 25)),
    st.tuples(st.just("score_max"), one_of(10, 15, 20, 25)),
    st.tuples(st.just("stage"), st.lists(stages, min_size=1, max_size=3, unique=True)),
    st.tuples(st.just("has_email"), st.booleans()),
    st.tuples(st.just("has_phone"), st.booleans()),
    st.tuples(st.just("treatment"), one_of(["automated_call"], ["automated_telegram", "hold"])),
    st.tuples(st.just("assigned"), one_of("yes", "no")),
    st.tuples(st.just("inactivity_days"), one_of(1, 3)),
    st.tuples(st.just("in_stage_days"), one_of(1, 3)),
)
step_clauses = st.one_of(
    lead_clauses,
    st.tuples(st.just("replied_since_enrolment"), st.booleans()),
    st.tuples(st.just("previous_step"), one_of(["sent"], ["failed"], ["skipped", "failed"])),
    st.tuples(st.just("last_call"), one_of(["completed"], ["busy", "no_answer"])),
)


def by_key(clauses: list[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple(dict(clauses).items())


nothing = st.just(())
conditions = nothing | nothing | nothing | st.lists(step_clauses, min_size=1, max_size=2).map(by_key)
messages = st.builds(
    Step,
    action=st.just("send_message"),
    hours=delays,
    channel=st.sampled_from(CHANNELS),
    text=one_of("plain", "plain", "plain", "area"),
    fallback=one_of("", "", *CHANNELS),
    conditions=conditions,
)
meetings = st.builds(
    Step,
    action=st.just("schedule_meeting"),
    hours=delays,
    channel=st.sampled_from(CHANNELS),
    text=st.just("visit"),
    fallback=one_of("", *CHANNELS),
    conditions=conditions,
)
calls = st.builds(Step, action=st.just("make_call"), hours=delays, channel=st.just("call"), conditions=conditions)
targets = one_of("perfilamiento", "calificacion_financiera", "perfilamiento", "seguimiento", "perdido") | stages
moves = st.builds(Step, action=st.just("update_stage"), hours=delays, target=targets, conditions=conditions)


def is_sound(step: Step) -> bool:
    """A fallback is another channel."""
    return not step.fallback or step.fallback != step.channel


steps = st.lists(
    st.one_of(messages, messages, messages, calls, meetings, moves).filter(is_sound),
    min_size=3,
    max_size=6,
).map(tuple)

triggers = st.one_of(
    st.just(("manual", {})),
    st.just(("manual", {})),
    one_of(10, 15, 20, 25).map(lambda low: ("lead_score", {"score_min": low})),
    one_of(10, 20).map(lambda high: ("lead_score", {"score_min": 5, "score_max": high})),
    st.lists(stages, min_size=1, max_size=3, unique=True).map(lambda entered: ("stage_change", {"stage": entered})),
    one_of(1, 3).map(lambda days: ("inactivity", {"inactivity_days": days})),
)


def narrowed(chosen: tuple[tuple[str, dict[str, Any]], tuple[str, Any] | None]) -> tuple[str, dict[str, Any]]:
    (kind, condition), clause = chosen
    return kind, dict([clause]) | condition if clause else condition


goals = one_of("", "", "", "seguimiento", "calificacion_financiera")
rules = st.builds(Rules, exit_on_reply=st.booleans(), goal=goals)
campaigns = st.fixed_dictionaries(
    {
        "trigger": st.tuples(triggers, st.none() | lead_clauses).map(narrowed),
        "rules": rules,
        "steps": steps,
        "max_contacts": one_of(None, None, None, 2, 5),
        "reentry_days": one_of(1, 1, 1, None),
        "holdout": one_of(0, 0, 0, 0, 0, 50),
        "priority": one_of(0, 0, 1),
    }
)
