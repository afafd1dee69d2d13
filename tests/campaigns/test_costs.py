"""What campaigns cost: written once, when a provider has accepted, and never rewritten."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker, Role
from campaigns.actions import confirm_delivered
from campaigns.costs import Spent, spent, told_spent
from campaigns.models import Campaign, CampaignLog
from leads.models import Lead
from messaging.base import Event
from messaging.clock import VirtualClock
from messaging.inbound import receive_event
from messaging.models import ChannelAccount, Message
from tests.brokers.admin_pages import admin_url, signed_in
from tests.building import (
    HOUR,
    NOW,
    a_campaign,
    a_lead,
    a_user,
    broken,
    counting_account,
    enroll,
    message_step,
    run,
    some_leads,
)
from voice.models import VoiceCall

pytestmark = pytest.mark.django_db
PRICES = {"currency": "USD", "prices": {"": {"message": "0.05"}}}
WHATSAPP = {
    "currency": "EUR",
    "prices": {
        "": {"own_words": "0.01", "marketing": "0.1", "utility": "0.02"},
        "+569": {"marketing": "0.08"},
    },
}


def costs() -> list[tuple[Decimal | None, str]]:
    return list(Message.objects.filter(direction="out").order_by("id").values_list("cost", "currency"))


def sent_by(
    broker: Broker, clock: VirtualClock, file: Path, *leads: Lead, channel: str = "telegram", **account: Any
) -> ChannelAccount:
    """An account whose campaign has written to these leads."""
    found = counting_account(broker, file, channel=channel, **account)
    enroll(a_campaign(broker, message_step(broker, channel=channel), channel=channel), *leads)
    run(clock)
    return found


def test_accepted_message_costs_what_its_account_says(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    sent_by(broker, clock, sent_file, a_lead(broker), prices=PRICES)
    assert (costs(), broken()) == ([(Decimal("0.05"), "USD")], {})


@pytest.mark.parametrize("word", ["refuse", "temporary", "timeout"])
def test_message_that_was_not_accepted_costs_nothing(
    broker: Broker, clock: VirtualClock, sent_file: Path, word: str
) -> None:
    sent_by(broker, clock, sent_file, a_lead(broker), prices=PRICES, otherwise=word)
    assert costs() == [(None, "")]


def test_account_without_prices_costs_nobody_knows_what(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    sent_by(broker, clock, sent_file, a_lead(broker))
    assert costs() == [(None, "")]


def test_prices_that_cannot_be_read_hold_nothing_up(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """failures.md row 5."""
    sent_by(broker, clock, sent_file, a_lead(broker), prices={"currency": 7})
    assert list(Message.objects.values_list("status", "cost")) == [("sent", None)]


def test_sandbox_costs_nothing(broker: Broker, clock: VirtualClock) -> None:
    ChannelAccount.objects.filter(broker=broker).update(prices=PRICES)
    enroll(a_campaign(broker), a_lead(broker))
    run(clock)
    assert costs() == [(None, "")]


def test_whatsapp_costs_by_where_it_goes_and_by_what_it_is(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    """Own words to who wrote lately, a template to the others, cheaper to Chilean mobile phones."""
    chile, peru, wrote = a_lead(broker), a_lead(broker, phone="+51987654321"), a_lead(broker)
    account = counting_account(broker, sent_file, channel="whatsapp", prices=WHATSAPP)
    Message.objects.create(
        broker=broker,
        lead=wrote,
        channel="whatsapp",
        direction="in",
        account=account,
        dedupe_key="in:1",
        status="received",
        created_at=NOW - HOUR,
    )
    enroll(a_campaign(broker, message_step(broker, channel="whatsapp"), channel="whatsapp"), chile, peru, wrote)
    run(clock)
    by_lead = dict(Message.objects.filter(direction="out").values_list("lead", "cost"))
    assert by_lead == {chile.pk: Decimal("0.08"), peru.pk: Decimal("0.1"), wrote.pk: Decimal("0.01")}


def test_editing_prices_rewrites_no_cost_of_the_past(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    """Nor does what the provider tells of that message later."""
    account = sent_by(broker, clock, sent_file, a_lead(broker), prices=PRICES)
    account.prices = {"currency": "CLP", "prices": {"": {"message": "70"}}}
    account.save()
    told(account, "delivered")
    assert costs() == [(Decimal("0.05"), "USD")]


def test_message_from_before_there_were_prices_stays_without(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    account = sent_by(broker, clock, sent_file, a_lead(broker))
    account.prices = PRICES
    account.save()
    told(account, "delivered")
    assert costs() == [(None, "")]


def told(account: ChannelAccount, status: str, **about: Any) -> None:
    event = Event("e1", "status", message_id=Message.objects.get().pk, status=status, **about)
    assert receive_event(account=account, event=event, payload={}, now=NOW + HOUR).error == ""


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
def test_unknown_outcome_costs_when_the_provider_tells_that_it_has_it(
    broker: Broker, clock: VirtualClock, sent_file: Path, status: str
) -> None:
    lead = a_lead(broker)
    account = sent_by(broker, clock, sent_file, lead, channel="whatsapp", prices=WHATSAPP, otherwise="timeout")
    assert costs() == [(None, "")]
    told(account, status)
    assert costs() == [(Decimal("0.08"), "EUR")]


def test_unknown_outcome_costs_when_a_person_says_that_it_arrived(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    sent_by(broker, clock, sent_file, a_lead(broker), prices=PRICES, otherwise="timeout")
    confirm_delivered(log=CampaignLog.objects.get(), now=NOW + HOUR)
    assert costs() == [(Decimal("0.05"), "USD")]


def test_provider_that_names_its_price_knows_better(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    account = sent_by(broker, clock, sent_file, a_lead(broker), prices=PRICES)
    told(account, "delivered", cost=Decimal("0.0475"))
    assert costs() == [(Decimal("0.0475"), "USD")]


def test_answered_call_costs_and_one_that_nobody_took_does_not(
    broker: Broker, clock: VirtualClock, sent_file: Path
) -> None:
    taken, busy = (a_lead(broker, treatment_type="automated_call") for _ in range(2))
    script = {busy.phone: ["busy"]}
    counting_account(broker, sent_file, channel="call", prices=PRICES, script=script)
    step = {"action": "make_call", "message_template": message_step(broker, channel="call")["message_template"]}
    enroll(a_campaign(broker, step, channel="call"), taken, busy)
    run(clock)
    VoiceCall.objects.filter(lead=taken).update(status="completed", duration=30)
    run(clock, passes=2, every=HOUR / 60)
    by_lead = dict(Message.objects.order_by("id").values_list("lead", "cost"))
    assert by_lead == {taken.pk: Decimal("0.05"), busy.pk: None}


def test_campaign_tells_what_it_sent_and_spent_by_side_and_currency(
    broker: Broker, clock: VirtualClock, sent_file: Path, django_assert_num_queries: Any
) -> None:
    """failures.md row 31: what was played on the sandbox is told apart."""
    campaign, other = a_campaign(broker), a_campaign(broker)
    enroll(campaign, *some_leads(broker, 3))
    run(clock)
    account = counting_account(broker, sent_file, prices=PRICES)
    enroll(campaign, *some_leads(broker, 2))
    enroll(other, a_lead(broker))
    run(clock)
    account.prices = {}
    account.save()
    enroll(campaign, a_lead(broker))
    run(clock)
    with django_assert_num_queries(1):
        found = spent(campaign)
    assert found == [
        Spent(False, "USD", 2, 2, Decimal("0.10")),
        Spent(False, "", 1, 0, Decimal(0)),
        Spent(True, "", 3, 0, Decimal(0)),
    ]
    assert told_spent(found) == [
        "Messages sent: 3",
        "Spent: 0.10 USD",
        "Without a price: 1; the account's prices say what one costs",
        "On the sandbox: 3",
    ]


def test_campaigns_page_shows_it_with_one_look(broker: Broker, clock: VirtualClock, sent_file: Path) -> None:
    sent_by(broker, clock, sent_file, *some_leads(broker, 3), prices=PRICES)
    campaign = CampaignLog.objects.values_list("campaign", flat=True)[0]
    client = signed_in(a_user(broker, "admin", role=Role.ADMIN, is_staff=True))
    with CaptureQueriesContext(connection) as queries:
        page = client.get(admin_url(Campaign, "change", campaign)).content.decode()
    assert "Spent: 0.15 USD" in page
    assert len([query for query in queries if "messaging_message" in query["sql"]]) == 1
