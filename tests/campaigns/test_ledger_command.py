"""verify_ledger as an operator meets it."""

import json
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command, load_command_class

from brokers.models import Broker
from campaigns.ledger import invariants
from leads.models import Lead
from tests.building import a_lead, some_leads
from tests.many import copies_of_lead

pytestmark = pytest.mark.django_db


def said(*words: str) -> tuple[int, str]:
    """The exit status and what stands on the terminal."""
    out = StringIO()
    try:
        call_command("verify_ledger", *words, stdout=out)
    except SystemExit as exited:
        return int(exited.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_clean_ledger_says_how_many_invariants_hold(broker: Broker) -> None:
    assert said() == (0, f"The ledger is clean: {len(invariants())} invariants hold.\n")


def test_each_violation_names_table_row_and_what_is_wrong(broker: Broker) -> None:
    lead = a_lead(broker)
    score = lead.lead_score
    Lead.objects.update(lead_score=99)
    wrong = f"  leads_lead {lead.pk}: scores 99, its history says {score}\n"
    assert said() == (1, f"score_matches_history: 1\n{wrong}")


def test_what_is_not_shown_is_counted(broker: Broker) -> None:
    copies_of_lead(a_lead(broker), 120)
    Lead.objects.update(lead_score=99)
    status, text = said()
    lines = text.splitlines()
    assert (status, lines[0], len(lines), lines[-1]) == (1, "score_matches_history: 121", 102, "  … and 21 more")


def test_json_is_one_object(broker: Broker) -> None:
    one, other = some_leads(broker, 2)
    Lead.objects.filter(pk=other.pk).update(pipeline_stage="seguimiento")
    status, text = said("--json")
    assert (status, json.loads(text)) == (
        1,
        {
            "clean": False,
            "checked": len(invariants()),
            "counts": {"stage_matches_history": 1},
            "violations": [
                {
                    "invariant": "stage_matches_history",
                    "table": "leads_lead",
                    "row_id": other.pk,
                    "detail": f"is in seguimiento, its history says {one.pipeline_stage}",
                }
            ],
        },
    )


def test_only_checks_what_is_named(broker: Broker) -> None:
    a_lead(broker)
    Lead.objects.update(lead_score=99, pipeline_stage="seguimiento")
    status, text = said("--json", "--only", "score_matches_history", "--only", "caps_hold")
    assert (status, json.loads(text)["checked"], json.loads(text)["counts"]) == (1, 2, {"score_matches_history": 1})


def test_invariant_that_nobody_knows_is_refused(broker: Broker) -> None:
    with pytest.raises(CommandError, match="invalid choice: 'scores_match'.*'score_matches_history'"):
        said("--only", "scores_match")


def test_help_shows_how_to_check_one_invariant() -> None:
    text = load_command_class("campaigns", "verify_ledger").create_parser("manage.py", "verify_ledger").format_help()
    assert "manage.py verify_ledger --only caps_hold" in text


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_names_what_is_being_checked(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    said("--only", "caps_hold")
    assert "caps_hold" in sys.stderr.getvalue()


def test_without_a_terminal_there_is_no_bar(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", StringIO())
    said("--only", "caps_hold")
    assert sys.stderr.getvalue() == ""
