from datetime import UTC, datetime
from typing import Any

import pytest

from brokers.models import User
from leads.models import Lead, Task
from tests.brokers.admin_pages import admin_url, saved, signed_in
from tests.brokers.everything import Brokerage

pytestmark = pytest.mark.django_db
MINE = "brokers.middleware.brokerage_time"


@pytest.fixture(autouse=True)
def _installed(settings: Any) -> None:
    settings.MIDDLEWARE = [*(name for name in settings.MIDDLEWARE if name != MINE), MINE]


@pytest.fixture
def aurora() -> Brokerage:
    return Brokerage("aurora")


def test_time_is_typed_on_the_brokerages_clock(aurora: Brokerage) -> None:
    given = {"lead": aurora.lead.pk, "title": "call", "due_at_0": "2126-11-05", "due_at_1": "10:00"}
    saved(signed_in(aurora.admin), admin_url(Task, "add"), **given)
    assert Task.objects.get(title="call").due_at == datetime(2126, 11, 5, 13, tzinfo=UTC)


def test_time_is_shown_on_the_brokerages_clock(aurora: Brokerage) -> None:
    url = admin_url(Lead, "change", aurora.lead.pk)
    assert "Nov. 4, 2026, noon" in signed_in(aurora.admin).get(url).content.decode()
    operator = User.objects.create_superuser("operator")
    assert "Nov. 4, 2026, 3 p.m." in signed_in(operator).get(url).content.decode()


def test_strangers_have_no_clock(client: Any, db: None) -> None:
    assert client.get("/admin/login/").status_code == 200
