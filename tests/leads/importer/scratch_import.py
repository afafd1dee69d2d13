import time, os, resource
from pathlib import Path
from datetime import datetime, UTC
import pytest
from django.db import connection
from brokers.actions import create_broker
from leads.importer.writing import import_leads
from leads.models import *
import cProfile, pstats


@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
def test_bench() -> None:
    broker = create_broker(
        name="A", slug="a", country="CL", timezone="America/Santiago", now=datetime(2025, 3, 3, tzinfo=UTC)
    )
    path = Path("/tmp/big.csv")
    t = time.perf_counter()
    pr = cProfile.Profile() if os.environ.get("PROF") else None
    if pr:
        pr.enable()
    r = import_leads(broker=broker, path=path)
    if pr:
        pr.disable()
        pstats.Stats(pr).sort_stats("tottime").print_stats(25)
    e = time.perf_counter() - t
    print(f"{r.lines / e:,.0f} lines/s", e, r.counts)
    ImportBatch.objects.all().delete()
    t = time.perf_counter()
    r = import_leads(broker=broker, path=path)
    e = time.perf_counter() - t
    print(
        f"again: {r.lines / e:,.0f} lines/s",
        e,
        r.counts,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "MB",
    )
    other = create_broker(
        name="B", slug="b", country="CL", timezone="America/Santiago", now=datetime(2025, 3, 3, tzinfo=UTC)
    )
    # floor: bare COPY of the same rows into same tables
    tables = ["leads_lead", "leads_inquiry", "leads_stagetransition", "leads_scorechange"]
    with connection.cursor() as c:
        data = {}
        for tname in tables:
            c.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name=%s AND is_generated='NEVER' ORDER BY ordinal_position",
                [tname],
            )
            cols = [x for (x,) in c.fetchall()]
            with c.copy(f"COPY (SELECT {','.join(cols)} FROM {tname} ORDER BY id) TO STDOUT") as cp:
                data[tname] = (cols, b"".join(bytes(b) for b in cp))
        c.execute("TRUNCATE leads_lead, leads_inquiry, leads_stagetransition, leads_scorechange CASCADE")
        from django.db import transaction

        t = time.perf_counter()
        with transaction.atomic():
            for tname in tables:
                cols, d = data[tname]
                t1 = time.perf_counter()
                with c.copy(f"COPY {tname} ({','.join(cols)}) FROM STDIN") as cp:
                    cp.write(d)
                print(tname, time.perf_counter() - t1, len(d) / 1e6, "MB")
        e = time.perf_counter() - t
        print(f"bare COPY: {r.lines / e:,.0f} leads/s", e)
    assert 0
