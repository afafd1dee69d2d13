"""What one writes first: a loop that gets and saves each step's rows by themselves. It asks no policy."""

from datetime import datetime
from itertools import count

from bench.people import DAY, NOW
from brokers.models import Broker
from campaigns.models import CampaignLog, CampaignStep
from leads.models import Lead
from messaging.base import Envelope
from messaging.models import ChannelAccount, Message
from messaging.providers import adapter_for
from templates_app.merge import compile_text
from templates_app.variables import Surroundings, values_for

_keys = count()


def work_off_looped(broker: Broker, day: int) -> int:
    now = NOW + day * DAY
    due = CampaignLog.objects.filter(broker=broker, status="pending", due_at__lte=now)
    ids = list(due.values_list("pk", flat=True))
    for log_id in ids:
        _carry_out(CampaignLog.objects.get(pk=log_id), now)
    return len(ids)


def _carry_out(log: CampaignLog, now: datetime) -> None:
    step = CampaignStep.objects.select_related("message_template").get(pk=log.step_id)
    account = ChannelAccount.objects.select_related("broker").get(
        broker=log.broker_id, channel=log.channel, is_default=True
    )
    lead = Lead.objects.get(pk=log.lead_id)
    message = _written(log, step, account, lead, now)
    log.message, log.dispatched_at, log.attempts = message, now, 1
    log.save()
    envelope = Envelope(message.pk, message.dedupe_key, log.channel, message.address, "", message.body, "marketing")
    message.provider_id = adapter_for(account).send(envelope).provider_id
    message.status, message.sent_at = "sent", now
    message.save()
    log.status, log.executed_at = "sent", now
    log.save()
    lead.last_contacted_at = now
    lead.save()
    _schedule_next(log, step, now)


def _written(log: CampaignLog, step: CampaignStep, account: ChannelAccount, lead: Lead, now: datetime) -> Message:
    template = step.message_template
    assert template is not None
    around = Surroundings(account.broker.name, account.broker.timezone, "es", now)
    body = compile_text(template.content).render(values_for(lead, around, template.variables))
    message = Message(
        broker=account.broker,
        lead=lead,
        channel=log.channel,
        direction="out",
        account=account,
        template=template,
        address=lead.email if log.channel == "email" else lead.telegram_chat_id,
        body=body,
        status="sending",
        dedupe_key=f"loop:{next(_keys)}",
        created_at=now,
        sending_at=now,
    )
    message.save()
    return message


def _schedule_next(log: CampaignLog, step: CampaignStep, now: datetime) -> None:
    after = CampaignStep.objects.get(campaign=step.campaign_id, version=step.version, step_number=step.step_number + 1)
    CampaignLog(
        broker_id=log.broker_id,
        enrollment_id=log.enrollment_id,
        campaign_id=log.campaign_id,
        lead_id=log.lead_id,
        step=after,
        step_number=after.step_number,
        action=after.action,
        channel=log.channel,
        planned_at=now + after.delay,
        due_at=now + after.delay,
        created_at=now,
    ).save()
