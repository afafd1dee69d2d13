"""What people see who ask for what is not there, or not theirs, or where something broke: our page, their language."""

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.utils import translation

from brokers.models import Broker, Role
from tests.brokers.admin_pages import admin_url, signed_in
from tests.building import a_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("address", ["/nothing/", "/sandbox/1/", "/sandbox/99999999999999999999/"])
def test_page_that_is_not_there_says_where_to_go(broker: Broker, address: str) -> None:
    answer = signed_in(a_user(broker)).get(address)
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()
    assert '<a href="/">' in answer.content.decode()


def test_page_that_is_not_theirs_says_who_may(broker: Broker) -> None:
    admin = a_user(broker, role=Role.ADMIN, is_staff=True)
    answer = signed_in(admin).get(admin_url(Broker, "add"))
    assert (answer.status_code, "You may not do this" in answer.content.decode()) == (403, True)


def test_page_that_is_not_there_speaks_the_language_of_the_browser(client: Client, db: None) -> None:
    answer = client.get("/nothing/", headers={"accept-language": "es"})
    assert '<html lang="es">' in answer.content.decode()


def test_page_of_a_fault_needs_nothing_that_may_be_broken() -> None:
    with translation.override("en"):
        assert "Something went wrong here" in render_to_string("500.html")
