from collections.abc import Callable

import pytest
from django.test import Client

from brokers.models import Broker, User

Browser = Callable[[User], Client]


@pytest.fixture
def agent_with_password(agent: User) -> User:
    agent.set_password("una-clave-larga-9")
    agent.save()
    return agent


def sign_in(client: Client, user: User, password: str, **more: str) -> int:
    return client.post("/login/", {"username": user.username, "password": password, **more}).status_code


def test_an_agent_signs_in_and_comes_where_they_wanted(client: Client, agent_with_password: User) -> None:
    asked = client.get("/sandbox/")
    assert asked["Location"] == "/login/?next=/sandbox/"
    form = {"username": agent_with_password.username, "password": "una-clave-larga-9", "next": "/sandbox/"}
    assert client.post("/login/", form)["Location"] == "/sandbox/"
    assert client.get("/sandbox/").status_code == 200


def test_a_wrong_password_says_so_and_ten_lock_the_name(client: Client, agent_with_password: User) -> None:
    page = client.post("/login/", {"username": agent_with_password.username, "password": "falsa"})
    assert 'role="alert"' in page.content.decode()
    answers = [sign_in(client, agent_with_password, "falsa") for _ in range(9)]
    assert answers[-1] == 429
    assert sign_in(client, agent_with_password, "una-clave-larga-9") == 429


@pytest.mark.parametrize(("person", "sees"), [("agent", False), ("admin", True), ("operator", True)])
def test_home_shows_the_admin_to_those_who_run_a_brokerage(
    request: pytest.FixtureRequest, broker: Broker, browser_of: Browser, person: str, sees: bool
) -> None:
    page = browser_of(request.getfixturevalue(person)).get("/").content.decode()
    assert ('href="/admin/"' in page, 'href="/sandbox/"' in page) == (sees, True)


def test_the_language_is_the_persons_choice(browser_of: Browser, agent: User) -> None:
    browser = browser_of(agent)
    assert 'lang="es"' in browser.get("/").content.decode()
    browser.post("/language/", {"language": "en"})
    assert '<html lang="en">' in browser.get("/").content.decode()


def test_signing_out_ends_the_session(browser_of: Browser, agent: User) -> None:
    browser = browser_of(agent)
    browser.post("/logout/")
    assert browser.get("/").status_code == 302
