"""Memory stays flat however many steps are made (failures.md row 17).

Counted are the blocks of memory that Python's own allocator has given away: exact, the same on every machine, and cheap
enough to let ten thousands of steps go by. Whoever keeps anything of a step (a row, a key, an id) keeps a block a step.
What a library keeps outside of Python shows in the process's size, which `make bench` measures over 100,000 steps.
"""

import gc
import sys

import pytest
from django.conf import LazySettings

from campaigns import engine
from messaging.clock import VirtualClock
from tests.building import a_campaign, a_free_broker, enroll, message_step, some_leads
from tests.many import analyze

# Each batch is committed, as in life: statistics that are taken meanwhile tell what is there.
pytestmark = pytest.mark.django_db(transaction=True)
LEADS, STEPS, WARM = 400, 30, 10


def test_memory_stays_flat_over_many_steps(clock: VirtualClock, settings: LazySettings) -> None:
    """failures.md row 17: 8,000 steps after the first 4,000 leave less than a block for every fifty of them."""
    settings.ENGINE_BATCH = LEADS
    broker = a_free_broker()
    steps = [message_step(broker, "Hola {{name}}", conditions={"has_phone": True}) for _ in range(STEPS)]
    enroll(a_campaign(broker, *steps), *some_leads(broker, LEADS))
    analyze()
    blocks: list[int] = []

    def weigh() -> bool:
        gc.collect()
        blocks.append(sys.getallocatedblocks())
        return False

    done = engine.run(clock=clock, should_stop=weigh)
    assert (done.taken, done.batches) == (LEADS * STEPS, STEPS)
    assert blocks[STEPS] - blocks[WARM] < LEADS * (STEPS - WARM) / 50
