"""Who hears of it when a lead writes: the agent whose lead it is, by a mail for a burst."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from brokers.models import Broker, User
from leads.models import Lead, Notice
from messaging.base import Event
from messaging.inbound import receive_event
from messaging.models import ChannelAccount

pytestmark = pytest.mark.django_db
Hear = Callable[..., None]


@pytest.fixture
def bot(broker: Broker, now: datetime) -> ChannelAccount:
    return ChannelAccount.objects.create(broker=broker, channel="telegram", provider="telegram", created_at=now)


@pytest.fixture
def hear(bot: ChannelAccount, now: datetime) -> Hear:
    numbers = iter(range(1, 100))

    def inbound(text: str, *, account: ChannelAccount = bot, minutes: int = 0, **fields: Any) -> None:
        event = Event(event_id=str(next(numbers)), kind="inbound", address="4711", text=text, **fields)
        receive_event(account=account, event=event, payload={}, now=now + timedelta(minutes=minutes))

    return inbound


@pytest.fixture
def agent(agent: User) -> User:
    agent.email = "carla@aurora.example"
    agent.save(update_fields=["email"])
    return agent


def told() -> list[tuple[str, str]]:
    return list(Notice.objects.order_by("id").values_list("user__username", "subject"))


def test_agent_is_told_by_mail(lead: Lead, agent: User, hear: Hear) -> None:
    hear("¿Podemos verlo mañana?")
    assert told() == [("carla", "Ana Pérez escribió por Telegram")]
    assert "¿Podemos verlo mañana?" in Notice.objects.get().body


def test_burst_is_told_once_and_the_next_one_again(lead: Lead, agent: User, hear: Hear) -> None:
    hear("Hola")
    hear("¿Están ahí?")
    assert len(told()) == 1
    hear("¿Hola?", minutes=20)
    assert len(told()) == 2


def test_administrators_are_told_of_leads_without_an_agent(broker: Broker, admin: User, hear: Hear) -> None:
    User.objects.filter(pk=admin.pk).update(email="admin@aurora.example")
    hear("Hola")
    assert [name for name, _subject in told()] == ["admin"]


def test_machines_are_not_told_of(lead: Lead, agent: User, hear: Hear) -> None:
    hear("Estoy de vacaciones", is_automatic=True)
    assert told() == []


def test_what_is_played_on_the_sandbox_is_not_mailed(lead: Lead, agent: User, hear: Hear) -> None:
    hear("Hola", account=ChannelAccount.objects.get(channel="telegram", sandbox=True))
    assert told() == []
