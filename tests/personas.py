"""The people of two brokerages whose data are equal, so that only the broker tells them apart."""

from collections.abc import Callable

import pytest
from django.test import Client

from brokers.models import Broker, Role, User
from leads.models import Lead
from tests.building import a_broker, a_lead, a_user

ANA = {"name": "Ana Pérez", "phone": "+56987654321", "email": "ana@example.com", "telegram_chat_id": "4711"}


@pytest.fixture
def broker(db: None) -> Broker:
    return a_broker("aurora", name="Inmobiliaria Aurora")


@pytest.fixture
def other_broker(db: None) -> Broker:
    return a_broker("boreal", name="Inmobiliaria Aurora")


@pytest.fixture
def operator(db: None) -> User:
    """Runs the platform; belongs to no brokerage."""
    return User.objects.create_superuser("operator")


@pytest.fixture
def admin(broker: Broker) -> User:
    return a_user(broker, "admin", role=Role.ADMIN, is_staff=True)


@pytest.fixture
def agent(broker: Broker) -> User:
    return a_user(broker, "carla", first_name="Carla")


@pytest.fixture
def colleague(broker: Broker) -> User:
    return a_user(broker, "diego", first_name="Diego")


@pytest.fixture
def outsider(other_broker: Broker) -> User:
    """The most powerful person of the other brokerage."""
    return a_user(other_broker, "admin", role=Role.ADMIN, is_staff=True)


@pytest.fixture
def lead(broker: Broker, agent: User) -> Lead:
    return a_lead(broker, assigned_to=agent, **ANA)


@pytest.fixture
def outsiders_lead(other_broker: Broker, outsider: User) -> Lead:
    """The same person, at the other brokerage."""
    return a_lead(other_broker, assigned_to=outsider, **ANA)


@pytest.fixture
def browser_of() -> Callable[[User], Client]:
    def logged_in(user: User) -> Client:
        browser = Client()
        browser.force_login(user)
        return browser

    return logged_in
