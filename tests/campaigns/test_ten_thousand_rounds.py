"""Two workers, one lead in five campaigns, ten thousand times: caps hold, and nobody waits for ever.

A round is one lead with several due rows that both workers go at in the same moment. All leads are in all campaigns, so
every wave is a round for each of them. Between two waves the clock goes on by a little more than a day.
"""

from collections import defaultdict
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from django.conf import LazySettings
from django.db import connection

from campaigns import engine
from messaging.clock import VirtualClock
from messaging.models import Message
from tests.building import DAY, NOW, a_broker, a_campaign, a_lead, broken, enroll, message_step
from tests.deadlocks import no_deadlock, report_what_happened
from tests.many import copies_of_lead
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)
ALWAYS = {day: ["00:00", "23:59:59.999999"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
LEADS, CAMPAIGNS, STEPS, WAVES = 420, 5, 12, 24
CAP_24H, CAP_7D = 2, 13
BETWEEN = timedelta(hours=24.01)
# Seconds, on a machine that has a lot else to do; it takes twenty.
LONGEST = 500


def contended(now: datetime) -> int:
    """How many leads have more than one row that is due."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT FROM campaigns_campaignlog WHERE status = 'pending' AND due_at <= %s "
            "GROUP BY lead_id HAVING count(*) > 1) leads",
            [now],
        )
        return int(cursor.fetchone()[0])


def greedy(moments: list[datetime]) -> list[datetime]:
    """All that the caps allow to one lead at these moments, by counting every window that ends there."""
    sent: list[datetime] = []
    for now in moments:
        while all(sum(now - at <= length for at in sent) < cap for length, cap in ((DAY, CAP_24H), (7 * DAY, CAP_7D))):
            sent.append(now)
    return sent


@pytest.mark.timeout(600)
def test_two_workers_keep_the_caps_of_every_lead_for_ten_thousand_rounds(settings: LazySettings) -> None:
    """failures.md row 22: each lead gets what its caps allow, not one more and not one less."""
    settings.ENGINE_BATCH = 60
    broker = a_broker(contact_window=ALWAYS, cap_24h=CAP_24H, cap_7d=CAP_7D)
    copies_of_lead(a_lead(broker), LEADS - 1)
    for _ in range(CAMPAIGNS):
        enroll(a_campaign(broker, *[message_step(broker, delay_hours="24.01" if n else 0) for n in range(STEPS)]))
    clock, rounds, taken, moments = VirtualClock(NOW - BETWEEN), [], [], []

    def next_wave() -> None:
        clock.advance(BETWEEN)
        moments.append(clock.now())
        rounds.append(contended(clock.now()))

    start = Barrier(2, action=next_wave)

    def worker() -> None:
        for _ in range(WAVES):
            start.wait(LONGEST)
            taken.append(engine.work_off(clock=clock, broker=broker).taken)
        report_what_happened()

    with no_deadlock():
        together(worker, worker, patience=LONGEST)
    sent: dict[int, list[datetime]] = defaultdict(list)
    for lead, at in Message.objects.order_by("created_at").values_list("lead", "created_at"):
        sent[lead].append(at)
    assert sum(map(bool, taken)) > WAVES, "one of them did all the work"
    expected = greedy(moments)
    assert [lead for lead, found in sent.items() if found != expected] == []
    assert (len(sent), sum(rounds) >= 10_000) == (LEADS, True)
    assert broken() == {}
