"""The engine does what the plain reference says, whatever happens in whatever order.

A state machine plays a brokerage: leads come, campaigns run, people and providers do what they do, workers die, time
goes by; after each event everything that can be seen in the database is compared with tests/campaigns/reference.

`HYPOTHESIS_EXAMPLES=2000 HYPOTHESIS_SEED=7` plays as many other histories instead of the suite's few.
"""

import os
from pathlib import Path

import pytest
from django.conf import LazySettings
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.campaigns.histories.campaigns import CampaignHistories
from tests.campaigns.histories.engine import EngineHistories
from tests.campaigns.histories.leads import LeadHistories
from tests.campaigns.histories.stage import a_stage, owner

EXAMPLES, SEED = os.environ.get("HYPOTHESIS_EXAMPLES"), os.environ.get("HYPOTHESIS_SEED")
PROFILE = settings(
    max_examples=int(EXAMPLES or 30),
    stateful_step_count=40,
    derandomize=SEED is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    phases=[Phase.generate] + [Phase.shrink] * (not os.environ.get("NOSHRINK")),
)


class Histories(LeadHistories, CampaignHistories, EngineHistories):
    """Everything that may happen."""


@pytest.mark.timeout(3600)
def test_engine_does_what_the_reference_says(db: None, tmp_path: Path, settings: LazySettings) -> None:
    settings.PROVIDERS = {**settings.PROVIDERS, "sandbox": "tests.peers.counting.Counting"}
    settings.SENDER_THREADS = 2
    if SEED:
        seed(int(SEED))(Histories)
    with owner() as connected:
        Histories.stage = a_stage(tmp_path / "sends", connected)
        run_state_machine_as_test(Histories, settings=PROFILE)
