"""What stands below a campaign's mail, as it arrives at a real mail server."""

import pytest
from django.test import Client

from brokers.models import Broker
from leads.models import ContactPermission
from messaging.clock import VirtualClock
from messaging.models import ChannelAccount
from messaging.unsubscribe import preferences_url, unsubscribe_url
from tests.building import NOW, a_campaign, a_lead, a_template, enroll, message_step, run
from tests.peers.smtp import smtp_peer

pytestmark = pytest.mark.django_db(transaction=True)


def test_campaign_mail_offers_to_unsubscribe_and_to_choose(broker: Broker, clock: VirtualClock) -> None:
    """And both links work."""
    with smtp_peer() as peer:
        ChannelAccount.objects.filter(broker=broker, channel="email").update(is_default=False)
        ChannelAccount.objects.create(
            broker=broker,
            channel="email",
            provider="smtp",
            sender="hola@aurora.example",
            credentials={"host": "127.0.0.1", "port": peer.port},
            is_default=True,
            created_at=NOW,
        )
        template = a_template(broker, "Hola", channel="email", subject="Su visita")
        lead = a_lead(broker)
        step = message_step(broker, message_template=template, channel="email")
        enroll(a_campaign(broker, step, channel="email"), lead)
        run(clock)
    text = peer.letters[0].get_body(("plain",)).get_content()
    assert unsubscribe_url(broker_id=broker.pk, lead_id=lead.pk, channel="email", address=lead.email) in text
    choose = preferences_url(broker_id=broker.pk, lead_id=lead.pk, channel="email", address=lead.email)
    assert choose in text
    path = choose.removeprefix("http://localhost:8000")
    assert Client().post(path, {"email": "appointments"}).status_code == 200
    row = ContactPermission.objects.get()
    assert (row.lead, row.channel, row.kind, row.purpose) == (lead, "email", "revoked", "marketing")
