"""Every way in which an assignee changes writes its row of history, and only that verb changes one."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions import assign_lead, assign_leads, claim_lead, create_lead, create_task, edit_lead
from leads.models import Assignment, Lead
from tests.building import DAY, HOUR, NOW, a_lead, a_user, broken, now_of, some_leads
from tests.leads.routing.offices import an_offered_lead, history, who_has

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[3]


def test_lead_that_comes_with_an_agent_says_so(broker: Broker, agent: User, admin: User) -> None:
    lead = create_lead(broker=broker, now=NOW, by=admin, name="Ana", assigned_to=agent)
    assert (lead.assigned_to, who_has(lead), history(lead)) == (agent, agent, [(None, agent, "arrival", "")])
    assert Assignment.objects.get().by == admin


def test_edit_of_the_assignee_is_written_down(broker: Broker, agent: User, colleague: User, admin: User) -> None:
    lead = a_lead(broker, assigned_to=agent)
    edit_lead(lead=lead, now=NOW + HOUR, by=admin, assigned_to=colleague, location="Ñuñoa")
    edit_lead(lead=lead, now=NOW + DAY, by=admin, assigned_to=None)
    assert history(lead)[1:] == [(agent, colleague, "person", ""), (colleague, None, "person", "")]
    assert list(Assignment.objects.order_by("id").values_list("at", flat=True)) == [NOW, NOW + HOUR, NOW + DAY]


def test_edit_to_the_same_agent_leaves_no_trace(broker: Broker, agent: User) -> None:
    lead = a_lead(broker, assigned_to=agent)
    edit_lead(lead=lead, now=NOW, by=None, assigned_to=agent, location="Ñuñoa")
    assert assign_lead(lead=lead, to=agent, now=NOW, cause="person") is False
    assert len(history(lead)) == 1


def test_leads_are_handed_over_with_rule_and_reason(broker: Broker, agent: User, colleague: User) -> None:
    lead = a_lead(broker, assigned_to=agent)
    assign_leads(leads=Lead.objects.all(), agents=[colleague], now=NOW, rule="holidays", reason="Carla is away")
    assert history(lead)[1:] == [(agent, colleague, "person", "holidays")]
    assert Assignment.objects.latest("id").reason == "Carla is away"


def test_any_number_of_leads_takes_the_same_statements(broker: Broker, agent: User, colleague: User) -> None:
    counts = []
    for count in (1, 30):
        leads = some_leads(broker, count)
        chosen = Lead.objects.filter(pk__in=[lead.pk for lead in leads])
        with CaptureQueriesContext(connection) as asked:
            assign_leads(leads=chosen, agents=[agent, colleague], now=NOW)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_open_tasks_go_with_the_lead(broker: Broker, agent: User, colleague: User, admin: User) -> None:
    lead = a_lead(broker)
    early = create_task(lead=lead, title="call", due_at=NOW, now=NOW)
    other = create_task(lead=lead, title="sign", due_at=NOW, now=NOW)
    done = create_task(lead=lead, title="done", due_at=NOW, now=NOW)
    type(other).objects.filter(pk=other.pk).update(assignee=admin)
    type(done).objects.filter(pk=done.pk).update(done_at=NOW)
    assign_lead(lead=lead, to=agent, now=NOW, cause="person")
    assign_lead(lead=lead, to=colleague, now=NOW, cause="person")
    assignees = dict(type(other).objects.values_list("title", "assignee__first_name"))
    assert assignees == {"call": colleague.first_name, "sign": admin.first_name, "done": None}
    assert early.assignee is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lead, foreign, gone: assign_lead(lead=lead, to=foreign, now=NOW, cause="person"), "agent_foreign"),
        (lambda lead, foreign, gone: assign_lead(lead=lead, to=gone, now=NOW, cause="person"), "agent_inactive"),
        (lambda lead, foreign, gone: edit_lead(lead=lead, now=NOW, by=None, assigned_to=gone), "agent_inactive"),
        (lambda lead, foreign, gone: a_lead(lead.broker, assigned_to=gone), "agent_inactive"),
    ],
)
def test_nobody_gets_a_lead_who_does_not_work_here(
    broker: Broker, outsider: User, change: Callable[[Lead, User, User], object], reason: str
) -> None:
    """failures.md row 33."""
    lead, gone = a_lead(broker), a_user(broker, "gone", is_active=False)
    with pytest.raises(Refused) as refused:
        change(lead, outsider, gone)
    assert (refused.value.reason, Assignment.objects.count(), Lead.objects.count()) == (reason, 0, 1)


def test_history_is_whole_whatever_happened(broker: Broker, agent: User, colleague: User) -> None:
    lead = an_offered_lead(broker, agent, colleague)
    claim_lead(lead=lead, by=agent, now=NOW)
    edit_lead(lead=lead, now=NOW, by=None, assigned_to=None)
    assign_lead(lead=now_of(lead), to=colleague, now=NOW, cause="person")
    assert broken() == {}


def test_user_who_has_leads_cannot_be_deleted(broker: Broker, agent: User) -> None:
    """It would take their leads from them without a trace; they are deactivated."""
    a_lead(broker, assigned_to=agent)
    with pytest.raises(ProtectedError):
        agent.delete()


def test_only_the_verb_writes_an_assignee() -> None:
    """In no file of the product does an update, a save or a statement of SQL change it, but in that one."""
    rooms = ["brokers", "leads", "templates_app", "messaging", "voice", "campaigns"]
    paths = [path for room in rooms for path in (ROOT / room).rglob("*.py") if "migrations" not in path.parts]
    found = {path.relative_to(ROOT).as_posix() for path in paths if _writes_assignee(ast.parse(path.read_text()))}
    assert found == {"leads/actions/assigning.py"}


def _writes_assignee(tree: ast.Module) -> bool:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    writes = [call for call in calls if getattr(call.func, "attr", "") in ("update", "save", "bulk_update")]
    named = {keyword.arg for call in writes for keyword in call.keywords}
    listed = {word for call in writes for word in _texts(call)}
    in_sql = any(re.search(r"\bSET\b[^;]*\bassigned_to_id\s*=", text) for text in _texts(tree))
    return in_sql or not (named | listed).isdisjoint({"assigned_to", "assigned_to_id"})


def _texts(tree: ast.AST) -> list[str]:
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
