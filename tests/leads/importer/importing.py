"""What the tests of the import share: brokerages, files, a clock, and all that an import may have written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from brokers.actions import create_broker
from brokers.models import Broker
from leads.importer.writing import Report, import_leads
from leads.models import Inquiry, Lead, ScoreChange, StageTransition

START = datetime(2026, 3, 4, 15, tzinfo=UTC)
HEADER = "Nombre;Teléfono;Correo;Comuna;Presupuesto;Etiquetas;Notas"
MODELS = (Lead, Inquiry, StageTransition, ScoreChange)

Clock = Callable[[], datetime]


class Ticking:
    """A minute goes by whenever somebody looks at it."""

    def __init__(self, start: datetime = START) -> None:
        self.moment = start

    def __call__(self) -> datetime:
        self.moment += timedelta(minutes=1)
        return self.moment


def a_broker(slug: str) -> Broker:
    return create_broker(name=slug, slug=slug, country="CL", timezone="America/Santiago", now=START)


class Folder:
    """`take_in("Ana;987654321", …)` writes a file of these lines and imports it."""

    def __init__(self, path: Path, broker: Broker) -> None:
        self.path, self.broker, self.clock = path, broker, Ticking()

    def write(self, *lines: str, header: str = HEADER, name: str = "leads.csv") -> Path:
        path = self.path / name
        path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        return path

    def take_in(self, *lines: str, header: str = HEADER, name: str = "leads.csv", **how: Any) -> Report:
        path = self.write(*lines, header=header, name=name)
        return import_leads(**{"broker": self.broker, "path": path, "clock": self.clock} | how)


def counts(report: Report) -> dict[str, int]:
    """Those that are not zero; `lines` is their sum anyway."""
    return {name: count for name, count in report.counts.items() if count and name != "lines"}


def the_lead(**which: Any) -> Lead:
    return Lead.objects.get(**which)


def rows_of(broker: Broker) -> list[list[dict[str, Any]]]:
    """Every row of the brokerage's leads to the last column."""
    return [list(model._default_manager.filter(broker=broker).order_by("pk").values()) for model in MODELS]


def sense_of(broker: Broker) -> list[Any]:
    """The same without ids and stamps: two ways to the same end agree on it."""
    leads = Lead.objects.filter(broker=broker).order_by("phone", "email", "name")
    facts = ("name", "phone", "email", "status", "lead_score", "score_components", "pipeline_stage", "tags", "notes")
    inquiries = Inquiry.objects.filter(broker=broker).order_by("digest")
    births = StageTransition.objects.filter(broker=broker).order_by("lead__phone", "lead__email", "id")
    return [
        list(leads.values_list(*facts, "budget_amount", "location", "source")),
        [sorted(lead.metadata) for lead in leads],
        list(inquiries.values_list("lead__phone", "lead__email", "digest", "raw", "text")),
        list(births.values_list("lead__phone", "lead__email", "from_stage", "to_stage", "cause")),
        ScoreChange.objects.filter(broker=broker, from_score=None).count(),
    ]
