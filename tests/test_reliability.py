"""docs/reliability.md is true: what it promises has a test, and that test says which promise it proves."""

import ast
import re
from collections import defaultdict
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
# The rows of the page that must be there; further ones may be.
PROMISED = {*range(1, 19), *range(20, 23), *range(25, 29), *range(30, 35)}
CITATION = re.compile(r"failures\.md rows? (\d+(?:(?:, | and |, and )\d+)*)")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def promises() -> dict[int, list[tuple[str, str]]]:
    """(file, test) of each row of the page's table, in its order."""
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for line in PAGE.read_text().splitlines():
        if row := re.match(r"\| (\d+) \|", line):
            found[int(row[1])] += NAMED.findall(line)
    return found


@cache
def module(path: str) -> ast.Module | None:
    file = ROOT / path
    return ast.parse(file.read_text()) if file.is_file() else None


def function(path: str, name: str) -> ast.FunctionDef | None:
    tree = module(path)
    body = tree.body if tree else []
    return next((node for node in body if isinstance(node, ast.FunctionDef) and node.name == name), None)


def cited(docstring: str | None) -> set[int]:
    """The rows that a docstring speaks of, whichever way its lines are broken."""
    text = " ".join((docstring or "").split())
    return {int(number) for found in CITATION.finditer(text) for number in re.findall(r"\d+", found[1])}


def says_so(path: str, name: str, row: int) -> bool:
    tree, test = module(path), function(path, name)
    return (
        tree is not None and test is not None and row in cited(ast.get_docstring(test)) | cited(ast.get_docstring(tree))
    )


def test_page_has_every_row_once() -> None:
    rows = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)]
    assert rows == sorted(set(rows))
    assert PROMISED - set(rows) == set()


def test_every_row_of_the_page_names_its_tests() -> None:
    assert [row for row, tests in promises().items() if not tests] == []


def test_every_mention_of_a_test_can_be_read() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\| \d+ \|", line)]
    assert [line for line in lines if len(NAMED.findall(line)) != line.count("tests/")] == []


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(chain.from_iterable(promises().values()))
    assert [f"{path}::{name}" for path, name in sorted(named) if not name.startswith("test_")] == []
    assert [f"{path}::{name}" for path, name in sorted(named) if function(path, name) is None] == []


def test_every_test_that_the_page_names_cites_its_row() -> None:
    silent = [(row, *test) for row, tests in promises().items() for test in tests if not says_so(*test, row)]
    assert silent == []


def test_every_row_that_a_test_cites_is_on_the_page() -> None:
    trees = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "tests").rglob("*.py"))}
    documented = (ast.Module, ast.FunctionDef, ast.ClassDef)
    cites = {
        f"{path.relative_to(ROOT)} cites row {row}": row
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, documented)
        for row in cited(ast.get_docstring(node))
    }
    assert [said for said, row in cites.items() if row not in promises()] == []


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("failures.md row 7.", {7}),
        ("What is lost (failures.md rows 1, 2 and 34).", {1, 2, 34}),
        ("failures.md rows 1,\n    and 2: said in two lines", {1, 2}),
        ("failures.md row 3, not the 4th; failures.md row 5", {3, 5}),
        ("Row 7 of another list", set()),
        (None, set()),
    ],
)
def test_citation_is_read_as_it_is_written(text: str | None, rows: set[int]) -> None:
    assert cited(text) == rows
