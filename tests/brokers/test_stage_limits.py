"""How many days a lead may stand still, by stage."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from brokers.rules import OPEN_STAGES, validate_stage_limits
from leads.models import lead


def test_limits_are_for_the_stages_in_which_leads_are_worked_on() -> None:
    assert list(OPEN_STAGES) == lead.OPEN_STAGES


@pytest.mark.parametrize("limits", [{}, {"entrada": 1}, {"entrada": 2, "seguimiento": 3650}])
def test_limits_are_taken(limits: dict[str, int]) -> None:
    validate_stage_limits(limits)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"ganado": 3}, "ganado"),
        ({"entrada": 0}, "entrada"),
        ({"entrada": 3651}, "entrada"),
        ({"entrada": "2"}, "entrada"),
        ({"entrada": True}, "entrada"),
        ({"entrada": 1.5}, "entrada"),
        (["entrada"], "items"),
    ],
)
def test_limits_that_say_nothing_are_refused(limits: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        validate_stage_limits(limits)
