"""The command line, as an operator meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command, load_command_class

from brokers.models import Broker
from campaigns.models import CampaignLog
from leads.models import Lead
from messaging.models import ChannelAccount, Message
from tests.building import a_broker, a_campaign, a_draft, a_lead, enroll, logs

ALWAYS_OPEN = {day: ["00:00", "23:59:59"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


def said(command: str, *words: str) -> Any:
    out = StringIO()
    call_command(command, *words, "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def open_broker(db: None) -> Broker:
    """Its window is open whatever the clock of the machine says."""
    return a_broker("abierta", contact_window=ALWAYS_OPEN)


def test_create_broker_opens_a_brokerage_on_the_sandbox(db: None) -> None:
    answer = said(
        "create_broker", "--name", "Sur", "--slug", "sur", "--country", "cl", "--timezone", "America/Santiago"
    )
    accounts = ChannelAccount.objects.filter(broker=answer["id"], sandbox=True, is_default=True)
    assert (answer["currency"], accounts.count()) == ("CLP", 4)


def test_create_broker_names_every_fault(db: None) -> None:
    with pytest.raises(CommandError) as refused:
        said("create_broker", "--name", " ", "--slug", "S ur", "--country", "XX", "--timezone", "Santiago")
    assert [
        fault in str(refused.value) for fault in ("name", "slug='S ur'", "country='XX'", "timezone='Santiago'")
    ] == [True] * 4


def test_run_campaign_enrols_chosen_leads_and_sends(open_broker: Broker) -> None:
    campaign, lead, other = a_campaign(open_broker), a_lead(open_broker), a_lead(open_broker)
    answer = said("run_campaign", str(campaign.pk), "--leads", str(lead.pk))
    assert (answer["enrolled"], answer["steps"]) == (1, {"sent": 1})
    assert list(Message.objects.values_list("lead", flat=True)) == [lead.pk]
    assert not Message.objects.filter(lead=other).exists()


def test_run_campaign_enrols_by_filter_and_all(open_broker: Broker) -> None:
    campaign = a_campaign(open_broker)
    a_lead(open_broker, tags=["vip"])
    a_lead(open_broker)
    assert said("run_campaign", str(campaign.pk), "--filter", '{"tags_any": ["vip"]}')["enrolled"] == 1
    assert said("run_campaign", str(campaign.pk), "--all") | {"steps": 0} == {
        "dry_run": False,
        "candidates": 2,
        "enrolled": 1,
        "held_out": 0,
        "left_out": 1,
        "steps": 0,
    }


def test_run_campaign_dry_run_changes_nothing(open_broker: Broker) -> None:
    campaign = a_campaign(open_broker)
    a_lead(open_broker)
    assert said("run_campaign", str(campaign.pk), "--all", "--dry-run")["enrolled"] == 1
    assert logs() == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--leads", "1,x"], "leads='1,x'"),
        (["--leads", "999999999"], "999999999"),
        (["--filter", "{"], "filter='{'"),
        (["--filter", "{}"], "would be everybody; if that is meant, use --all"),
        (["--filter", '{"score_min": null}'], "score_min=None says nothing"),
        (["--filter", '{"scoremin": 4}'], "scoremin is no condition"),
        (["--filter", '{"score_min": "high"}'], "score_min='high'"),
    ],
)
def test_run_campaign_names_what_is_wrong(open_broker: Broker, words: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint.replace("{", r"\{").replace("(", r"\(")):
        said("run_campaign", str(a_campaign(open_broker).pk), *words)


def test_run_campaign_refuses_a_draft_and_an_unknown_campaign(open_broker: Broker) -> None:
    for campaign, complaint in ((a_draft(open_broker).pk, "activate it"), (99_999_999, "does not exist")):
        with pytest.raises(CommandError, match=complaint):
            said("run_campaign", str(campaign), "--all")


def test_run_campaigns_does_one_pass_over_one_brokerage(open_broker: Broker) -> None:
    other = a_broker("otra", contact_window=ALWAYS_OPEN)
    for broker in (open_broker, other):
        a_lead(broker)
        enroll(a_campaign(broker), now=datetime.now(UTC))
    answer = said("run_campaigns", "--once", "--broker", "abierta")
    assert (answer["steps"], logs(broker=other)) == ({"sent": 1}, [(1, "pending", "")])


def test_run_campaigns_names_an_unknown_brokerage(open_broker: Broker) -> None:
    with pytest.raises(CommandError, match="broker='nadie' does not exist; there are: abierta"):
        said("run_campaigns", "--broker", "nadie")


def test_explain_answers_in_words_and_as_data(open_broker: Broker) -> None:
    campaign, lead = a_campaign(open_broker), a_lead(open_broker)
    enroll(campaign, lead, now=datetime.now(UTC))
    said("run_campaigns")
    words = StringIO()
    call_command("explain", campaign=campaign.pk, lead=lead.pk, stdout=words)
    assert "1. Send a message (telegram): sent" in words.getvalue()
    assert said("explain", f"--campaign={campaign.pk}", f"--lead={lead.pk}")["entries"][0]["status"] == "completed"


def test_verify_ledger_exits_with_1_and_the_rows(open_broker: Broker) -> None:
    lead = a_lead(open_broker)
    assert said("verify_ledger")["clean"] is True
    Lead.objects.update(lead_score=99)
    out = StringIO()
    with pytest.raises(SystemExit) as exited:
        call_command("verify_ledger", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert (exited.value.code, answer["counts"], answer["violations"][0]["row_id"]) == (
        1,
        {"score_matches_history": 1},
        lead.pk,
    )


def test_pipeline_graph_prints_the_table(db: None) -> None:
    moves = {(move["from"], move["to"]) for move in said("pipeline_graph")["transitions"]}
    assert len(moves) == 19
    assert ("agendado", "ganado") in moves


def test_explain_speaks_the_language_that_is_asked_for(open_broker: Broker) -> None:
    campaign, lead, words = a_campaign(open_broker), a_lead(open_broker), StringIO()
    call_command("explain", campaign=campaign.pk, lead=lead.pk, language="es", stdout=words)
    assert "El lead nunca estuvo en esta campaña." in words.getvalue()


def test_sending_stops_and_goes_on_for_one_brokerage_or_all(open_broker: Broker) -> None:
    lead = a_lead(open_broker)
    enroll(a_campaign(open_broker), lead, now=datetime.now(UTC))
    for words in ((), ("--broker", "abierta")):
        assert len(said("sending", "stop", *words)["brokers"]) == len(words) // 2
        call_command("run_campaigns", stdout=StringIO())
        assert logs() == [(1, "pending", "")]
        assert said("sending", "go-on", *words) == {"platform": None, "brokers": {}}
    call_command("run_campaigns", stdout=StringIO())
    assert logs() == [(1, "sent", "")]


COMMANDS = ("run_campaign", "run_campaigns", "explain", "sending", "verify_ledger", "demo")


@pytest.mark.parametrize(
    ("app", "command"), [("messaging", "create_broker"), *(("campaigns", name) for name in COMMANDS)]
)
def test_help_shows_an_example(app: str, command: str) -> None:
    text = load_command_class(app, command).create_parser("manage.py", command).format_help()
    assert f"example:\n  manage.py {command}" in text


@pytest.mark.django_db(transaction=True)
def test_the_loop_works_until_sigterm(command_environment: dict[str, str]) -> None:
    """failures.md row 34."""
    broker = a_broker("abierta", contact_window=ALWAYS_OPEN)
    a_lead(broker)
    enroll(a_campaign(broker), now=datetime.now(UTC))
    loop = subprocess.Popen(
        [sys.executable, "manage.py", "run_campaigns", "--loop"],
        env=command_environment,
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 30
    while not CampaignLog.objects.filter(status="sent").exists() and time.monotonic() < until:
        time.sleep(0.1)
    os.kill(loop.pid, signal.SIGTERM)
    out, _err = loop.communicate(timeout=20)
    assert (loop.returncode, "1 sent" in out) == (0, True)
