"""A brokerage, files to import and a clock that moves a minute whenever somebody looks at it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from brokers.actions import create_broker
from brokers.models import Broker
from leads.importer.writing import Report, import_leads
from leads.models import Inquiry, Lead, ScoreChange, StageTransition

START = datetime(2026, 3, 4, 15, tzinfo=UTC)
HEADER = "Nombre;Teléfono;Correo;Comuna;Presupuesto;Etiquetas;Notas"

type_write = Callable[..., Path]
Import = Callable[..., Report]


class Ticking:
    def __init__(self, start: datetime) -> None:
        self.moment = start

    def __call__(self) -> datetime:
        self.moment += timedelta(minutes=1)
        return self.moment


def a_broker(slug: str) -> Broker:
    return create_broker(name=slug, slug=slug, country="CL", timezone="America/Santiago", now=START)


@pytest.fixture
def broker(db: None) -> Broker:
    return a_broker("aurora")


@pytest.fixture
def ticking() -> Ticking:
    return Ticking(START)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write("Ana;987654321", …, header=…, name=…)` makes a file of these lines."""

    def written(*lines: str, header: str = HEADER, name: str = "leads.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        return path

    return written


@pytest.fixture
def take_in(broker: Broker, write: Callable[..., Path], ticking: Ticking) -> Import:
    """Writes a file of these lines and imports it."""

    def imported(*lines: str, into: Broker | None = None, **how: Any) -> Report:
        shape = {name: how.pop(name) for name in ("header", "name") if name in how}
        return import_leads(broker=into or broker, path=write(*lines, **shape), clock=ticking, **how)

    return imported


def everything(broker: Broker) -> dict[str, list[Any]]:
    """All that an import may write, without ids and stamps: two ways to the same end must agree on it."""
    leads = Lead.objects.filter(broker=broker).order_by("phone", "email", "name")
    columns = (
        "name", "phone", "email", "telegram_chat_id", "status", "lead_score", "score_components", "pipeline_stage",
        "notes", "tags", "budget_amount", "location", "source", "deleted_at",
    )  # fmt: skip
    inquiries = Inquiry.objects.filter(broker=broker).order_by("digest")
    return {
        "leads": list(leads.values_list(*columns)),
        "said": [sorted(lead.metadata.keys()) for lead in leads],
        "inquiries": list(inquiries.values_list("lead__phone", "lead__email", "digest", "raw", "text")),
        "transitions": list(
            StageTransition.objects.filter(broker=broker)
            .order_by("lead__phone", "lead__email", "id")
            .values_list("lead__phone", "lead__email", "from_stage", "to_stage", "cause")
        ),
        "births": ScoreChange.objects.filter(broker=broker, from_score=None).count(),
    }


def rows_of(broker: Broker) -> list[list[dict[str, Any]]]:
    """Every row of the brokerage's leads to the last column."""
    models = (Lead, Inquiry, StageTransition, ScoreChange)
    return [list(model._default_manager.filter(broker=broker).order_by("pk").values()) for model in models]
