"""manage.py figures prints what the figures say of a brokerage."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from brokers.models import Broker, User
from leads.models import Lead
from tests.building import DAY, a_broker, a_draft, a_lead, enroll
from tests.building import a_campaign as an_active_campaign
from tests.figures import a_history, an_entry

pytestmark = pytest.mark.django_db


def figures(broker: Broker, *options: str) -> str:
    out = StringIO()
    call_command("figures", "--broker", broker.slug, *options, stdout=out)
    return out.getvalue()


def as_data(broker: Broker, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(figures(broker, "--json", *options))
    return found


def arrived(data: dict[str, Any]) -> int:
    return sum(one["arrived"] for one in data["won_by_source"])


def test_tables_stand_one_below_the_other(broker: Broker, lead: Lead) -> None:
    text = figures(broker)
    titles = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert titles == [
        "Funnel: of those who entered a stage, how many reached another",
        "Time in stage",
        "Leads that stand still now",
        "Leads by contact priority now",
        "From arrival to the first touch",
        "From a message to its answer",
        "By source: booked",
        "By source: won",
        "By campaign",
        "Treated beside held out",
    ]


def test_empty_brokerage_has_dashes(broker: Broker) -> None:
    assert figures(broker).count("\n  –\n") == 10


def test_columns_stand_under_each_other(broker: Broker, lead: Lead) -> None:
    lines = figures(broker).splitlines()
    head = lines[lines.index("By source: won") + 1]
    row = lines[lines.index("By source: won") + 2]
    assert (head.split(), row.split()) == (
        ["arrived", "too", "young", "who", "reached", "it", "%", "half", "within"],
        ["(none)", "1", "0", "0", "0.0", "%", "–"],
    )
    assert head.index("it") + len("it") == row.index("0  0.0 %") + 1


def test_hold_out_is_told_per_campaign(broker: Broker, lead: Lead) -> None:
    campaign = a_draft(broker, name="Spring")
    an_entry(campaign, lead, 0, is_held=True)
    assert "  Spring: Nothing to compare yet: 0 treated, 1 held out, 30 days ago or longer.\n" in figures(broker)
    assert as_data(broker)["hold_outs"][0]["held_out"] == {"size": 1, "reached": 0, "share": 0.0}


def test_options_narrow_down(broker: Broker, agent: User, lead: Lead) -> None:
    a_lead(broker, source="TocToc")
    a_lead(a_broker("boreal"))
    options: list[tuple[str, ...]] = [
        (),
        ("--agent", agent.username),
        ("--source", "TocToc"),
        ("--from", "2026-03-04", "--to", "2026-03-05"),
        ("--to", "2026-03-04"),
    ]
    assert [arrived(as_data(broker, *some)) for some in options] == [2, 1, 1, 2, 0]


def test_days_bound_what_is_reached(broker: Broker) -> None:
    a_lead(broker, now=timezone.now() - DAY)
    young = [as_data(broker, *some)["won_by_source"][0]["too_young"] for some in ((), ("--within", "2"))]
    assert young == [0, 1]


def test_sandbox_is_asked_for(broker: Broker) -> None:
    campaign = an_active_campaign(broker, name="Spring")
    enroll(campaign, a_lead(broker))
    treated = [[one["treated"] for one in as_data(broker, *some)["campaigns"]] for some in ((), ("--sandbox",))]
    assert treated == [[], [1]]


def test_data_holds_seconds_and_shares(broker: Broker) -> None:
    a_history(broker, (0, "entrada"))
    data = as_data(broker)
    [entrada] = [one for one in data["time_in_stage"] if one["stage"] == "entrada"]
    assert (entrada["open"], entrada["lasted"]) == (1, {"median": None, "p90": None})
    assert isinstance(entrada["longest_open"], int)
    assert data["funnel"][0]["share"] == 0.0


@pytest.mark.parametrize("count", [1, 3])
def test_all_figures_take_fifteen_queries(broker: Broker, count: int) -> None:
    """One for the brokerage, one for the agent, thirteen for the figures."""
    for number in range(count):
        an_entry(a_draft(broker), a_lead(broker, source=f"source {number}"), 0, is_held=True)
    agent = User.objects.create(username="emma", broker=broker)
    with CaptureQueriesContext(connection) as queries:
        figures(broker, "--agent", agent.username)
    assert len(queries) == 15


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--agent", "nobody"), "agent=nobody does not work at"),
        (("--from", "2026-03-05", "--to", "2026-03-05"), "must come after"),
        (("--within", "0"), "use whole days"),
        (("--within", "99999999999"), "use whole days"),
        (("--from", "2026-13-01"), "'2026-13-01' is not allowed; use a day such as 2026-03-01"),
    ],
)
def test_what_cannot_be_asked_is_refused(broker: Broker, options: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        figures(broker, *options)


def test_unknown_brokerage_is_refused(db: None) -> None:
    with pytest.raises(CommandError, match="broker=nowhere does not exist"):
        call_command("figures", "--broker", "nowhere")
