import time, os
from pathlib import Path
from datetime import datetime, UTC
from collections import defaultdict
import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from brokers.actions import create_broker
from leads.importer import writing, staging
from leads.models import *
HZ=os.sysconf("SC_CLK_TCK")
def backend():
    with connection.cursor() as c:
        pid=connection.connection.info.backend_pid
    f=open(f"/proc/{pid}/stat").read().rsplit(")",1)[1].split()
    return (int(f[11])+int(f[12]))/HZ
@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
def test_bench() -> None:
    path = Path("/tmp/big20.csv" if os.environ.get("SMALL") else "/tmp/big.csv")
    broker = create_broker(name="A", slug="a", country="CL", timezone="America/Santiago", now=datetime(2025,3,3,tzinfo=UTC))
    T=defaultdict(float)
    orig=CursorWrapper.execute
    def ex(self,sql,params=None):
        b=backend.__wrapped__() if 0 else None
        pid=connection.connection.info.backend_pid
        def cpu():
            f=open(f"/proc/{pid}/stat").read().rsplit(")",1)[1].split(); return (int(f[11])+int(f[12]))/HZ
        t=cpu()
        try: return orig(self,sql,params)
        finally: T["SQL "+" ".join(str(sql).split())[:50]]+=cpu()-t
    b0=backend(); c0=time.process_time(); w0=time.perf_counter()
    CursorWrapper.execute=ex
    r = writing.import_leads(broker=broker, path=path)
    CursorWrapper.execute=orig
    n=r.lines
    cc=time.process_time()-c0; bb=backend()-b0
    print(f"import: client {cc/n*1e6:.0f} us, backend {bb/n*1e6:.0f} us, wall {(time.perf_counter()-w0)/n*1e6:.0f} us")
    for k,v in sorted(T.items(), key=lambda x:-x[1])[:9]: print(f"{v/n*1e6:8.1f} us {k}")
    tables=["leads_lead","leads_inquiry","leads_stagetransition","leads_scorechange"]
    with connection.cursor() as c:
        data={}
        for tname in tables:
            c.execute("SELECT column_name FROM information_schema.columns WHERE table_name=%s AND is_generated='NEVER' ORDER BY ordinal_position",[tname])
            cols=[x for (x,) in c.fetchall()]
            with c.copy(f"COPY (SELECT {','.join(cols)} FROM {tname} ORDER BY id) TO STDOUT") as cp:
                data[tname]=(cols,b"".join(bytes(b) for b in cp))
        c.execute("TRUNCATE leads_lead, leads_inquiry, leads_stagetransition, leads_scorechange CASCADE")
        b0=backend(); c0=time.process_time();w0=time.perf_counter()
        with transaction.atomic():
            for tname in tables:
                cols,d=data[tname]
                with c.copy(f"COPY {tname} ({','.join(cols)}) FROM STDIN") as cp: cp.write(d)
        f=(time.process_time()-c0+backend()-b0)/n*1e6
        print(f"floor: cpu {f:.0f} us wall {(time.perf_counter()-w0)/n*1e6:.0f} us; ratio cpu {f/((cc+bb)/n*1e6):.2f}")
    assert 0
