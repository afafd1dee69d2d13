"""Whole files into the database: what comes of each line, and that nothing comes of it twice."""

from pathlib import Path

import pytest

from brokers.actions import create_broker
from leads.importer.writing import import_leads
from leads.models import Lead
from datetime import datetime, UTC


@pytest.mark.django_db
def test_smoke(tmp_path: Path) -> None:
    broker = create_broker(
        name="A", slug="a", country="CL", timezone="America/Santiago", now=datetime(2025, 3, 3, tzinfo=UTC)
    )
    r = import_leads(broker=broker, path=Path("examples/leads.csv"))
    print(r)
    r = import_leads(broker=broker, path=Path("examples/leads.csv"))
    print(r)
    print(Lead.objects.count())
    assert 0
