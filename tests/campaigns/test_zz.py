import pytest
from datetime import *
import tests.campaigns.test_workers_at_once as w
globals().update({k:v for k,v in vars(w).items() if not k.startswith("test_")})
pytestmark = pytest.mark.django_db(transaction=True)
import campaigns.engine as E
def test_zz(sent_file, monkeypatch):
    ev=[]
    import threading
    f=E._batch
    def g(*a, **k):
        r=f(*a,**k)
        ev.append((threading.get_ident()%1000, datetime.now().isoformat()[17:23], r))
        return r
    monkeypatch.setattr(E, "_batch", g)
    always = {day: ["00:00", "23:59:59"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    broker: Broker = a_free_broker(contact_window=always)
    counting_account(broker, sent_file, rate=40)
    now = datetime.now(UTC)
    enroll(a_campaign(broker, now=now), *some_leads(broker, 80), now=now)
    print(together(*[lambda: engine.run(clock=SystemClock())] * 2))
    for e in ev: print(e)
    print(Counter(CampaignLog.objects.values_list("status","reason")))
    assert 0
