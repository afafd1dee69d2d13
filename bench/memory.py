"""What an engine holds in memory after very many steps beside what it held after the first few thousand."""

from bench.database import tidy
from bench.engines import ask, engine_processes
from bench.measuring import Goal, Line
from bench.steps import HOT, REST, under_way

LEADS = 20_000
DAYS = 10
# By then every module is loaded and a few batches have been through.
FIRST = 5_000


def measure(scale: float) -> list[Line]:
    count = int(LEADS * scale)
    broker = under_way("aurora", count, steps=DAYS + 1)
    tidy(*HOT, *REST)
    with engine_processes(1) as engines:
        answers = ask(engines, broker=broker.pk, limit=max(int(FIRST * scale), FIRST // 2))
        answers += [answer for day in range(DAYS) for answer in ask(engines, broker=broker.pk, day=day)]
    sent = [answer["done"] for answer in answers]
    assert sum(sent) == count * DAYS, f"{sum(sent)} instead of {count * DAYS} sent"
    first, most = answers[0]["mb"], max(answer["mb"] for answer in answers)
    return [
        Line("memory: MB of an engine after so many steps", rows=sent[0], value=first),
        Line("memory: MB more at most, up to so many", rows=sum(sent), value=most - first, goal=Goal("≤", 20)),
    ]
