import pytest

from brokers.refusal import Refused
from leads.models import Inquiry, Lead
from templates_app.models import MessageTemplate
from templates_app.preview import Preview, preview
from tests.brokers.everything import NOW, Brokerage

pytestmark = pytest.mark.django_db


@pytest.fixture
def aurora() -> Brokerage:
    brokerage = Brokerage("aurora")
    Lead.objects.update(name="Ana Rojas")
    brokerage.lead.name = "Ana Rojas"
    return brokerage


def template(aurora: Brokerage, content: str, subject: str = "", language: str = "es") -> MessageTemplate:
    return MessageTemplate.objects.create(
        broker=aurora.broker, name="x", channel="email", subject=subject, content=content, language=language
    )


def text(aurora: Brokerage, content: str, **kwargs: str) -> str:
    return preview(template=template(aurora, content, **kwargs), lead=aurora.lead, now=NOW).body


def test_subject_and_text_speak_to_the_lead(aurora: Brokerage) -> None:
    hello = template(aurora, "Hola {{first_name}}, {{timeline|pronto}}", subject="{{name}}")
    assert preview(template=hello, lead=aurora.lead, now=NOW) == Preview("Ana Rojas", "Hola Ana, pronto")


def test_surroundings_are_the_leads_own(aurora: Brokerage) -> None:
    Inquiry.objects.create(broker=aurora.broker, lead=aurora.lead, property_ref="", at=NOW)
    content = "{{agent_name}} / {{broker_name}} / {{property}} / {{date}}"
    agent, flat = aurora.agent.first_name, aurora.one(Inquiry).property_ref
    assert text(aurora, content) == f"{agent} / aurora / {flat} / 4 de noviembre de 2026"


def test_appointment_is_told_in_the_leads_own_time(aurora: Brokerage) -> None:
    assert text(aurora, "{{appointment_date}} {{appointment_time}}") == "5 de noviembre de 2026 12:00"
    aurora.lead.timezone = "Europe/Madrid"
    spoken = template(aurora, "{{appointment_time}}", language="en")
    assert preview(template=spoken, lead=aurora.lead, now=NOW).body == "4 p.m."


def test_links_are_samples(aurora: Brokerage) -> None:
    assert (
        text(aurora, "{{booking_link}} {{unsubscribe_link}} {{preferences_link}} {{telegram_link}}").count(
            "http://localhost:8000/…"
        )
        == 4
    )


def test_every_missing_variable_is_named(aurora: Brokerage) -> None:
    hello = template(aurora, "{{budget}} {{name}} {{timeline}}", subject="{{bedrooms}}")
    with pytest.raises(Refused) as refusal:
        preview(template=hello, lead=aurora.lead, now=NOW)
    assert refusal.value.reason == "missing_variable:bedrooms"
    assert [fault.split()[4].rstrip(",") for fault in refusal.value.faults] == ["bedrooms", "budget", "timeline"]


def test_lead_of_another_brokerage_is_refused(aurora: Brokerage) -> None:
    with pytest.raises(Refused) as refusal:
        preview(template=template(aurora, "hola"), lead=Brokerage("boreal").lead, now=NOW)
    assert refusal.value.reason == "other_broker"


def test_what_a_lead_says_is_text(aurora: Brokerage) -> None:
    aurora.lead.name = "{{phone}} <b>"
    assert text(aurora, "Hola {{name}}") == "Hola {{phone}} <b>"
