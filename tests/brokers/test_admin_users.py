"""A broker admin runs the people of their own brokerage, and can give nobody more than that."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from brokers.models import Role, User
from tests.brokers.admin_pages import admin_url, errors, saved, signed_in
from tests.brokers.everything import Brokerage

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"
NEW = {"username": "nina", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def add(browser: Client, **fields: Any) -> Any:
    return browser.post(admin_url(User, "add"), {**NEW, "role": "agent", **fields})


def test_new_user_belongs_to_the_brokerage_of_who_adds_them(browser: Client, aurora: Brokerage) -> None:
    assert add(browser).status_code == 302
    nina = User.objects.get(username="nina")
    assert (nina.broker, nina.role, nina.is_staff, nina.is_superuser) == (aurora.broker, "agent", False, False)
    assert nina.check_password(PASSWORD)


def test_only_a_broker_admin_may_enter_the_admin(browser: Client, aurora: Brokerage) -> None:
    add(browser, role=Role.ADMIN)
    nina = User.objects.get(username="nina")
    assert nina.is_staff
    saved(browser, admin_url(User, "change", nina.pk), role=Role.AGENT)
    nina.refresh_from_db()
    assert not nina.is_staff


def test_fields_that_are_not_in_the_form_are_not_taken(browser: Client, aurora: Brokerage) -> None:
    other, group = Brokerage("boreal").broker, Group.objects.create(name="all")
    more = {"is_superuser": "on", "is_staff": "on", "broker": other.pk, "groups": group.pk, "user_permissions": 1}
    add(browser, **more)
    nina = User.objects.get(username="nina")
    saved(browser, admin_url(User, "change", nina.pk), **more)
    nina.refresh_from_db()
    assert (nina.broker, nina.is_superuser, nina.is_staff) == (aurora.broker, False, False)
    assert not nina.groups.exists()
    assert not nina.user_permissions.exists()


def test_nobody_takes_away_their_own_rights(browser: Client, aurora: Brokerage) -> None:
    saved(browser, admin_url(User, "change", aurora.admin.pk), role="agent", is_active="", first_name="Nina")
    aurora.admin.refresh_from_db()
    assert (aurora.admin.first_name, aurora.admin.role, aurora.admin.is_active) == ("Nina", "admin", True)


def test_password_of_an_agent_is_set(browser: Client, aurora: Brokerage) -> None:
    url = f"/admin/brokers/user/{aurora.agent.pk}/password/"
    passwords = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    assert browser.post(url, passwords).status_code == 302
    aurora.agent.refresh_from_db()
    assert aurora.agent.check_password(PASSWORD)


def test_operator_with_a_brokerage_does_not_exist_for_its_admins(browser: Client, aurora: Brokerage) -> None:
    boss = User.objects.create_superuser("boss", broker=aurora.broker, role=Role.ADMIN)
    listed = browser.get(admin_url(User, "changelist")).context["cl"].result_list
    assert boss.pk not in [user.pk for user in listed]
    passwords = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    assert browser.post(f"/admin/brokers/user/{boss.pk}/password/", passwords).status_code == 404
    boss.refresh_from_db()
    assert not boss.has_usable_password()


def test_user_who_is_no_operator_needs_a_brokerage() -> None:
    browser = signed_in(User.objects.create_superuser("operator"))
    answer = add(browser)
    assert errors(answer) == {"__all__": ["A user who is no operator needs a brokerage."]}
    assert add(browser, is_superuser="on").status_code == 302


def test_operator_cannot_move_a_user_to_another_brokerage(aurora: Brokerage) -> None:
    browser = signed_in(User.objects.create_superuser("operator"))
    saved(browser, admin_url(User, "change", aurora.agent.pk), broker=Brokerage("boreal").broker.pk)
    aurora.agent.refresh_from_db()
    assert aurora.agent.broker == aurora.broker
