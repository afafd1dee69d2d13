"""Of those who entered one stage, how many reached another, and how fast: worked examples."""

from datetime import timedelta

import pytest

from brokers.models import Broker, User
from leads.figures import Passage, Scope, Spread, conversion_by_source, funnel, scope_for, scope_of
from leads.models import Lead
from tests.building import NOW, a_broker
from tests.figures import a_history, after, hours

pytestmark = pytest.mark.django_db
LATER = after(1000)


def scope(broker: Broker, **narrowing: object) -> Scope:
    return scope_of(broker=broker, now=LATER, **narrowing)


def passage(scope: Scope, start: str, to: str, **how: int) -> Passage:
    return next(one for one in funnel(scope, **how) if (one.from_stage, one.to_stage) == (start, to))


def counts(scope: Scope, start: str, to: str, **how: int) -> tuple[int, int, int]:
    found = passage(scope, start, to, **how)
    return found.entered, found.too_young, found.reached


def test_funnel_says_how_many_reached_a_stage_and_how_fast(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (1, "perfilamiento"))
    a_history(broker, (0, "entrada"), (2, "perfilamiento"))
    a_history(broker, (0, "entrada"), (6, "perfilamiento"))
    a_history(broker, (0, "entrada"), (3, "perdido"))
    found = passage(scope(broker), "entrada", "perfilamiento")
    assert (found.entered, found.reached, found.share) == (4, 3, 0.75)
    assert found.took == Spread(hours(2), timedelta(hours=5.2))  # 2 + 0.8 of the way from 2 to 6


def test_funnel_holds_every_pair_of_different_stages(broker: Broker) -> None:
    pairs = [(one.from_stage, one.to_stage) for one in funnel(scope(broker))]
    assert (len(pairs), len(set(pairs)), [a for a, b in pairs if a == b]) == (56, 56, [])


def test_empty_funnel_has_no_shares(broker: Broker) -> None:
    assert {(one.entered, one.reached, one.share, one.took) for one in funnel(scope(broker))} == {
        (0, 0, None, Spread())
    }


def test_stage_that_was_skipped_is_not_reached(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (1, "calificacion_financiera"), (2, "agendado"))
    assert counts(scope(broker), "entrada", "perfilamiento") == (1, 0, 0)
    assert counts(scope(broker), "entrada", "agendado") == (1, 0, 1)


def test_stage_that_came_before_is_not_reached(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (1, "perfilamiento"))
    assert counts(scope(broker), "perfilamiento", "entrada") == (1, 0, 0)


def test_two_moves_of_one_moment_follow_each_other(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (0, "perfilamiento"), (0, "calificacion_financiera"))
    assert counts(scope(broker), "entrada", "calificacion_financiera") == (1, 0, 1)
    assert counts(scope(broker), "calificacion_financiera", "perfilamiento") == (1, 0, 0)


def test_lead_that_entered_twice_counts_once_from_its_first_entry(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (1, "perdido"), (2, "perfilamiento"), (5, "perdido"), (9, "perfilamiento"))
    found = passage(scope(broker), "perdido", "perfilamiento")
    assert (found.entered, found.reached, found.took.median) == (1, 1, hours(1))


def test_period_is_about_the_entry_and_not_about_what_followed(broker: Broker) -> None:
    """NOW is 4 March, noon in Santiago."""
    a_history(broker, (-48, "entrada"), (1, "perfilamiento"))
    a_history(broker, (1, "entrada"), (100, "perfilamiento"))
    first_day = NOW.date()
    inside = scope(broker, since=first_day, until=first_day + timedelta(days=1))
    assert counts(inside, "entrada", "perfilamiento") == (1, 0, 1)


def test_those_who_had_not_their_days_yet_are_told_apart(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (1, "perfilamiento"))
    a_history(broker, (0, "entrada"), (49, "perfilamiento"))
    a_history(broker, (960, "entrada"), (961, "perfilamiento"))
    assert counts(scope(broker), "entrada", "perfilamiento", within_days=2) == (2, 1, 1)
    assert counts(scope(broker), "entrada", "perfilamiento") == (3, 0, 3)


def test_the_last_moment_of_the_days_still_counts(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (48, "perfilamiento"))
    a_history(broker, (1000 - 48, "entrada"))
    assert counts(scope(broker), "entrada", "perfilamiento", within_days=2) == (2, 0, 1)


def test_move_that_a_correction_took_back_did_not_happen(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (1, "agendado"), (2, "ganado"), (3, "agendado", "correction"), (4, "seguimiento"))
    assert counts(scope(broker), "entrada", "ganado") == (1, 0, 0)
    found = passage(scope(broker), "agendado", "seguimiento")
    assert (found.entered, found.reached, found.took.median) == (1, 1, hours(3))


def test_correction_to_another_stage_is_a_move(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (1, "calificacion_financiera"), (2, "ganado", "correction"))
    assert counts(scope(broker), "calificacion_financiera", "ganado") == (1, 0, 1)


def test_correction_of_a_correction_is_a_move(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (1, "agendado"), (2, "entrada", "correction"), (3, "agendado", "correction"))
    found = passage(scope(broker), "entrada", "agendado")
    assert (found.reached, found.took.median) == (1, hours(3))


def test_what_a_migration_tells_is_no_entry(broker: Broker) -> None:
    a_history(broker, (0, "agendado", "migration"), (5, "ganado"))
    assert counts(scope(broker), "agendado", "ganado") == (0, 0, 0)
    a_history(broker, (0, "entrada"), (5, "ganado"))
    assert counts(scope(broker), "entrada", "ganado") == (1, 0, 1)


def test_deleted_and_merged_leads_count_nowhere(broker: Broker) -> None:
    gone, merged = (a_history(broker, (0, "entrada"), (1, "perfilamiento")) for _ in range(2))
    Lead.objects.filter(pk=gone.pk).update(deleted_at=NOW)
    Lead.objects.filter(pk=merged.pk).update(deleted_at=NOW, merged_into=gone)
    assert counts(scope(broker), "entrada", "perfilamiento") == (0, 0, 0)


def test_another_brokerage_counts_nowhere(broker: Broker) -> None:
    for one in (broker, a_broker("boreal")):
        a_history(one, (0, "entrada"), (1, "perfilamiento"))
    assert counts(scope(broker), "entrada", "perfilamiento") == (1, 0, 1)


def test_agent_sees_own_leads_and_the_admin_all(broker: Broker, agent: User, colleague: User, admin: User) -> None:
    for one in (agent, colleague):
        a_history(broker, (0, "entrada"), (1, "perfilamiento"), assigned_to=one)
    entered = [counts(scope_for(user=user, now=LATER), "entrada", "perfilamiento")[0] for user in (agent, admin)]
    assert entered == [1, 2]
    as_admin = scope_for(user=admin, now=LATER, agent=colleague)
    as_agent = scope_for(user=agent, now=LATER, agent=colleague)
    assert [counts(one, "entrada", "perfilamiento")[0] for one in (as_admin, as_agent)] == [1, 0]


def test_source_narrows_to_the_leads_that_came_from_there(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), source="TocToc 100%")
    a_history(broker, (0, "entrada"), source="Instagram")
    assert counts(scope(broker, source="TocToc 100%"), "entrada", "perfilamiento")[0] == 1


def test_conversion_by_source_counts_arrivals_and_the_goal(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (3, "agendado"), (9, "ganado"), source="TocToc")
    a_history(broker, (0, "entrada"), source="TocToc")
    a_history(broker, (0, "entrada"), (4, "agendado"), source="Instagram")
    a_history(broker, (0, "ganado", "migration"), source="TocToc")
    won = [(one.source, one.arrived, one.reached, one.took.median) for one in conversion_by_source(scope(broker))]
    assert won == [("TocToc", 2, 1, hours(9)), ("Instagram", 1, 0, None)]
    booked = conversion_by_source(scope(broker), goal="agendado", within_days=1)
    assert [(one.source, one.reached, one.share) for one in booked] == [("TocToc", 1, 0.5), ("Instagram", 1, 1.0)]


def test_conversion_by_source_tells_the_young_apart(broker: Broker) -> None:
    a_history(broker, (0, "entrada"), (3, "ganado"), source="TocToc")
    a_history(broker, (990, "entrada"), (991, "ganado"), source="TocToc")
    [found] = conversion_by_source(scope(broker), within_days=1)
    assert (found.arrived, found.too_young, found.reached) == (1, 1, 1)
