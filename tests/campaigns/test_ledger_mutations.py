"""Each invariant of verify_ledger fails: one row of a healthy database is corrupted, and exactly that row is found.

The brokerage is played once for the whole module, in a transaction around those of its tests.
"""

from collections.abc import Iterator

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from campaigns.ledger import Violation, invariants, verify
from tests.campaigns.ledger import campaigns, leads, messages, rows
from tests.campaigns.ledger.corrupting import Mutation
from tests.campaigns.ledger.played import play_everything
from tests.peers.counting import PROVIDER

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]
MUTATIONS = [
    mutation
    for module in (campaigns, rows, messages, leads)
    for mutation in vars(module).values()
    if isinstance(mutation, Mutation)
]


@pytest.fixture(scope="module")
def world(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    wired = override_settings(PROVIDERS=PROVIDER | {"sandbox": "messaging.sandbox.Sandbox"})
    around = transaction.atomic()
    around._from_testcase = True  # what commits for good does not mind the transaction of a test
    with django_db_blocker.unblock(), wired, around:
        play_everything(tmp_path_factory.mktemp("ledger") / "sends")
        yield
        transaction.set_rollback(True)


def found() -> list[tuple[str, str, int]]:
    rows: list[Violation] = [row for finding in verify() for row in finding.rows]
    assert [row for row in rows if not row.detail] == []
    return [(row.invariant, row.table, row.row_id) for row in rows]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.corrupt.__name__)
def test_verify_finds_exactly_the_corrupted_row(mutation: Mutation) -> None:
    row = mutation.corrupt()
    assert found() == [(mutation.invariant, row._meta.db_table, row.pk)]


def test_verify_finds_nothing_in_what_was_played() -> None:
    assert found() == []


def test_every_invariant_has_a_mutation() -> None:
    assert {mutation.invariant for mutation in MUTATIONS} == set(invariants())
