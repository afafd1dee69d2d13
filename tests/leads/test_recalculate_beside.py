"""The night beside people who work: nothing that they say is lost, and its memory stays flat."""

import gc
import sys

import pytest
from django.db import transaction

from leads.actions import edit_lead, recalculate_scores
from leads.models import StageTransition
from tests.building import DAY, NOW, a_broker, a_lead, now_of
from tests.many import committed_rows, copies_of_lead
from tests.together import meanwhile

pytestmark = pytest.mark.django_db(transaction=True)
LATER = NOW + 60 * DAY


def test_edit_that_is_being_made_counts() -> None:
    with committed_rows():
        lead = a_lead(a_broker())
        with meanwhile() as begin, transaction.atomic():
            edit_lead(lead=lead, now=LATER, by=None, name="Ana Soto", location="Macul")
            said = begin(lambda: recalculate_scores(clock=lambda: LATER).scores)
        fresh = now_of(lead)
        assert (said, fresh.location, fresh.pipeline_stage) == ([0], "Macul", "perfilamiento")
        assert (fresh.score_components["location"], fresh.lead_score) == (5, 22)


def test_edit_waits_for_the_batch_and_is_made_on_top_of_it() -> None:
    with committed_rows():
        lead = a_lead(a_broker())
        with meanwhile() as begin, transaction.atomic():
            recalculate_scores(clock=lambda: LATER)
            begin(lambda: edit_lead(lead=lead, now=LATER, by=None, location="Macul"))
        changes = list(lead.score_changes.order_by("id").values_list("from_score", "to_score"))
        assert changes == [(None, 15), (15, 10), (10, 20)]


def test_two_nights_at_once_write_every_change_once() -> None:
    """failures.md row 26."""
    with committed_rows():
        lead = a_lead(a_broker(), name="Ana Soto", cause="migration")
        with meanwhile() as begin, transaction.atomic():
            recalculate_scores(clock=lambda: LATER)
            begin(lambda: recalculate_scores(clock=lambda: LATER))
        assert (lead.score_changes.count(), StageTransition.objects.filter(lead=lead, cause="auto").count()) == (2, 1)


def test_memory_stays_flat_over_many_leads() -> None:
    """failures.md row 17: four thousand leads after the first thousand leave less than a block for every ten."""
    blocks: list[int] = []

    def weigh(done: int) -> None:
        gc.collect()
        blocks.append(sys.getallocatedblocks())

    with committed_rows():
        copies_of_lead(a_lead(a_broker(), name="Ana Soto", cause="migration"), 4_999)
        done = recalculate_scores(clock=lambda: LATER, batch_size=500, progress=weigh)
    assert (done.leads, done.scores, done.moved, len(blocks)) == (5_000, 5_000, 5_000, 10)
    assert blocks[-1] - blocks[1] < 400
