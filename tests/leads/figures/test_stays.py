"""How long leads stay in a stage, and which have stood there too long: worked examples."""

from datetime import timedelta
from typing import Any

import pytest

from brokers.models import Broker, User
from leads.figures import Scope, Spread, StageTime, Stagnation, scope_for, scope_of, stagnant_leads, stagnation
from leads.figures import time_in_stage as times
from leads.models import Lead, Stage
from tests.building import DAY, NOW, a_broker
from tests.figures import a_history, after, hours

pytestmark = pytest.mark.django_db
LATER = after(1000)


def scope(broker: Broker, **narrowing: Any) -> Scope:
    return scope_of(broker=broker, now=LATER, **narrowing)


def time_in(stage: str, scope: Scope) -> StageTime:
    return next(one for one in times(scope) if one.stage == stage)


def standing(stage: str, scope: Scope) -> Stagnation:
    return next(one for one in stagnation(scope) if one.stage == stage)


def test_time_in_stage_has_percentiles_of_the_stays_that_ended(broker: Broker) -> None:
    for length in (1, 2, 3, 4, 11):
        a_history(broker, (0, "entrada"), (length, "perfilamiento"))
    found = time_in("entrada", scope(broker))
    assert (found.ended, found.lasted, found.p75) == (5, Spread(hours(3), hours(8.2)), hours(4))
    assert (found.open, found.so_far, found.longest_open) == (0, Spread(), None)


def test_stays_that_last_still_are_told_apart(broker: Broker) -> None:
    a_history(broker, (0, "entrada"))
    a_history(broker, (900, "entrada"))
    found = time_in("entrada", scope(broker))
    assert (found.ended, found.open, found.so_far.median, found.longest_open) == (0, 2, hours(550), hours(1000))


def test_stage_that_is_only_passed_through_is_no_stay(broker: Broker) -> None:
    """By its facts a new lead goes on at once; with these a stage would have a usual time of nothing."""
    for _ in range(20):
        a_history(broker, (900, "entrada"), (900, "perfilamiento", "auto"))
    a_history(broker, (900, "entrada"), (902, "perfilamiento"))
    found = time_in("entrada", scope(broker))
    assert (found.ended, found.lasted.median, standing("entrada", scope(broker)).limit) == (1, hours(2), None)


def test_every_stage_is_there_in_the_order_of_the_pipeline(broker: Broker) -> None:
    assert [one.stage for one in times(scope(broker))] == Stage.values


def test_lead_that_came_back_has_two_stays(broker: Broker) -> None:
    a_history(broker, (0, "perfilamiento"), (2, "perdido"), (10, "perfilamiento"), (16, "perdido"))
    found = time_in("perfilamiento", scope(broker))
    assert (found.ended, found.lasted.median) == (2, hours(4))
    assert (time_in("perdido", scope(broker)).ended, time_in("perdido", scope(broker)).open) == (1, 1)


def test_stay_counts_in_the_period_in_which_it_ended(broker: Broker) -> None:
    """NOW is 4 March, noon in Santiago."""
    a_history(broker, (-48, "entrada"), (1, "perfilamiento"))
    a_history(broker, (1, "entrada"), (100, "perfilamiento"))
    day = NOW.date()
    found = time_in("entrada", scope(broker, since=day, until=day + DAY))
    assert (found.ended, found.lasted.median) == (1, hours(49))


def test_what_lasted_at_the_end_of_the_period_was_open_then(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (24, "perfilamiento"))
    a_history(broker, (30, "entrada"))
    day = NOW.date()
    found = time_in("entrada", scope(broker, since=day, until=day + DAY))
    assert (found.ended, found.open, found.longest_open) == (0, 1, hours(12))  # until midnight


def test_move_that_was_taken_back_ends_no_stay(broker: Broker) -> None:
    a_history(broker, (0, "agendado"), (2, "ganado"), (3, "agendado", "correction"), (9, "seguimiento"))
    assert (time_in("agendado", scope(broker)).lasted.median, time_in("ganado", scope(broker))) == (
        hours(9),
        StageTime("ganado"),
    )


def test_stay_that_a_migration_began_is_not_timed(broker: Broker) -> None:
    a_history(broker, (0, "perfilamiento", "migration"), (9, "agendado"), (10, "perdido"))
    assert [time_in(stage, scope(broker)).ended for stage in ("perfilamiento", "agendado")] == [0, 1]


def test_stagnant_is_who_stands_and_is_silent_for_longer_than_the_brokerages_limit(broker: Broker) -> None:
    broker.stage_limits = {"entrada": 2}
    a_history(broker, (1000 - 49, "entrada"))
    a_history(broker, (1000 - 48, "entrada"))
    heard = a_history(broker, (0, "entrada"))
    Lead.objects.filter(pk=heard.pk).update(last_activity_at=after(990))
    assert standing("entrada", scope(broker)) == Stagnation("entrada", timedelta(days=2), True, 3, 1)


def test_without_a_limit_of_its_own_a_stage_has_the_usual_one(broker: Broker) -> None:
    """Nine in ten of the stays that ended lasted 18.1 hours at most."""
    for length in range(1, 21):
        a_history(broker, (900, "entrada"), (900 + length, "perfilamiento"))
    a_history(broker, (1000 - 19, "entrada"))
    a_history(broker, (1000 - 18, "entrada"))
    assert standing("entrada", scope(broker)) == Stagnation("entrada", hours(18.1), False, 2, 1)


def test_few_stays_or_old_ones_teach_no_limit(broker: Broker) -> None:
    for _ in range(19):
        a_history(broker, (900, "entrada"), (901, "perfilamiento"))
    a_history(broker, (-24 * 200, "entrada"), (-24 * 190, "perfilamiento"))
    a_history(broker, (0, "entrada"))
    assert standing("entrada", scope(broker)) == Stagnation("entrada", None, False, 1, 0)


def test_what_is_usual_is_the_brokerages_not_the_agents(broker: Broker, agent: User) -> None:
    for _ in range(20):
        a_history(broker, (900, "entrada"), (901, "perfilamiento"))
    mine = a_history(broker, (990, "entrada"), assigned_to=agent)
    asked = scope_for(user=agent, now=LATER)
    assert standing("entrada", asked) == Stagnation("entrada", hours(1), False, 1, 1)
    assert [one.lead_id for one in stagnant_leads(asked)] == [mine.pk]


def test_closed_deleted_and_held_leads_never_stagnate(broker: Broker) -> None:
    broker.stage_limits = {"entrada": 1}
    a_history(broker, (0, "entrada"), treatment_type="hold")
    gone = a_history(broker, (0, "entrada"))
    Lead.objects.filter(pk=gone.pk).update(deleted_at=NOW)
    a_history(broker, (0, "entrada"), (1, "perdido"))
    assert ([one.stage for one in stagnation(scope(broker))], stagnant_leads(scope(broker))) == (
        ["entrada", "perfilamiento", "calificacion_financiera", "agendado", "seguimiento"],
        [],
    )
    assert standing("entrada", scope(broker)).here == 0


def test_stagnant_leads_come_the_longest_first(broker: Broker) -> None:
    broker.stage_limits = {"entrada": 1, "agendado": 1}
    second, first = a_history(broker, (20, "entrada")), a_history(broker, (10, "agendado"))
    for other in (a_broker("boreal", stage_limits={"entrada": 1}),):
        a_history(other, (0, "entrada"))
    assert [one.lead_id for one in stagnant_leads(scope(broker))] == [first.pk, second.pk]
    assert [one.lead_id for one in stagnant_leads(scope(broker), limit=1)] == [first.pk]
