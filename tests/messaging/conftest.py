from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from brokers.models import Broker, Role, User
from leads.actions import create_lead
from leads.models import Lead
from messaging.accounts import open_brokerage
from messaging.base import Envelope
from messaging.models import ChannelAccount, Message
from messaging.smtp_sessions import SESSIONS
from tests.peers.certificates import Certificate, make_certificate

NOW = datetime(2026, 11, 4, 15, tzinfo=UTC)
PHONE = "+56987654321"


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def broker(db: None) -> Broker:
    return open_brokerage(name="Inmobiliaria Aurora", slug="aurora", country="CL", timezone="America/Santiago", now=NOW)


@pytest.fixture
def other_broker(db: None) -> Broker:
    return open_brokerage(name="Casas Boreal", slug="boreal", country="CL", timezone="America/Santiago", now=NOW)


@pytest.fixture
def admin(broker: Broker) -> User:
    return User.objects.create(username="admin", broker=broker, role=Role.ADMIN, is_staff=True)


@pytest.fixture
def agent(broker: Broker) -> User:
    return User.objects.create(username="carla", first_name="Carla", broker=broker, phone="+56222222222")


@pytest.fixture
def colleague(broker: Broker) -> User:
    return User.objects.create(username="diego", broker=broker)


@pytest.fixture
def outsider(other_broker: Broker) -> User:
    return User.objects.create(username="outsider", broker=other_broker, role=Role.ADMIN, is_staff=True)


@pytest.fixture
def lead(broker: Broker, agent: User) -> Lead:
    return a_lead(broker, assigned_to=agent)


@pytest.fixture
def new_lead() -> Callable[..., Lead]:
    return a_lead


def a_lead(broker: Broker, **fields: Any) -> Lead:
    known = {
        "name": "Ana Pérez",
        "phone": PHONE,
        "email": "ana@example.com",
        "telegram_chat_id": "4711",
    }
    return create_lead(broker=broker, now=NOW, **known | fields)


@pytest.fixture
def sandbox(broker: Broker) -> Callable[[str], ChannelAccount]:
    return lambda channel: ChannelAccount.objects.get(broker=broker, channel=channel)


@pytest.fixture
def sent(lead: Lead) -> Callable[..., Message]:
    """Write down a message that went out to `lead`."""

    def write(channel: str = "telegram", **fields: Any) -> Message:
        account = ChannelAccount.objects.get(broker=lead.broker, channel=channel, sandbox=True)
        values = {
            "broker_id": lead.broker_id,
            "lead": lead,
            "account": account,
            "body": "Hola Ana",
            "status": "delivered",
            "dedupe_key": f"test:{Message.objects.count()}",
            "sandbox": account.sandbox,
            "created_at": NOW,
            "sent_at": NOW,
        }
        return Message.objects.create(channel=channel, direction="out", **values | fields)

    return write


@pytest.fixture
def envelope() -> Callable[..., Envelope]:
    def make(**fields: Any) -> Envelope:
        values: dict[str, Any] = {
            "message_id": 12,
            "key": "step:3:1:1",
            "channel": "email",
            "address": "ana@example.com",
            "subject": "Su visita",
            "body": "Hola Ana",
            "purpose": "marketing",
        }
        return Envelope(**values | fields)

    return make


@pytest.fixture
def mail_account() -> Callable[..., ChannelAccount]:
    """An account that is in no database: the adapter needs none."""

    def make(port: int, /, **credentials: Any) -> ChannelAccount:
        return ChannelAccount(
            channel="email",
            provider="smtp",
            name="Inmobiliaria Aurora",
            sender="hola@aurora.example",
            credentials={"host": "127.0.0.1", "port": port} | credentials,
        )

    return make


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture(autouse=True)
def closed_sessions() -> Iterator[None]:
    yield
    SESSIONS.close_all()
