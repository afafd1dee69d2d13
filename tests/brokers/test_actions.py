from typing import Any

import pytest

from brokers.actions import create_broker, create_user, find_broker
from brokers.models import Broker, User
from brokers.refusal import Refused
from messaging.accounts import open_brokerage, open_sandbox
from messaging.models import ChannelAccount
from tests.building import NOW, a_broker

pytestmark = pytest.mark.django_db
SOUND = {"name": "Aurora", "slug": "aurora", "country": "CL", "timezone": "America/Santiago"}
PASSWORD = "correct horse battery"


def create(**changes: Any) -> Broker:
    return create_broker(**SOUND | changes, now=NOW)


@pytest.mark.parametrize(
    ("country", "currency", "language"),
    [("cl", "CLP", "es"), ("ES", "EUR", "es"), ("US", "USD", "en"), ("BO", "USD", "es")],
)
def test_broker_gets_what_its_country_suggests(country: str, currency: str, language: str) -> None:
    broker = create(country=country)
    assert (broker.country, broker.currency, broker.language) == (country.upper(), currency, language)


def test_broker_keeps_what_was_chosen() -> None:
    assert create(currency="UF", language="en", cap_24h=1).cap_24h == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": " "}, "name"),
        ({"slug": "Aurora Centro"}, "slug='Aurora Centro'"),
        ({"slug": ""}, "slug"),
        ({"country": "XX"}, "country='XX'"),
        ({"timezone": "Chile"}, "timezone='Chile'"),
        ({"timezone": ""}, "timezone"),
    ],
)
def test_broker_is_refused_naming_the_fault(changes: dict[str, str], says: str) -> None:
    with pytest.raises(Refused, match=says) as refused:
        create(**changes)
    assert (refused.value.reason, len(refused.value.faults), Broker.objects.count()) == ("broker_invalid", 1, 0)


def test_broker_is_refused_with_every_fault_at_once() -> None:
    with pytest.raises(Refused) as refused:
        create(name="", slug="?", country="??", timezone="?")
    assert len(refused.value.faults) == 4


def test_short_name_is_taken_once() -> None:
    create()
    with pytest.raises(Refused, match="slug='aurora'"):
        create()


def test_new_brokerage_is_on_the_sandbox_on_every_channel() -> None:
    broker = open_brokerage(**SOUND, now=NOW)
    accounts = ChannelAccount.objects.filter(broker=broker).order_by("channel")
    rows = list(accounts.values_list("channel", "provider", "sandbox", "is_default"))
    assert rows == [(channel, "sandbox", True, True) for channel in ("call", "email", "telegram", "whatsapp")]


def test_sandbox_is_opened_once() -> None:
    broker = a_broker()
    open_sandbox(broker=broker, now=NOW)
    assert ChannelAccount.objects.filter(broker=broker).count() == 4


def test_sandbox_does_not_take_the_place_of_a_real_default() -> None:
    broker = create()
    ChannelAccount.objects.create(broker=broker, channel="email", provider="smtp", is_default=True, created_at=NOW)
    open_sandbox(broker=broker, now=NOW)
    emails = ChannelAccount.objects.filter(broker=broker, channel="email").order_by("id")
    assert list(emails.values_list("provider", "is_default")) == [("smtp", True), ("sandbox", False)]


def test_refused_brokerage_leaves_nothing() -> None:
    with pytest.raises(Refused):
        open_brokerage(**SOUND | {"country": "??"}, now=NOW)
    assert (Broker.objects.count(), ChannelAccount.objects.count()) == (0, 0)


def test_broker_admin_may_use_the_admin_and_agents_may_not() -> None:
    broker = a_broker()
    admin = create_user(broker=broker, username="ada", password=PASSWORD, role="admin")
    agent = create_user(broker=broker, username="leo", password=PASSWORD)
    assert [(user.is_staff, user.is_broker_admin, user.is_superuser) for user in (admin, agent)] == [
        (True, True, False),
        (False, False, False),
    ]


def test_user_is_refused_with_every_fault_at_once() -> None:
    broker = a_broker()
    create_user(broker=broker, username="ada", password=PASSWORD)
    with pytest.raises(Refused) as refused:
        create_user(broker=broker, username="ada", password="1234", role="boss")
    texts = " ".join(refused.value.faults)
    assert all(word in texts for word in ("role='boss'", "username='ada'", "password:"))
    assert User.objects.count() == 1


def test_broker_is_found_by_its_short_name() -> None:
    broker = a_broker()
    assert find_broker("aurora") == broker


def test_unknown_broker_is_refused_naming_those_there_are() -> None:
    a_broker("boreal")
    with pytest.raises(Refused, match=r"broker='aurora' does not exist; there are: boreal") as refused:
        find_broker("aurora")
    assert refused.value.reason == "broker_unknown"
