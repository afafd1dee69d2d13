"""Enrolment: the verb beside bare SQL that writes the same rows, and beside a loop that saves them one by one."""

from functools import partial

from django.db import connection, transaction

from bench.database import as_owner_execute, tidy, value
from bench.measuring import Contestant, Goal, Line, compete, line_of, times_as_long
from bench.people import NOW, a_brokerage, a_campaign
from bench.twins import make_lean, on_twins
from brokers.models import Broker
from campaigns.enrollment import SLICE, enroll_leads
from campaigns.models import Campaign, CampaignLog, CampaignStep, Enrollment
from leads.models import Lead

LEADS = 100_000
LOOPED = 500
ROUNDS = 5
TABLES = ("campaigns_enrollment", "campaigns_campaignlog")
LEAN = ", ".join(f"lean.{table}" for table in TABLES)

BARE = """
WITH e AS (
    INSERT INTO campaigns_enrollment (broker_id, campaign_id, version, lead_id, entry, trigger, evidence, status,
                                      exit_reason, sandbox, enrolled_at)
    SELECT %(broker)s, %(campaign)s, 1, id, 1, 'manual', '{}', 'active', '', false, %(now)s
    FROM leads_lead WHERE id > %(low)s AND id <= %(low)s + %(size)s ORDER BY id
    RETURNING id, lead_id
)
INSERT INTO campaigns_campaignlog (broker_id, enrollment_id, campaign_id, lead_id, step_id, step_number, action,
                                   channel, status, reason, planned_at, due_at, attempts, response, created_at)
SELECT %(broker)s, id, %(campaign)s, lead_id, %(step)s, 1, 'send_message', 'telegram', 'pending', '', %(now)s,
       %(now)s, 0, '{}', %(now)s
FROM e
"""


def measure(scale: float) -> list[Line]:
    count, looped = int(LEADS * scale), int(LOOPED * scale)
    broker = a_brokerage("aurora", count)
    campaign = a_campaign(broker, "telegram", 3, conditional=0)
    make_lean(*TABLES)
    tidy("leads_lead", "leads_stagetransition")
    timings = compete(
        [
            Contestant("verb", partial(_by_verb, campaign), _empty),
            Contestant("bare", partial(_bare, campaign), _empty),
            Contestant("lean", partial(_bare_on_lean, campaign), _empty),
            Contestant("loop", partial(_looped, campaign, looped), _empty),
        ],
        ROUNDS,
    )
    verb, bare, lean, loop = (timings[name] for name in ("verb", "bare", "lean", "loop"))
    return [
        line_of("enrolment: enroll_leads", verb),
        line_of("enrolment: bare SQL, same tables", bare, times_as_long(verb, bare), Goal("≤", 1.5)),
        line_of("enrolment: bare SQL, lean tables", lean, times_as_long(verb, lean), Goal("≤", 2.5)),
        line_of("enrolment: get and save a lead", loop, times_as_long(verb, loop)),
    ]


def _empty(round_number: int) -> None:
    as_owner_execute(
        f"TRUNCATE {', '.join(TABLES)}", f"TRUNCATE {LEAN}", "UPDATE campaigns_campaign SET enrolled_count = 0"
    )


def _by_verb(campaign: Campaign, round_number: int) -> int:
    leads = Lead.objects.filter(broker=campaign.broker_id)
    return enroll_leads(campaign=campaign, leads=leads, trigger="manual", now=NOW).enrolled


def _bare(campaign: Campaign, round_number: int) -> int:
    params = {
        "broker": campaign.broker_id,
        "campaign": campaign.pk,
        "step": _first_step(campaign).pk,
        "now": NOW,
        "size": SLICE,
    }
    lowest, highest = value("SELECT min(id) - 1 FROM leads_lead"), value("SELECT max(id) FROM leads_lead")
    written = 0
    for low in range(lowest, highest, SLICE):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(BARE, params | {"low": low})
            written += cursor.rowcount
    return written


def _bare_on_lean(campaign: Campaign, round_number: int) -> int:
    with on_twins("lean"):
        return _bare(campaign, round_number)


def _looped(campaign: Campaign, count: int, round_number: int) -> int:
    step = _first_step(campaign)
    for pk in Lead.objects.values_list("pk", flat=True).order_by("pk")[:count]:
        _enroll_one(campaign, step, campaign.broker, Lead.objects.get(pk=pk))
    return count


def _enroll_one(campaign: Campaign, step: CampaignStep, broker: Broker, lead: Lead) -> None:
    if Enrollment.objects.filter(campaign=campaign, lead=lead).exists():
        return
    enrollment = Enrollment(
        broker=broker, campaign=campaign, version=1, lead=lead, trigger="manual", status="active", enrolled_at=NOW
    )
    enrollment.save()
    CampaignLog(
        broker=broker,
        enrollment=enrollment,
        campaign=campaign,
        lead=lead,
        step=step,
        step_number=1,
        action=step.action,
        channel=campaign.channel,
        planned_at=NOW,
        due_at=NOW,
        created_at=NOW,
    ).save()


def _first_step(campaign: Campaign) -> CampaignStep:
    return CampaignStep.objects.get(campaign=campaign, version=1, step_number=1)
