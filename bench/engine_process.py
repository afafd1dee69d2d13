"""An engine in a process of its own: `python -m bench.engine_process DATABASE`.

It is asked in lines of JSON, and answers each with one: a pass over a broker on a day, with how many steps at most
(0: all that is due); or to count to a number, which needs no database.
"""

import json
import os
import sys
from time import process_time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402 - models want a set-up Django
from django.db import connection  # noqa: E402

from bench.counting import PROVIDERS  # noqa: E402
from bench.people import DAY, NOW  # noqa: E402
from bench.weighing import resident_mb  # noqa: E402
from brokers.models import Broker  # noqa: E402
from campaigns import engine  # noqa: E402
from messaging.clock import VirtualClock  # noqa: E402


def main(database: str) -> None:
    connection.settings_dict["NAME"] = database
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDERS}
    for line in sys.stdin:
        print(json.dumps(_answer(**json.loads(line))), flush=True)


def _answer(broker: int = 0, day: int = 0, limit: int = 0, count_to: int = 0) -> dict[str, Any]:
    began = process_time()
    done = _pass(broker, day, limit) if broker else _count(count_to)
    return {"done": done, "cpu": process_time() - began, "mb": resident_mb()}


def _pass(broker: int, day: int, limit: int) -> int:
    clock = VirtualClock(NOW + day * DAY)
    done = engine.run(clock=clock, broker=Broker.objects.get(pk=broker), limit=limit or None)
    assert done.taken == done.steps["sent"], f"{done.steps} of {done.taken} taken"
    return done.taken


def _count(end: int) -> int:
    total = 0
    for _number in range(end):
        total += 1
    return total


if __name__ == "__main__":
    main(sys.argv[1])
