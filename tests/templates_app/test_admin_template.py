"""Templates in the admin, and what they would say."""

import pytest
from django.test import Client

from brokers.models import User
from leads.models import Lead
from templates_app.models import MessageTemplate
from tests.brokers.admin_pages import admin_url, errors, saved, signed_in
from tests.brokers.everything import Brokerage

pytestmark = pytest.mark.django_db
HELLO = {"name": "hello", "channel": "email", "language": "es", "content": "Hola {{first_name|amigo}}"}


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def test_template_is_saved_with_its_variables(browser: Client, aurora: Brokerage) -> None:
    assert saved(browser, admin_url(MessageTemplate, "add"), **HELLO).status_code == 302
    hello = MessageTemplate.objects.get(name="hello")
    assert (hello.broker, hello.variables) == (aurora.broker, ["first_name"])
    saved(browser, admin_url(MessageTemplate, "change", hello.pk), content="{{budget|?}}")
    hello.refresh_from_db()
    assert hello.variables == ["budget"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [("{{presupuesto}}", "unknown variable presupuesto; known are"), ("{{name", "{{ near '{{name' is no variable")],
)
def test_wrong_variable_is_refused_by_name(browser: Client, content: str, fault: str) -> None:
    answer = saved(browser, admin_url(MessageTemplate, "add"), **HELLO | {"content": content})
    assert list(errors(answer)) == ["content"]
    assert errors(answer)["content"][0].startswith(fault)


def test_second_template_of_the_same_kind_is_refused(browser: Client, aurora: Brokerage) -> None:
    saved(browser, admin_url(MessageTemplate, "add"), **HELLO)
    answer = saved(browser, admin_url(MessageTemplate, "add"), **HELLO)
    assert errors(answer) == {"__all__": ["There is a template of that name, channel and language already."]}


def test_the_same_template_may_be_another_brokerages_too(browser: Client, aurora: Brokerage) -> None:
    MessageTemplate.objects.create(broker=Brokerage("boreal").broker, **HELLO)
    assert saved(browser, admin_url(MessageTemplate, "add"), **HELLO).status_code == 302


def test_operator_who_forgets_the_brokerage_is_told(aurora: Brokerage) -> None:
    browser = signed_in(User.objects.create_superuser("operator"))
    answer = saved(browser, admin_url(MessageTemplate, "add"), **HELLO)
    assert errors(answer) == {"broker": ["This field is required."]}


def test_templates_are_not_deleted(browser: Client, aurora: Brokerage) -> None:
    assert browser.post(admin_url(MessageTemplate, "delete", aurora.template.pk)).status_code == 403


def test_preview_shows_what_the_lead_would_get(browser: Client, aurora: Brokerage) -> None:
    Lead.objects.update(name="Ana <b>Rojas</b>")
    url = admin_url(MessageTemplate, "preview", aurora.template.pk)
    assert browser.get(url).context["shown"] is None
    page = browser.get(url, {"lead": aurora.lead.pk})
    assert page.context["shown"].body == "Hola Ana"
    assert "What Ana &lt;b&gt;Rojas&lt;/b&gt; would get" in page.content.decode()


def test_preview_names_what_is_missing(browser: Client, aurora: Brokerage) -> None:
    MessageTemplate.objects.update(content="{{budget}} {{timeline}}")
    page = browser.get(admin_url(MessageTemplate, "preview", aurora.template.pk), {"lead": aurora.lead.pk})
    name = aurora.lead.name
    assert errors(page) == {
        "lead": [
            f"{name} has no budget, and the text has no default for it.",
            f"{name} has no timeline, and the text has no default for it.",
        ]
    }


def test_preview_knows_no_foreign_lead(browser: Client, aurora: Brokerage) -> None:
    boreal = Brokerage("boreal")
    page = browser.get(admin_url(MessageTemplate, "preview", aurora.template.pk), {"lead": boreal.lead.pk})
    assert list(errors(page)) == ["lead"]
    assert boreal.mark not in page.content.decode()
