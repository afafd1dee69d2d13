"""Two people move one lead at once, over two connections."""

from collections.abc import Callable
from threading import Thread

import pytest
from django.db import transaction

from leads.actions import edit_lead, move_stage
from leads.models import Lead, StageTransition
from tests.building import NOW, a_broker, a_lead, now_of
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def mover(lead: Lead, to: str) -> Callable[[], object]:
    seen = now_of(lead)

    def move() -> str:
        move_stage(lead=seen, to=to, now=NOW, cause="agent", reason="precio")
        return ""

    return move


@pytest.mark.parametrize("second", ["calificacion_financiera", "perdido", "perfilamiento"])
def test_of_two_who_move_one_lead_at_once_one_wins(second: str) -> None:
    lead = a_lead(a_broker())
    for _ in range(5):
        Lead.objects.filter(pk=lead.pk).update(pipeline_stage="entrada")
        said = together(mover(lead, "perfilamiento"), mover(lead, second))
        assert sorted(said) == ["", "stage_changed"]
        last = StageTransition.objects.filter(lead=lead).latest("id")
        assert (last.to_stage, last.from_stage) == (now_of(lead).pipeline_stage, "entrada")
    assert StageTransition.objects.filter(lead=lead).count() == 6


def test_many_who_move_one_lead_at_once_lose_no_row() -> None:
    lead = a_lead(a_broker())
    said = together(*[mover(lead, "perfilamiento") for _ in range(6)])
    assert sorted(said) == ["", *["stage_changed"] * 5]
    assert StageTransition.objects.filter(lead=lead).count() == 2


def test_edit_and_move_at_once_both_hold() -> None:
    lead = a_lead(a_broker())
    seen = now_of(lead)
    said = together(
        mover(lead, "perfilamiento"), lambda: edit_lead(lead=seen, now=NOW, by=None, location="Ñuñoa", notes="x")
    )
    fresh = now_of(lead)
    assert (said[0], fresh.pipeline_stage, fresh.location) == ("", "perfilamiento", "Ñuñoa")
    assert fresh.lead_score == 15 + 2 + 5 == sum(fresh.score_components.values())


def test_move_waits_for_who_holds_the_lead_and_is_then_refused() -> None:
    lead = a_lead(a_broker())
    late = mover(lead, "calificacion_financiera")
    said: list[str] = []
    waiting = Thread(target=lambda: said.extend(together(late)))
    with transaction.atomic():
        move_stage(lead=lead, to="perfilamiento", now=NOW, cause="agent")
        waiting.start()
        waiting.join(0.3)
        assert (waiting.is_alive(), said) == (True, [])
    waiting.join(30)
    assert (said, now_of(lead).pipeline_stage) == (["stage_changed"], "perfilamiento")
