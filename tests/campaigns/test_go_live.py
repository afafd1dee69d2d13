"""The sandbox and the world never mix; leaving the sandbox ends what was played there."""

from pathlib import Path

import pytest
from django.test import Client

from brokers.models import Broker, Role
from brokers.refusal import Refused
from campaigns.actions import Launch, go_live, launch_preview
from campaigns.models import Enrollment
from leads.actions import record_permission
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount, Message
from tests.brokers.admin_pages import admin_url, said, signed_in
from tests.building import (
    DAY,
    NOW,
    a_campaign,
    a_lead,
    a_user,
    broken,
    counting_account,
    enroll,
    enrolment_of,
    logs,
    message_step,
    run,
    some_leads,
)
from tests.peers.counting import sends

pytestmark = pytest.mark.django_db


@pytest.fixture
def real(broker: Broker, sent_file: Path) -> ChannelAccount:
    """A real account that is not the default yet."""
    account = counting_account(broker, sent_file)
    ChannelAccount.objects.filter(pk=account.pk).update(is_default=False)
    ChannelAccount.objects.filter(broker=broker, channel="telegram", sandbox=True).update(is_default=True)
    return account


def test_going_live_ends_the_sandbox_and_reaches_people_from_then_on(
    broker: Broker, real: ChannelAccount, clock: VirtualClock, sent_file: Path
) -> None:
    campaign = a_campaign(broker, message_step(broker), message_step(broker, delay_hours=24))
    lead, other = some_leads(broker, 2)
    enroll(campaign, lead, other)
    run(clock)
    assert launch_preview(broker) == Launch(("telegram",), 2)
    assert go_live(broker=broker, now=clock.now()) == Launch(("telegram",), 2)
    assert logs(lead=lead) == [(1, "sent", ""), (2, "skipped", "went_live")]
    assert enrolment_of(lead).exit_reason == "went_live"
    clock.advance(2 * DAY)
    run(clock)
    assert sends(sent_file) == []
    enroll(campaign, lead, now=clock.now())
    run(clock)
    assert [send.address for send in sends(sent_file)] == [lead.telegram_chat_id]
    assert [entry.sandbox for entry in Enrollment.objects.filter(lead=lead).order_by("id")] == [True, False]
    assert broken() == {}


def test_caps_of_the_sandbox_do_not_bind_real_contacts(
    broker: Broker, real: ChannelAccount, clock: VirtualClock, sent_file: Path
) -> None:
    lead = a_lead(broker)
    for _ in range(2):
        enroll(a_campaign(broker), lead)
    run(clock)
    go_live(broker=broker, now=NOW)
    enroll(a_campaign(broker), lead)
    run(clock)
    assert list(Message.objects.order_by("id").values_list("sandbox", flat=True)) == [True, True, False]


def test_opt_out_that_was_played_binds_on_the_sandbox_only(
    broker: Broker, real: ChannelAccount, clock: VirtualClock, sent_file: Path
) -> None:
    lead = a_lead(broker)
    record_permission(broker=broker, lead=lead, kind="revoked", source="keyword", evidence={"sandbox": True}, now=NOW)
    enroll(a_campaign(broker), lead)
    run(clock)
    assert logs() == [(1, "skipped", "opted_out")]
    go_live(broker=broker, now=NOW)
    enroll(a_campaign(broker), lead)
    run(clock)
    assert [send.address for send in sends(sent_file)] == [lead.telegram_chat_id]
    record_permission(broker=broker, lead=lead, kind="revoked", source="keyword", evidence={"sandbox": False}, now=NOW)
    enroll(a_campaign(broker), lead)
    run(clock)
    assert logs()[-1] == (1, "skipped", "opted_out")


def test_nobody_goes_live_without_an_account_that_can_send(broker: Broker) -> None:
    with pytest.raises(Refused) as refused:
        go_live(broker=broker, now=NOW)
    assert refused.value.reason == "not_ready"
    ChannelAccount.objects.create(broker=broker, channel="email", provider="smtp", created_at=NOW)
    with pytest.raises(Refused) as refused:
        launch_preview(broker)
    assert [fault for fault in refused.value.faults if "host" in fault] != []
    assert not ChannelAccount.objects.filter(sandbox=False, is_default=True).exists()


def test_page_says_what_will_happen_and_does_it(broker: Broker, real: ChannelAccount) -> None:
    enroll(a_campaign(broker), a_lead(broker))
    browser = signed_in(a_user(broker, "jefa", role=Role.ADMIN, is_staff=True))
    url = admin_url(Broker, "go_live", broker.pk)
    assert "Enrolments of the sandbox that end: 1" in _page(browser, url)
    assert said(browser.post(url, follow=True)) == ["Live on Telegram; 1 enrolments of the sandbox ended."]


def _page(browser: Client, url: str) -> str:
    return browser.get(url).content.decode()
