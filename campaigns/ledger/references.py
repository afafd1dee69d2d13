"""References: that those which no constraint guards resolve, and that none leads to another brokerage's row."""

from collections import defaultdict
from collections.abc import Iterator

from django.apps import apps
from django.db import models

from brokers.models import Broker
from campaigns.ledger.looks import Broken, Look

ONE_BROKER = "one_broker"
RESOLVE = "references_resolve"


def references() -> list[Look]:
    """A look a table, at all that it refers to."""
    fields: dict[type[models.Model], list[models.ForeignKey]] = defaultdict(list)
    for field in _foreign_keys():
        if _is_tenants(field) or (field.related_model is Broker and _is_loose(field)):
            fields[field.model].append(field)
    return [_look(model, found) for model, found in fields.items()]


def _foreign_keys() -> Iterator[models.ForeignKey]:
    for model in apps.get_models():
        for field in () if model._meta.proxy else model._meta.concrete_fields:
            if isinstance(field, models.ForeignKey):
                yield field


def _is_tenants(field: models.ForeignKey) -> bool:
    """Whether it leads from one tenant's row to another (or to a user, who belongs to a broker too)."""
    return _has_broker(field.model) and _has_broker(field.related_model)


def _is_loose(field: models.ForeignKey) -> bool:
    """Whether no constraint guards it."""
    return not field.db_constraint  # type: ignore[attr-defined]


def _has_broker(model: type[models.Model]) -> bool:
    return any(field.name == "broker" for field in model._meta.concrete_fields)


def _look(model: type[models.Model], fields: list[models.ForeignKey]) -> Look:
    table = model._meta.db_table
    joins = [f"LEFT JOIN {_table(field)} r{n} ON r{n}.id = o.{field.column}" for n, field in enumerate(fields)]
    foreign = {
        f"r{n}.broker_id <> o.broker_id": field for n, field in enumerate(fields) if field.related_model is not Broker
    }
    dangling = {
        f"o.{field.column} IS NOT NULL AND r{n}.id IS NULL": field for n, field in enumerate(fields) if _is_loose(field)
    }
    questions = {ONE_BROKER: _any(foreign, "belongs to another brokerage"), RESOLVE: _any(dangling, "is no row")}
    broken = {name: question for name, question in questions.items() if question.when}
    return Look(table, f"o.{model._meta.pk.column}", f"{table} o {' '.join(joins)}", broken)


def _table(field: models.ForeignKey) -> str:
    return field.related_model._meta.db_table


def _any(conditions: dict[str, models.ForeignKey], complaint: str) -> Broken:
    """Broken where one of the conditions holds; names each column of which it does."""
    says = [
        f"CASE WHEN {condition} THEN '{field.column}=' || o.{field.column} || ' {complaint}' END"
        for condition, field in conditions.items()
    ]
    return Broken(" OR ".join(f"({condition})" for condition in conditions), f"concat_ws(', ', {', '.join(says)})")
