"""What an agent may read is about leads of their own; a broker admin reads the brokerage's, and no other's."""

from typing import Any

import pytest
from django.db.models import Model

from brokers.models import User
from tests.brokers.everything import Brokerage, room_models

pytestmark = pytest.mark.django_db
OF_LEAD = sorted(
    (
        model
        for model in room_models()
        if not model._meta.proxy and {"lead", "call"} & {one.name for one in model._meta.fields}
    ),
    key=lambda model: model._meta.label,
)


def seen(model: type[Model], user: User) -> int:
    manager: Any = model._default_manager
    return int(manager.visible_to(user).count())


@pytest.mark.parametrize("model", OF_LEAD, ids=lambda model: model._meta.label)
def test_agents_read_what_is_about_their_own_leads(model: type[Model]) -> None:
    """failures.md row 33."""
    aurora, boreal = Brokerage("aurora"), Brokerage("boreal")
    colleague = User.objects.create(username="colleague", broker=aurora.broker)
    readers = {"admin": aurora.admin, "agent": aurora.agent, "colleague": colleague, "foreign": boreal.agent}
    found = {who: seen(model, user) for who, user in readers.items()}
    assert (found["admin"], found["colleague"]) == (len(aurora.rows[model]), 0)
    assert 0 < found["agent"] == found["foreign"] <= found["admin"]
