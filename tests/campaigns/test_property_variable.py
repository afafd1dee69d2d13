"""`{{property}}` speaks of what the lead asked for last."""

import pytest

from brokers.models import Broker
from leads.actions import merge_leads, record_inquiry
from tests.building import HOUR, NOW, a_campaign, a_lead, at, enroll, logs, message_step, run, sent_bodies

pytestmark = pytest.mark.django_db


def test_property_is_that_of_the_latest_inquiry_that_names_one(free_broker: Broker) -> None:
    lead = a_lead(free_broker)
    for hours, ref in ((2, "7-A"), (1, "12-B"), (3, "")):
        record_inquiry(lead=lead, now=NOW + hours * HOUR, source="x", external_id=str(hours), property_ref=ref)
    enroll(a_campaign(free_broker, message_step(free_broker, "Sobre {{property}}")), lead, now=NOW + 4 * HOUR)
    run(at(NOW + 4 * HOUR))
    assert sent_bodies(lead) == ["Sobre 7-A"]


def test_property_without_an_inquiry_stops_the_message(free_broker: Broker) -> None:
    lead = a_lead(free_broker)
    enroll(a_campaign(free_broker, message_step(free_broker, "Sobre {{property}}")), lead)
    run(at(NOW))
    assert logs(lead=lead) == [(1, "skipped", "missing_variable:property")]


def test_property_of_a_merged_lead_counts_for_the_one_who_was_kept(free_broker: Broker) -> None:
    into, gone = a_lead(free_broker), a_lead(free_broker)
    record_inquiry(lead=gone, now=NOW, source="x", property_ref="7-A")
    merge_leads(into=into, from_=gone, now=NOW)
    enroll(a_campaign(free_broker, message_step(free_broker, "Sobre {{property}}")), into)
    run(at(NOW))
    assert sent_bodies(into) == ["Sobre 7-A"]
