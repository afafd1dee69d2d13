"""The house keeps its own rules: what may import what, sizes, stamps, locks, templates, tables."""

import ast
import re
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.models import ForeignKey, Model

from brokers.models import Broker, Platform
from leads.models import Lead

ROOT = Path(__file__).resolve().parent.parent
# From the roof to the ground: a room may use its own things and those of rooms further down.
ROOMS = ["config", "campaigns", "voice", "messaging", "templates_app", "leads", "brokers"]
# Written by the million: a real foreign key to the parent, loose references for the rest.
HOT = {
    "Enrollment": "campaign",
    "CampaignLog": "enrollment",
    "Message": "lead",
    "StageTransition": "lead",
    "ScoreChange": "lead",
    "Assignment": "lead",
}
TABLES = "|".join(f"{room}_" for room in ROOMS)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources(*, with_migrations: bool = False) -> dict[str, ast.Module]:
    """The syntax tree of every file of every room, by its path from the root."""
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    wanted = [path for path in paths if with_migrations or "migrations" not in path.parts]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in wanted}


def nodes(*kinds: type[ast.AST], with_migrations: bool = False) -> Iterator[tuple[str, Any]]:
    """Every node of these kinds, with the place to print."""
    for path, tree in sources(with_migrations=with_migrations).items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield f"{path}:{getattr(node, 'lineno', 1)}", node


def room_of(name: str) -> int | None:
    """The floor of a dotted name or a path; None for what is not ours."""
    first = re.split(r"[./]", name)[0]
    return ROOMS.index(first) if first in ROOMS else None


def is_uphill(place: str, target: str) -> bool:
    here, there = room_of(place), room_of(target)
    return here is not None and there is not None and there < here


def imported(node: ast.AST) -> list[str]:
    """The modules an import, or a call that imports by name, asks for."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""] if node.level == 0 else []
    if isinstance(node, ast.Call) and called(node) in {
        "import_module",
        "import_string",
        "get_model",
        "__import__",
    }:
        return [argument.value for argument in node.args[:1] if is_text(argument)]
    return []


def called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def keywords(node: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


def texts() -> Iterator[tuple[str, str]]:
    """Every text in the code but docstrings; an f-string with `{}` for what it fills in."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    skipped = {id(node.body[0].value) for _, node in nodes(*documented) if is_documented(node)}
    for place, node in nodes(ast.JoinedStr):
        parts = node.values
        skipped |= {id(part) for part in parts}
        yield place, "".join(part.value if is_text(part) else "{}" for part in parts)
    yield from ((place, node.value) for place, node in nodes(ast.Constant) if is_text(node) and id(node) not in skipped)


def is_documented(node: ast.AST) -> bool:
    return bool(ast.get_docstring(node, clean=False))


def models() -> list[type[Model]]:
    return [model for model in apps.get_models() if room_of(model.__module__) is not None]


def foreign_keys(model: type[Model]) -> list[ForeignKey]:
    return [field for field in model._meta.local_fields if isinstance(field, ForeignKey)]


def templates() -> dict[str, str]:
    """Every template with the engine's own tags taken out."""
    folders = [ROOT / "templates", *(ROOT / room / "templates" for room in ROOMS)]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.html"))]
    engine = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}", re.DOTALL)
    return {str(path.relative_to(ROOT)): engine.sub(" ", path.read_text()) for path in paths}


def test_imports_run_downhill() -> None:
    found = nodes(ast.Import, ast.ImportFrom, ast.Call, with_migrations=True)
    assert [(place, name) for place, node in found for name in imported(node) if is_uphill(place, name)] == []


def test_imports_stand_at_the_top() -> None:
    inner = [
        f"{path}:{node.lineno}"
        for path, tree in sources().items()
        for outer in ast.walk(tree)
        if isinstance(outer, Function)
        for node in ast.walk(outer)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inner == []


def test_foreign_keys_run_downhill() -> None:
    upward = [
        f"{model.__name__}.{field.name}"
        for model in models()
        for field in (*model._meta.local_fields, *model._meta.local_many_to_many)
        if field.related_model and is_uphill(model.__module__, field.related_model.__module__)
    ]
    assert upward == []


def test_hot_tables_have_a_real_foreign_key_to_their_parent_only() -> None:
    hot = {model.__name__: foreign_keys(model) for model in models() if model.__name__ in HOT}
    assert hot.keys() == HOT.keys()
    real = {name: [field.name for field in fields if field.db_constraint] for name, fields in hot.items()}
    assert real == {name: [parent] for name, parent in HOT.items()}
    indexed = [f"{name}.{field.name}" for name, fields in hot.items() for field in fields if field.db_index]
    assert [name for name in indexed if name.split(".")[1] != HOT[name.split(".")[0]]] == []


def test_files_are_shorter_than_400_lines() -> None:
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in sources()}
    assert {path: length for path, length in lengths.items() if length >= 400} == {}


def function_lengths() -> dict[str, int]:
    found = nodes(ast.FunctionDef, ast.AsyncFunctionDef)
    return {f"{place} {node.name}": node.end_lineno - node.lineno + 1 for place, node in found}


def test_no_function_is_longer_than_50_lines() -> None:
    assert {name: length for name, length in function_lengths().items() if length > 50} == {}


def test_the_median_function_is_shorter_than_10_lines() -> None:
    assert statistics.median(function_lengths().values()) < 10


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)


INLINE = {
    "inline style": re.compile(r"<style\b|<[a-z][^>]*\sstyle\s*=", re.IGNORECASE),
    "inline script": re.compile(r"<script\b(?![^>]*\ssrc\s*=)|<script\b[^>]*>\s*[^\s<]|javascript:", re.IGNORECASE),
    "inline handler": re.compile(r"<[a-z][^>]*\s(hx-)?on[a-z:]+\s*=", re.IGNORECASE),
}


@pytest.mark.parametrize("kind", INLINE)
def test_templates_have_nothing_inline(kind: str) -> None:
    assert [path for path, text in templates().items() if INLINE[kind].search(text) and not is_mail(path)] == []


def is_mail(path: str) -> bool:
    """Mail programs read no style sheets."""
    return path.endswith("email.html")


def test_locks_let_others_reference_the_row() -> None:
    calls = [(place, node) for place, node in nodes(ast.Call) if called(node) == "select_for_update"]
    assert [place for place, node in calls if keywords(node).get("no_key") != "True"] == []
    assert [place for place, text in texts() if re.search(r"\bfor\s+update\b", text, re.IGNORECASE)] == []


def test_every_stamp_comes_from_the_verbs_now() -> None:
    stamps = {"auto_now", "auto_now_add"}
    calls = [(place, node) for place, node in nodes(ast.Call) if isinstance(node, ast.Call)]
    assert [place for place, node in calls if stamps & keywords(node).keys()] == []
    assert [place for place, node in calls if called(node) == "Now"] == []
    defaults = [(place, keywords(node)) for place, node in calls]
    assert [place for place, given in defaults if str(given.get("default")).endswith(".now")] == []
    clocks = re.compile(r"\b(now|clock_timestamp|statement_timestamp)\(\)|\bcurrent_timestamp\b", re.IGNORECASE)
    assert [place for place, text in texts() if clocks.search(text)] == []


def test_no_file_has_a_name_for_anything() -> None:
    vague = {"utils", "util", "helpers", "common", "core", "misc"}
    assert [path for path in sources(with_migrations=True) if vague & set(Path(path).with_suffix("").parts)] == []


def test_sql_leaves_the_schema_to_the_search_path() -> None:
    """A rehearsal runs on temporary tables of the same names, which come first in the search path."""
    qualified = re.compile(rf"""\bpublic\.["\w{{]|[\w"}}]\."?({TABLES})\w""", re.IGNORECASE)
    assert [(place, text) for place, text in texts() if qualified.search(text)] == []


def test_every_tenant_model_has_a_broker_and_starts_from_the_user() -> None:
    tenants = [model for model in models() if model not in (Broker, Platform)]
    assert [model.__name__ for model in tenants if not has_broker(model)] == []
    assert [model.__name__ for model in models() if not hasattr(model._default_manager, "visible_to")] == []


def has_broker(model: type[Model]) -> bool:
    return any(field.name == "broker" and field.related_model is Broker for field in model._meta.fields)


@pytest.mark.django_db
def test_lead_has_ten_indexes_at_most() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [Lead._meta.db_table])
        indexes = [definition for (definition,) in cursor.fetchall()]
    assert 0 < len(indexes) <= 10, indexes
    assert [definition for definition in indexes if "last_contacted_at" in definition] == []
