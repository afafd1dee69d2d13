"""Querysets inside larger statements, and how these are run."""

import re
from typing import Any

from django.db import connection
from django.db.models import QuerySet


def named(rows: QuerySet[Any, Any], prefix: str = "c") -> tuple[str, dict[str, Any]]:
    """The SQL of a queryset with named parameters, so that it can stand inside a larger statement."""
    statement, params = rows.query.sql_with_params()
    names = iter(range(len(params)))
    named = re.sub(r"%([s%])", lambda match: f"%({prefix}{next(names)})s" if match[1] == "s" else "%%", statement)
    return named, {f"{prefix}{i}": value for i, value in enumerate(params)}


def fetched(statement: str, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()
