"""Whatever is done to a running campaign, nothing of its history goes away or is rewritten (failures.md row 13)."""

from typing import Any

import pytest

from brokers.models import Broker
from campaigns.actions import (
    complete,
    edit_campaign,
    move_enrollments,
    pause,
    resume,
    save_steps,
    stop_enrollment,
)
from campaigns.models import Campaign, CampaignLog, CampaignStep, CampaignVersion, Enrollment
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import HOUR, a_campaign, broken, enroll, message_step, run, some_leads

pytestmark = pytest.mark.django_db


def ended() -> dict[str, list[dict[str, Any]]]:
    """The rows that are final, as they are."""
    return {
        "logs": list(CampaignLog.objects.exclude(status="pending").order_by("pk").values()),
        "entries": list(Enrollment.objects.exclude(status="active").order_by("pk").values()),
        "messages": list(Message.objects.order_by("pk").values()),
        "versions": list(CampaignVersion.objects.order_by("pk").values()),
        "steps": list(CampaignStep.objects.order_by("pk").values()),
    }


def test_history_outlives_everything_that_is_done_to_a_campaign(free_broker: Broker, clock: VirtualClock) -> None:
    """failures.md row 13: steps that change, get fewer and more, versions that people are moved between, pauses."""
    leads = some_leads(free_broker, 6)
    steps = [message_step(free_broker, text, delay_hours=4 * n) for n, text in enumerate(("uno", "dos", "tres"))]
    campaign = a_campaign(free_broker, *steps)
    enroll(campaign, *leads)
    run(clock, passes=6)
    how: dict[str, Any] = {"campaign": campaign}
    verbs = [
        lambda: save_steps(**how, specs=steps[:1], now=clock.now()),
        lambda: save_steps(**how, specs=[*steps, *steps], now=clock.now()),
        lambda: edit_campaign(**how, goal_stage="ganado", exit_on_reply=False, now=clock.now()),
        lambda: move_enrollments(**how, to=3, now=clock.now()),
        lambda: stop_enrollment(enrollment=leads[0].enrollments.get(), now=clock.now()),
        lambda: pause(**how, now=clock.now()),
        lambda: resume(**how, policy="skip", now=clock.now()),
        lambda: move_enrollments(**how, to=2, now=clock.now()),
        lambda: complete(**how, now=clock.now()),
    ]
    for verb in verbs:
        before = ended()
        verb()
        clock.advance(HOUR)
        after = ended()
        for kind, rows in before.items():
            kept = {row["id"]: row for row in after[kind]}
            assert [row for row in rows if kept.get(row["id"]) != row] == []
        run(clock)
    assert (Campaign.objects.get().status, Enrollment.objects.count(), broken()) == ("completed", 6, {})
    assert set(CampaignLog.objects.values_list("step_number", flat=True)) == {1, 2, 3}
    assert set(CampaignLog.objects.exclude(reason="").values_list("reason", flat=True)) == {"stopped", "not_in_version"}
