"""Each figure is one query, for three leads as for one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from campaigns.figures import conversion_by_campaign, hold_out
from campaigns.models import Campaign
from leads.figures import (
    Scope,
    contact_priorities,
    conversion_by_source,
    funnel,
    scope_of,
    stagnant_leads,
    stagnation,
    time_in_stage,
)
from messaging.figures import first_touches, first_touches_at_work, response_times
from tests.building import a_draft
from tests.figures import a_history, after, an_entry
from tests.messages import a_message

FIGURES: dict[str, Callable[[Scope, Campaign], Any]] = {
    "funnel": lambda scope, campaign: funnel(scope),
    "conversion_by_source": lambda scope, campaign: conversion_by_source(scope),
    "contact_priorities": lambda scope, campaign: contact_priorities(scope),
    "time_in_stage": lambda scope, campaign: time_in_stage(scope),
    "stagnation": lambda scope, campaign: stagnation(scope),
    "stagnant_leads": lambda scope, campaign: stagnant_leads(scope),
    "response_times": lambda scope, campaign: response_times(scope),
    "first_touches": lambda scope, campaign: first_touches(scope),
    "first_touches_at_work": lambda scope, campaign: first_touches_at_work(scope),
    "conversion_by_campaign": lambda scope, campaign: conversion_by_campaign(scope),
    "hold_out": lambda scope, campaign: hold_out(scope, campaign),
}
# It reads the business hours, and the first arrival where the period has no beginning.
QUERIES = {"first_touches_at_work": 3}


@pytest.mark.django_db
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("figure", FIGURES)
def test_figure_is_one_query_or_few(broker: Broker, figure: str, count: int) -> None:
    campaign = a_draft(broker)
    for number in range(count):
        lead = a_history(broker, (0, "entrada"), (1, "perfilamiento"), (2, "agendado"), source=f"source {number}")
        a_message(lead, direction="in", status="received")
        an_entry(campaign, lead, 0, is_held=bool(number % 2))
    scope = scope_of(broker=broker, now=after(1000))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        FIGURES[figure](scope, campaign)
    assert len(queries) == QUERIES.get(figure, 1)
