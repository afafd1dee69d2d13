"""Whose leads count and over which days; days begin where the brokerage is."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.figures import day_begins, scope_for, scope_of
from tests.building import NOW

# Clocks change at midnight in some of them; one left out a whole day in 2011.
ZONES = [
    "America/Santiago",
    "America/Asuncion",
    "America/Havana",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "Europe/Madrid",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]


@pytest.mark.parametrize("zone", ZONES)
def test_day_begins_with_its_first_moment(zone: str) -> None:
    place = ZoneInfo(zone)
    for ordinal in range(date(2009, 1, 1).toordinal(), date(2013, 1, 1).toordinal()):
        day = date.fromordinal(ordinal)
        begins = day_begins(day, zone)
        just_before = begins - timedelta(microseconds=1)
        assert just_before.astimezone(place).date() < day <= begins.astimezone(place).date(), day


def test_santiagos_day_without_a_midnight_begins_at_one() -> None:
    assert day_begins(date(2026, 9, 6), "America/Santiago") == datetime(2026, 9, 6, 4, tzinfo=UTC)


@pytest.mark.django_db
def test_period_is_in_the_time_zone_of_the_brokerage(broker: Broker) -> None:
    scope = scope_of(broker=broker, now=NOW, since=date(2026, 4, 4), until=date(2026, 4, 5))
    assert (scope.begin, scope.end) == (datetime(2026, 4, 4, 3, tzinfo=UTC), datetime(2026, 4, 5, 4, tzinfo=UTC))


@pytest.mark.django_db
def test_open_things_are_looked_at_when_the_period_ended(broker: Broker) -> None:
    ends = [scope_of(broker=broker, now=NOW, until=day).as_of for day in (date(2026, 3, 1), date(2027, 1, 1))]
    assert ends == [datetime(2026, 3, 1, 3, tzinfo=UTC), NOW]
    assert scope_of(broker=broker, now=NOW).as_of == NOW


def refusal(**asked: Any) -> str:
    with translation.override("en"), pytest.raises(Refused) as refused:
        (scope_for if "user" in asked else scope_of)(now=NOW, **asked)
    return refused.value.reason


@pytest.mark.django_db
def test_period_ends_after_it_began(broker: Broker) -> None:
    assert refusal(broker=broker, since=NOW.date(), until=NOW.date()) == "period_invalid"


@pytest.mark.django_db
def test_agent_of_another_brokerage_is_refused(broker: Broker, outsider: User) -> None:
    assert refusal(broker=broker, agent=outsider) == "agent_foreign"


@pytest.mark.django_db
def test_brokerage_that_one_may_not_see_is_refused(admin: User, other_broker: Broker, operator: User) -> None:
    assert refusal(user=admin, broker=other_broker) == refusal(user=operator) == "broker_unknown"


@pytest.mark.django_db
def test_operator_names_a_brokerage(operator: User, other_broker: Broker) -> None:
    assert scope_for(user=operator, now=NOW, broker=other_broker).broker == other_broker
