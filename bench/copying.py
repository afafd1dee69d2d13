"""Rows by the ten thousand, copied in the database itself."""

from django.db.models import Model

from bench.database import execute


def copy_rows(model: type[Model], rest: str, **expressions: str) -> None:
    """Insert what `SELECT … {rest}` finds: the columns of `o`, a row of this table, but for those with an expression
    of their own."""
    fields = model._meta.local_concrete_fields
    columns = [field.column for field in fields if not field.generated and not field.primary_key]
    values = [expressions.get(column, f"o.{column}") for column in columns]
    execute(f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) SELECT {', '.join(values)} {rest}")
