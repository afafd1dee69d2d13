"""All that can be seen of a brokerage in the database, and of the plain reference's world, in one shape."""

import re
from collections import Counter
from typing import Any

from django.db.models import Count, Q

from campaigns.models import Campaign, CampaignLog, Enrollment
from leads.models import Lead
from messaging.models import Message
from tests.campaigns.reference.world import Entry, Log, World

LINK = re.compile(r"https?://\S+")


def key_of(entry: Entry) -> dict[str, int]:
    return {"campaign_id": entry.campaign.id, "lead_id": entry.lead.id, "entry": entry.number}


def row_of(log: Log) -> CampaignLog:
    entry = {f"enrollment__{name}": value for name, value in key_of(log.entry).items()}
    return CampaignLog.objects.get(step_number=log.number, **entry)


def differences(world: World) -> list[tuple[str, Any, Any, Any]]:
    """What is otherwise in the database (third) than in the world (fourth), by kind and key."""
    found = []
    seen, wanted = observed(), expected(world)
    for kind in wanted:
        found += [
            (kind, key, seen[kind].get(key), wanted[kind].get(key))
            for key in sorted({*seen[kind], *wanted[kind]})
            if seen[kind].get(key) != wanted[kind].get(key)
        ]
    return found


def observed() -> dict[str, Any]:
    logs = CampaignLog.objects.values_list(
        *("campaign_id", "lead_id", "enrollment__entry", "step_number", "status", "reason", "action", "channel"),
        *("attempts", "planned_at", "due_at", "lease_until", "executed_at"),
    )
    entries = Enrollment.objects.values_list(
        *("campaign_id", "lead_id", "entry", "version", "trigger", "status", "exit_reason", "enrolled_at"),
        "finished_at",
    )
    campaigns = Campaign.objects.values_list("pk", "status", "version", "enrolled_count", "paused_at", "collects_from")
    return {
        "leads": _leads(),
        "campaigns": {pk: rest for pk, *rest in campaigns},
        "entries": {(*key,): rest for *key, rest in ((*row[:3], row[3:]) for row in entries)},
        "logs": {row[:4]: (*row[4:9], *(row[9:12] if row[4] == "pending" else row[12:])) for row in logs},
        "messages": Counter(_message(row) for row in Message.objects.filter(direction="out")),
    }


def _leads() -> dict[int, Any]:
    invitations = Count("appointments", filter=Q(appointments__booked_at=None), distinct=True)
    given = Count("tasks", filter=Q(tasks__origin__startswith="log:"), distinct=True)  # by steps; meetings give others
    rows = Lead.objects.annotate(given=given, invitations=invitations)
    columns = (
        "pk",
        "pipeline_stage",
        "lead_score",
        "opted_out_at",
        "deleted_at",
        "unreachable",
        "given",
        "invitations",
    )
    return {
        pk: (stage, score, opted_out_at is not None, deleted_at is not None, *rest)
        for pk, stage, score, opted_out_at, deleted_at, *rest in rows.values_list(*columns)
    }


def _message(row: Message) -> tuple[Any, ...]:
    """Keys without the ids in them."""
    kind, _entry, *numbers = row.dedupe_key.split(":")
    text = LINK.sub("(link)", row.body)
    return row.lead_id, row.created_at, row.channel, row.address, text, row.status, row.error_code, kind, *numbers


def expected(world: World) -> dict[str, Any]:
    return {
        "leads": {
            lead.id: (
                *(lead.stage, lead.score, lead.opted_out, lead.is_deleted, lead.unreachable),
                sum(log.reason == "handed_to_agent" for log in world.logs_of(lead)),
                sum(log.is_invited for log in world.logs_of(lead)),
            )
            for lead in world.leads.values()
        },
        "campaigns": {
            one.id: [one.status, one.version, one.enrolled, one.paused_at, one.collects_from] for one in world.campaigns
        },
        "entries": {
            tuple(key_of(one).values()): (
                *(one.version, one.trigger, one.status, one.exit_reason, one.at, one.ended_at),
            )
            for one in world.entries
        },
        "logs": dict(_expected_log(log) for log in world.logs()),
        "messages": Counter(
            (m.lead.id, m.at, m.channel, m.address, m.text, m.status, m.code, *m.key.split(":")) for m in world.messages
        ),
    }


def _expected_log(log: Log) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    moments = (log.planned, log.due, log.lease) if log.status == "pending" else (log.done_at,)
    key = *key_of(log.entry).values(), log.number
    return key, (log.status, log.reason, log.step.action, log.channel, log.attempts, *moments)
