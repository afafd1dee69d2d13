"""What a broker is told before activating, though it is allowed: where WhatsApp will take nothing."""

from typing import Any

import pytest

from brokers.models import Broker
from campaigns.actions import activate
from campaigns.models import Campaign, CampaignStatus
from campaigns.validation import activation_warnings
from tests.brokers.admin_pages import admin_url, signed_in
from tests.building import CONTENT_SID, NOW, a_draft, a_template, a_user, message_step

pytestmark = pytest.mark.django_db


def whatsapp_step(broker: Broker, sid: str = "", **spec: Any) -> dict[str, Any]:
    template = a_template(broker, channel="whatsapp", name="Hola", provider_template_id=sid)
    return message_step(broker, channel="whatsapp", message_template=template, **spec)


def warnings_of(broker: Broker, *steps: dict[str, Any]) -> list[str]:
    return [warning.split(".")[0] for warning in activation_warnings(a_draft(broker, *steps, channel="whatsapp"))]


LACKS = "has no approved template at WhatsApp, so it goes out only to leads who wrote within 24 hours"


def test_template_that_whatsapp_did_not_approve_is_named_and_may_be_activated(broker: Broker) -> None:
    draft = a_draft(broker, message_step(broker, channel="telegram"), whatsapp_step(broker), channel="whatsapp")
    [warning] = activation_warnings(draft)
    assert warning.startswith("Step 2: Hola (")
    assert LACKS in warning
    assert activate(campaign=draft, now=NOW).status == CampaignStatus.ACTIVE


def test_approved_template_and_fallback_channel_need_no_warning(broker: Broker) -> None:
    fallback = {"fallback_channel": "email", "fallback_template": a_template(broker, channel="email", subject="Hola")}
    assert warnings_of(broker, whatsapp_step(broker, **fallback), message_step(broker, channel="telegram")) == []
    assert warnings_of(broker, message_step(broker, channel="whatsapp")) == []


def test_language_variant_that_lacks_it_is_named(broker: Broker) -> None:
    a_template(broker, channel="whatsapp", name="Hola", language="en", provider_template_id="")
    [warning] = warnings_of(broker, whatsapp_step(broker, sid=CONTENT_SID))
    assert "en)" in warning


def test_invitation_without_a_template_is_named(broker: Broker) -> None:
    assert warnings_of(broker, {"action": "schedule_meeting"}) == [
        "Step 1: without a template it goes out only to leads who wrote within 24 hours"
    ]


def test_page_that_activates_shows_it_before(broker: Broker) -> None:
    draft = a_draft(broker, whatsapp_step(broker), channel="whatsapp")
    browser = signed_in(a_user(broker, "admin", role="admin", is_staff=True))
    assert LACKS in browser.get(admin_url(Campaign, "activate", draft.pk)).content.decode()
