import time, functools
from collections import defaultdict
from pathlib import Path
from datetime import datetime, UTC
import pytest
from django.db import connection
from django.db.backends.utils import CursorWrapper
from brokers.actions import create_broker
from leads.importer import writing, staging, merging, lead_file
from leads.models import *

T = defaultdict(float)


def wrap(mod, name):
    f = getattr(mod, name)

    @functools.wraps(f)
    def g(*a, **k):
        t = time.perf_counter()
        c = time.thread_time()
        try:
            return f(*a, **k)
        finally:
            T[name] += time.perf_counter() - t
            T[name + " cpu"] += time.thread_time() - c

    setattr(mod, name, g)


@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
def test_bench() -> None:
    broker = create_broker(
        name="A", slug="a", country="CL", timezone="America/Santiago", now=datetime(2025, 3, 3, tzinfo=UTC)
    )
    path = Path("/tmp/big.csv")
    for m, n in (
        (writing, "known_people"),
        (writing, "reserve_ids"),
        (writing, "write_people"),
        (staging, "_copy"),
        (merging.Merger, "finish"),
        (merging.Merger, "take"),
        (writing, "_import_chunk"),
    ):
        wrap(m, n)
    orig = CursorWrapper.execute

    def ex(self, sql, params=None):
        t = time.perf_counter()
        try:
            return orig(self, sql, params)
        finally:
            T["SQL " + " ".join(str(sql).split())[:40]] += time.perf_counter() - t

    CursorWrapper.execute = ex
    t = time.perf_counter()
    c = time.thread_time()
    r = writing.import_leads(broker=broker, path=path)
    e = time.perf_counter() - t
    print(f"{r.lines / e:,.0f} lines/s", e, time.thread_time() - c)
    for k, v in sorted(T.items(), key=lambda x: -x[1]):
        print(f"{v:8.2f} {k}")
    CursorWrapper.execute = orig
    assert 0
