"""People's messages against servers that speak as the providers do, and under the law that is shipped."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.conf import settings as django_settings
from django.utils import translation

from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import record_permission
from leads.models import Lead
from messaging.models import ChannelAccount, Message
from messaging.policy import WHATSAPP_WINDOW
from tests.building import CONTENT_SID, DAY, HOUR, NOW, a_broker, a_lead, a_template, now_of
from tests.messaging.writing import NIGHT, write, wrote
from tests.peers.smtp import smtp_peer
from tests.peers.telegram import TOKEN, telegram_peer
from tests.peers.twilio import ACCOUNT_SID, AUTH_TOKEN, TwilioPeer, twilio_peer

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
CO, ES, US = "+573001234567", "+34612345678", "+12025550123"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


@pytest.fixture
def broker(db: None) -> Broker:
    return a_broker()


@pytest.fixture
def lead(broker: Broker) -> Lead:
    return a_lead(broker)


@pytest.fixture
def twilio(broker: Broker, settings: LazySettings) -> Iterator[TwilioPeer]:
    with twilio_peer() as peer:
        settings.TWILIO_API_URL = peer.url
        credentials = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
        an_account(broker, "whatsapp", "twilio_whatsapp", credentials, sender="+14155238886")
        yield peer


@pytest.fixture
def lawful(settings: LazySettings) -> None:
    settings.JURISDICTIONS_FILE = Path(django_settings.BASE_DIR) / "messaging" / "jurisdictions.yaml"


def an_account(broker: Broker, channel: str, provider: str, credentials: dict[str, Any], **fields: Any) -> Any:
    """The channel's default from now on."""
    ChannelAccount.objects.filter(broker=broker, channel=channel).update(is_default=False)
    values = {"credentials": credentials, "is_default": True, "created_at": NOW}
    return ChannelAccount.objects.create(broker=broker, channel=channel, provider=provider, **values | fields)


def refused(lead: Lead, **wish: Any) -> str:
    with pytest.raises(Refused) as said:
        write(lead, **wish)
    return said.value.reason


# WhatsApp.


def test_own_words_go_out_over_whatsapp_while_its_window_is_open(lead: Lead, twilio: TwilioPeer) -> None:
    wrote(lead, NIGHT - WHATSAPP_WINDOW + SECOND, "whatsapp")
    assert write(lead, at=NIGHT, channel="whatsapp", text="Sí, sigue").status == "sent"
    assert [form["Body"] for form in twilio.messages.values()] == ["Sí, sigue"]


def test_own_words_need_a_template_outside_of_whatsapps_window(lead: Lead, twilio: TwilioPeer) -> None:
    """That is WhatsApp's own rule: also for an answer, and no reason helps."""
    wrote(lead, NIGHT - HOUR, "telegram")
    assert refused(lead, at=NIGHT, channel="whatsapp", override="urge") == "needs_template"
    assert twilio.messages == {}


def test_approved_template_goes_out_at_any_time(broker: Broker, lead: Lead, twilio: TwilioPeer) -> None:
    template = a_template(broker, "Hola {{first_name}}", channel="whatsapp")
    message = write(lead, channel="whatsapp", template=template)
    [form] = twilio.messages.values()
    assert (form["ContentSid"], form["ContentVariables"]) == (CONTENT_SID, '{"1": "Ana"}')
    assert (message.body, message.status) == ("Hola Ana", "sent")


def test_template_that_is_not_approved_does_not(broker: Broker, lead: Lead, twilio: TwilioPeer) -> None:
    template = a_template(broker, channel="whatsapp", provider_template_id="")
    assert refused(lead, channel="whatsapp", template=template) == "needs_template"


def test_first_words_over_whatsapp_to_the_united_states_are_marketing(broker: Broker, twilio: TwilioPeer) -> None:
    lead = a_lead(broker, phone=US)
    assert refused(lead, channel="whatsapp", template=a_template(broker, channel="whatsapp")) == "us_marketing"
    wrote(lead, NOW - HOUR, "whatsapp")
    assert write(lead, channel="whatsapp").status == "sent"


# Telegram and e-mail.


def test_block_is_heeded_as_for_campaigns(broker: Broker, lead: Lead, settings: LazySettings) -> None:
    """failures.md row 19."""
    with telegram_peer(otherwise="403") as peer:
        settings.TELEGRAM_API_URL = peer.url
        an_account(broker, "telegram", "telegram", {"token": TOKEN})
        message = write(lead)
        assert (message.status, message.error_code) == ("failed", "blocked")
        assert (refused(lead), peer.asked["sendMessage"]) == ("opted_out", 1)


def test_answer_by_mail_is_a_letter_and_first_words_say_how_to_stop_them(broker: Broker, lead: Lead) -> None:
    with smtp_peer() as peer:
        credentials = {"host": "127.0.0.1", "port": peer.port}
        account = an_account(broker, "email", "smtp", credentials, sender="hola@aurora.example")
        write(lead, channel="email", subject="Su visita", text="¿Le acomoda?")
        wrote(lead, NOW + HOUR, "email", account=account)
        write(lead, channel="email", subject="Re: Su visita", text="Perfecto", at=NOW + 2 * HOUR)
    first, answer = peer.letters
    assert "List-Unsubscribe" in first
    assert ("List-Unsubscribe" in answer, answer["Auto-Submitted"], answer["Subject"]) == (False, None, "Re: Su visita")
    assert answer.get_body(("plain",)).get_content().strip() == "Perfecto"


# The law.


def test_law_of_one_contact_a_day_binds_people_too(broker: Broker, lawful: None) -> None:
    """Ley 2300: what a colleague wrote counts, a reason does not help, an answer is none of it."""
    lead = a_lead(broker, phone=CO)
    write(lead)
    assert refused(lead, at=NOW + HOUR, override="urge") == "frequency_cap"
    wrote(lead, NOW + HOUR)
    assert write(lead, at=NOW + 2 * HOUR).status == "delivered"


def test_law_of_one_channel_a_week_binds_people_too(broker: Broker, lawful: None) -> None:
    lead = a_lead(broker, phone=CO)
    write(lead)
    assert refused(lead, at=NOW + DAY + HOUR, channel="email") == "one_channel_a_week"
    assert write(lead, at=NOW + DAY + HOUR).status == "delivered"


def test_law_that_asks_for_a_permission_asks_people_too(broker: Broker, lawful: None) -> None:
    lead = a_lead(broker, phone=ES)
    assert refused(lead, override="urge") == "no_consent"
    wrote(lead, NOW - HOUR)
    assert write(lead).status == "delivered"
    later = NOW + 2 * DAY
    record_permission(broker=broker, lead=lead, kind="granted", now=NOW, source="form")
    assert (write(now_of(lead), at=later).purpose, Message.objects.filter(direction="out").count()) == ("marketing", 2)


def test_hours_are_those_of_the_place(broker: Broker, lawful: None) -> None:
    """Eight in the evening in Santiago is six in Bogotá, and one in the morning in Madrid."""
    evening = NOW + 8 * HOUR
    Broker.objects.update(contact_window={day: ["00:00", "23:59"] for day in ("mon", "tue", "wed", "thu")})
    spain = a_lead(broker, phone=ES)
    record_permission(broker=broker, lead=spain, kind="granted", now=NOW, source="form")
    assert write(a_lead(broker, phone=CO), at=evening).status == "delivered"
    assert refused(spain, at=evening) == "outside_hours"
