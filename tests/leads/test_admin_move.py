"""Moving leads through the pipeline from the admin."""

from typing import Any

import pytest
from django.test import Client

from leads.actions import move_stage
from leads.models import Appointment, Lead, Stage, StageTransition
from tests.brokers.admin_pages import admin_url, errors, form_data, said, signed_in
from tests.brokers.everything import NOW, Brokerage

pytestmark = pytest.mark.django_db


@pytest.fixture
def aurora() -> Brokerage:
    """Its lead has no appointment any more, and so does not go to agendado by itself."""
    aurora = Brokerage("aurora")
    Appointment.objects.update(status="cancelled")
    return aurora


@pytest.fixture
def browser(aurora: Brokerage) -> Client:
    return signed_in(aurora.admin)


def move(browser: Client, lead: Lead, **fields: Any) -> Any:
    url = admin_url(Lead, "move", lead.pk)
    return browser.post(url, form_data(browser.get(url)) | fields)


def moves(lead: Lead) -> list[tuple[str, str, str, str]]:
    rows = StageTransition.objects.filter(lead=lead).exclude(from_stage="").order_by("id")
    return list(rows.values_list("from_stage", "to_stage", "cause", "reason"))


def test_lead_is_moved_by_the_verb(browser: Client, aurora: Brokerage) -> None:
    answer = move(browser, aurora.lead, to="perfilamiento")
    assert (answer.status_code, answer.url) == (302, admin_url(Lead, "change", aurora.lead.pk))
    assert moves(aurora.lead) == [("entrada", "perfilamiento", "agent", "")]
    assert StageTransition.objects.get(to_stage="perfilamiento").by == aurora.admin


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"to": "perdido", "reason": "reserva"}, {"reason": ["Say why: one of the reasons to be lost."]}),
        ({"to": "ganado", "reason": ""}, {"reason": ["Say how: one of the reasons to be won."]}),
        ({"to": "ganado", "reason": "precio"}, {"reason": ["Say how: one of the reasons to be won."]}),
        ({"to": "ganado", "is_correction": "on"}, {"words": ["Say what was wrong."]}),
    ],
)
def test_reason_that_fits_is_asked_for(
    browser: Client, aurora: Brokerage, fields: dict[str, str], fault: dict[str, list[str]]
) -> None:
    assert errors(move(browser, aurora.lead, **fields)) == fault
    assert moves(aurora.lead) == []


def test_reason_of_a_move_that_closes_nothing_is_not_kept(browser: Client, aurora: Brokerage) -> None:
    move(browser, aurora.lead, to="perfilamiento", reason="precio")
    assert moves(aurora.lead) == [("entrada", "perfilamiento", "agent", "")]


def test_refusal_names_the_moves_that_are_allowed(browser: Client, aurora: Brokerage) -> None:
    answer = move(browser, aurora.lead, to="ganado", reason="reserva")
    assert errors(answer)["__all__"] == [
        "A lead in entrada cannot go to ganado; allowed from there: perfilamiento, calificacion_financiera, perdido."
    ]
    assert moves(aurora.lead) == []


def test_losing_a_lead_needs_a_reason(browser: Client, aurora: Brokerage) -> None:
    answer = move(browser, aurora.lead, to="perdido")
    assert errors(answer) == {"reason": ["Say why: one of the reasons to be lost."]}
    move(browser, aurora.lead, to="perdido", reason="precio")
    assert moves(aurora.lead) == [("entrada", "perdido", "agent", "precio")]


def test_correction_goes_anywhere_with_a_reason(browser: Client, aurora: Brokerage) -> None:
    move(browser, aurora.lead, to="ganado", is_correction="on", words="mistake")
    assert moves(aurora.lead) == [("entrada", "ganado", "correction", "mistake")]


def test_move_after_somebody_else_moved_is_refused(browser: Client, aurora: Brokerage) -> None:
    url = admin_url(Lead, "move", aurora.lead.pk)
    opened = form_data(browser.get(url))
    move_stage(lead=aurora.lead, to=Stage.PERFILAMIENTO, now=NOW, cause="agent", by=aurora.agent)
    answer = browser.post(url, opened | {"to": "perdido", "reason": "otro"})
    assert errors(answer) == {
        "__all__": ["Somebody moved this lead to Profiling meanwhile; look again before you move it."]
    }
    assert moves(aurora.lead) == [("entrada", "perfilamiento", "agent", "")]


def test_chosen_leads_are_moved_and_every_refusal_is_shown(browser: Client, aurora: Brokerage) -> None:
    aurora.add_one_of_each()
    Appointment.objects.update(status="cancelled")
    first, second = aurora.rows[Lead]
    move_stage(lead=first, to=Stage.PERDIDO, now=NOW, cause="agent", by=aurora.agent, reason="otro")
    url = admin_url(Lead, "changelist")
    chosen = {"action": "move_chosen", "_selected_action": [first.pk, second.pk]}
    asked = form_data(browser.post(url, chosen))
    answer = browser.post(url, asked | {"to": "calificacion_financiera"}, follow=True)
    assert said(answer) == [
        "1 lead was moved.",
        f"{first}: A lead in perdido cannot go to calificacion_financiera; allowed from there: perfilamiento.",
    ]
    assert moves(second) == [("entrada", "calificacion_financiera", "agent", "")]


def test_too_many_leads_at_once_are_refused(
    browser: Client, aurora: Brokerage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leads.admin.move.MOST_AT_ONCE", 0)
    chosen = {"action": "move_chosen", "_selected_action": [aurora.lead.pk]}
    answer = browser.post(admin_url(Lead, "changelist"), chosen, follow=True)
    assert said(answer) == ["Choose 0 leads at most."]
