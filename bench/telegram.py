"""Real HTTP: the engine in one process, through Telegram's adapter, to a Bot API on loopback that takes 50 ms.

The server is a process of its own. It stamps what it accepts, so the lines say what a provider sees.
"""

from decimal import Decimal

from django.conf import settings

from bench.measuring import Goal, Line
from bench.people import NOW, a_brokerage, a_campaign
from brokers.models import Broker
from campaigns import engine
from campaigns.enrollment import enroll_leads
from campaigns.models import CampaignLog
from leads.models import Lead
from messaging.models import ChannelAccount
from tests.peers.telegram import TOKEN, Accepted, busiest_second, telegram_process
from tests.running import RunningClock

MESSAGES = 10_000
RATE = 250
LATENCY = 0.05
THREADS = 64


def measure(scale: float) -> list[Line]:
    settings.SENDER_THREADS = THREADS
    count = int(MESSAGES * scale)
    free = _accepted(_under_way("free", count, None))
    paced = _accepted(_under_way("paced", count, Decimal(RATE)))
    used = len(paced) / (_span(paced) * RATE)
    return [
        Line("telegram: no rate, messages a second", count, _span(free), len(free) / _span(free), Goal("≥", 500)),
        Line("telegram: messages that came twice", count, value=count - len({one.chat for one in free})),
        Line("telegram: 250/s, busiest second", count, _span(paced), busiest(paced), Goal("≤", RATE)),
        Line("telegram: 250/s, share of it used", count, value=used, goal=Goal("≥", 0.9)),
    ]


def _under_way(slug: str, count: int, rate: Decimal | None) -> Broker:
    """A brokerage whose leads are all due to get one message."""
    broker = a_brokerage(slug, count)
    accounts = ChannelAccount.objects.filter(broker=broker, channel="telegram", is_default=True)
    accounts.update(provider="telegram", rate=rate)
    account = accounts.get()
    account.credentials = {"token": TOKEN}
    account.save(update_fields=["credentials"])
    campaign = a_campaign(broker, "telegram", 1, conditional=0)
    enroll_leads(campaign=campaign, leads=Lead.objects.filter(broker=broker), trigger="manual", now=NOW)
    return broker


def _accepted(broker: Broker) -> list[Accepted]:
    clock = RunningClock(NOW)
    with telegram_process(latency=LATENCY) as peer:
        settings.TELEGRAM_API_URL = peer.url
        while CampaignLog.objects.filter(broker=broker).waiting().exists():
            engine.run(clock=clock, broker=broker)
        return peer.accepted()


def _span(accepted: list[Accepted]) -> float:
    moments = [one.at for one in accepted]
    return max(moments) - min(moments)


def busiest(accepted: list[Accepted]) -> int:
    return busiest_second([one.at for one in accepted])
