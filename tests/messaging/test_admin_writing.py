"""A lead's page in the admin: the conversation, and the button with which people go on with it."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker, User
from leads.actions import edit_lead, record_permission
from leads.models import Lead
from messaging.models import ChannelAccount, Message
from tests.brokers.admin_pages import admin_url, errors, form_data, said, signed_in
from tests.building import HOUR, NOW, a_lead, a_template, counting_account, now_of
from tests.messaging.writing import write, wrote
from tests.peers.counting import PROVIDER, sends

pytestmark = pytest.mark.django_db
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@pytest.fixture(autouse=True)
def always_day(broker: Broker) -> None:
    """The pages go by the machine's own clock."""
    Broker.objects.update(contact_window={day: ["00:00", "23:59:59"] for day in WEEK})


@pytest.fixture
def browser(admin: User) -> Client:
    return signed_in(admin)


@pytest.fixture
def sent_file(tmp_path: Path, settings: LazySettings) -> Path:
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDER}
    return tmp_path / "sends"


def write_url(lead: Lead) -> str:
    return admin_url(Lead, "write", lead.pk)


def post(browser: Client, lead: Lead, **fields: Any) -> Any:
    """Open the page, fill in the form, send it."""
    return browser.post(write_url(lead), form_data(browser.get(write_url(lead))) | fields, follow=True)


def fields_of(page: Any) -> list[str]:
    return list(page.context["form"].fields)


def channels_of(page: Any) -> list[str]:
    return [value for value, _label in page.context["form"].fields["channel"].choices]


def test_lead_page_has_the_button(browser: Client, lead: Lead) -> None:
    page = browser.get(admin_url(Lead, "change", lead.pk)).content.decode()
    assert f'href="{write_url(lead)}"' in page
    assert "Nobody has written yet." in page


def test_message_is_sent_and_stands_in_the_conversation(browser: Client, lead: Lead, admin: User) -> None:
    answer = post(browser, lead, channel="whatsapp", text="¿Le acomoda el jueves?")
    message = Message.objects.get()
    assert (message.sent_by, message.body, message.channel) == (admin, "¿Le acomoda el jueves?", "whatsapp")
    assert said(answer) == ["Played on the sandbox (WhatsApp); nobody real got it."]
    assert answer.redirect_chain == [(admin_url(Lead, "change", lead.pk), 302)]
    [shown] = answer.context["conversation"]
    assert (shown.message, shown.who, shown.is_ours) == (message, str(admin), True)
    assert LogEntry.objects.filter(user=admin, object_id=str(lead.pk)).count() == 1


def test_conversation_says_who_what_when_and_why(browser: Client, lead: Lead) -> None:
    wrote(lead, NOW - HOUR, body="¿Sigue <disponible>?")
    write(lead, text="Sí, https://aurora.example/12")
    page = browser.get(admin_url(Lead, "change", lead.pk))
    theirs, ours = page.context["conversation"]
    assert (theirs.who, theirs.is_ours, theirs.why) == (str(lead), False, ())
    assert (ours.who, ours.fault, ours.is_ours) == (str(ours.message.sent_by), "", True)
    assert any(line.startswith("✓ It answers the lead's last message (to=2026-03-04 11:00)") for line in ours.why)
    html = page.content.decode()
    assert "¿Sigue &lt;disponible&gt;?" in html
    assert '<a href="https://aurora.example/12">' in html


def test_conversation_says_who_wrote_outside_the_hours_and_why(browser: Client, lead: Lead, admin: User) -> None:
    Broker.objects.update(contact_window={"thu": ["09:00", "18:00"]})
    write(lead, override="Firma mañana", by=admin)
    [said] = browser.get(admin_url(Lead, "change", lead.pk)).context["conversation"]
    hours = "✗ It is within the contact hours (zones=America/Santiago, places=default, opens_at=2026-03-05 09:00)"
    assert hours in said.why
    assert f"Outside the hours, because {admin} said: Firma mañana" in said.why


def test_conversation_costs_as_many_statements_with_one_message_as_with_three(browser: Client, lead: Lead) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(admin_url(Lead, "change", lead.pk))
        return len(captured)

    write(lead)
    first = statements()
    write(lead)
    write(lead)
    assert statements() == first


def test_double_click_sends_once(browser: Client, broker: Broker, lead: Lead, sent_file: Path) -> None:
    """failures.md row 1: the same form, posted twice."""
    counting_account(broker, sent_file)
    data = form_data(browser.get(write_url(lead))) | {"channel": "telegram", "text": "Hola"}
    answers = [said(browser.post(write_url(lead), data, follow=True)) for _click in range(2)]
    assert answers == [["Sent over Telegram."], ["Sent over Telegram."]]
    assert (len(sends(sent_file)), Message.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("refuse", "Not sent. The provider refused for good. (no)"),
        ("temporary", "Not sent. The provider takes no more just now. (429) Nobody got it; try again in a moment."),
        ("invalid", "Not sent. The provider knows nobody at this address. (nobody here) Correct the address."),
    ],
)
def test_what_was_not_sent_may_be_sent_again(
    browser: Client, broker: Broker, lead: Lead, sent_file: Path, word: str, says: str
) -> None:
    """The words stay in the form, and the next try is a message of its own."""
    account = counting_account(broker, sent_file, otherwise=word)
    page = post(browser, lead, channel="telegram", text="Hola")
    assert (said(page), page.redirect_chain, form_data(page)["text"]) == ([says], [], ["Hola"])
    ChannelAccount.objects.filter(pk=account.pk).update(credentials=account.credentials | {"otherwise": "accept"})
    Lead.objects.update(unreachable={})
    again = browser.post(write_url(lead), form_data(page) | {"channel": "telegram"}, follow=True)
    assert said(again) == ["Sent over Telegram."]
    assert [send.word for send in sends(sent_file)] == [word, "accept"]


def test_outcome_that_nobody_knows_is_said_so(browser: Client, broker: Broker, lead: Lead, sent_file: Path) -> None:
    """failures.md row 4: it is not sent again by itself, and the page does not ask for it."""
    counting_account(broker, sent_file, otherwise="timeout")
    answer = post(browser, lead, channel="telegram", text="Hola")
    [says] = said(answer)
    assert says.startswith("Nobody can know whether it arrived, so it is not sent again by itself. Ask the lead")
    assert answer.redirect_chain == [(admin_url(Lead, "change", lead.pk), 302)]
    assert "The provider said: timeout (no answer)" in answer.content.decode()


def test_channels_that_do_not_reach_the_lead_say_why(browser: Client, lead: Lead) -> None:
    edit_lead(lead=lead, now=NOW, by=None, email="")
    page = browser.get(write_url(lead))
    assert channels_of(page) == ["telegram", "whatsapp"]
    assert page.context["lines"] == ["E-mail: The lead has no address for this channel. Add the address."]


def test_lead_who_opted_out_has_no_form(browser: Client, lead: Lead) -> None:
    record_permission(broker=lead.broker, lead=lead, kind="revoked", now=NOW, source="form")
    html = browser.get(write_url(lead)).content.decode()
    assert "No channel is open to this lead now." in html
    assert 'name="text"' not in html


def test_reason_is_asked_for_only_when_the_hours_are_wrong(browser: Client, lead: Lead) -> None:
    assert "override" not in fields_of(browser.get(write_url(lead)))
    Broker.objects.update(contact_window={})
    page = browser.get(write_url(lead))
    assert "the contact window never opens. What you say here is kept." in page.content.decode()
    refused = post(browser, lead, channel="telegram", text="Hola")
    assert errors(refused) == {
        "override": [
            "The contact window never opens. Say why it cannot wait, or correct the brokerage's contact window."
        ]
    }
    post(browser, lead, channel="telegram", text="Hola", override="Me espera")
    assert Message.objects.get().basis["override"]["reason"] == "Me espera"


def test_channel_of_their_last_message_is_chosen_first(browser: Client, lead: Lead) -> None:
    wrote(lead, NOW, channel="email")
    write(lead, channel="email", subject="Su visita")
    page = browser.get(write_url(lead))
    assert (form_data(page)["channel"], form_data(page)["subject"]) == (["email"], ["Re: Su visita"])


def test_templates_are_shown_as_they_read_for_the_lead(browser: Client, broker: Broker, lead: Lead) -> None:
    greeting = a_template(broker, "Hola {{first_name}}", name="saludo")
    a_template(broker, "Su presupuesto: {{budget}}", name="presupuesto")
    page = browser.get(write_url(lead))
    html = page.content.decode()
    assert [value for value, _label in page.context["form"].fields["template"].choices] == ["", greeting.pk]
    assert ("Hola Ana" in html, "has no budget, and the text has no default for it." in html) == (True, True)
    post(browser, lead, channel="telegram", template=str(greeting.pk))
    assert Message.objects.get().body == "Hola Ana"


def test_whatsapp_is_open_to_an_approved_template_at_night_too(browser: Client, broker: Broker, lead: Lead) -> None:
    """Out of its own window and out of hours: the reason can be given, and the page says why own words cannot."""
    Broker.objects.update(contact_window={})
    ChannelAccount.objects.filter(channel="whatsapp").update(is_default=False)
    ChannelAccount.objects.create(
        broker=broker, channel="whatsapp", provider="twilio_whatsapp", is_default=True, created_at=NOW
    )
    Lead.objects.update(email="", telegram_chat_id="")
    assert channels_of(browser.get(write_url(lead))) == []
    a_template(broker, channel="whatsapp")
    page = browser.get(write_url(lead))
    assert (channels_of(page), "override" in fields_of(page)) == (["whatsapp"], True)
    assert any(line.startswith("WhatsApp: WhatsApp takes one's own words within") for line in page.context["lines"])


def test_nothing_written_is_said_at_the_field(browser: Client, lead: Lead) -> None:
    assert errors(post(browser, lead, channel="telegram")) == {"text": ["Write something first, or choose a template."]}


def test_nobody_writes_from_another_brokerage_or_as_an_agent(lead: Lead, outsider: User, agent: User) -> None:
    assert signed_in(outsider).get(write_url(lead)).status_code == 404
    assert signed_in(outsider).post(write_url(lead), {"channel": "telegram", "text": "x"}).status_code == 404
    assert signed_in(agent).get(write_url(lead)).status_code == 302
    assert Message.objects.count() == 0


def test_form_that_is_posted_without_its_number_sends_all_the_same(browser: Client, lead: Lead) -> None:
    browser.post(write_url(lead), {"channel": "telegram", "text": "Hola", "form_id": "none"})
    assert now_of(lead).last_answered_at == Message.objects.get().created_at


def test_lead_of_the_admin_is_deleted_and_moved_as_ever(browser: Client, broker: Broker) -> None:
    lead = a_lead(broker)
    assert browser.get(admin_url(Lead, "move", lead.pk)).status_code == 200
    assert browser.get(admin_url(Lead, "delete", lead.pk)).status_code == 200
