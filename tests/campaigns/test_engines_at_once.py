"""Four engines over one due set, which nobody disturbs (failures.md row 1)."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaigns.deciding import SEND_LEASE
from campaigns.models import Enrollment
from tests.building import broken
from tests.campaigns.due_set import UNKNOWN, a_due_set, aftermath, steps_of
from tests.campaigns.recovery import recover
from tests.peers.counting import sends
from tests.peers.forking import a_forking_process

pytestmark = pytest.mark.django_db(transaction=True)
ENGINES, LEADS = 4, 60


def test_engines_at_once_send_each_key_once(command_environment: dict[str, str], sent_file: Path) -> None:
    """failures.md row 1: several processes over the same due set; each step ends as the provider said."""
    a_due_set(sent_file, LEADS)
    with a_forking_process(command_environment, ENGINE_BATCH="10") as forks:
        engines = [forks.start("tests.peers.engine_process.run_out") for _ in range(ENGINES)]
        assert [forks.wait(pid) for pid in engines] == [0] * ENGINES
    at_once = len(sends(sent_file))
    recover(sent_file, datetime.now(UTC) + 2 * SEND_LEASE)
    after = aftermath(sent_file)
    assert at_once > steps_of(LEADS) / 2
    assert max(Counter(send.key for send in sends(sent_file)).values()) == 1
    assert after.said.keys() == after.heard.keys()
    assert (len(after.said), after.reached_twice(), after.contradicted(), after.lost_by_us()) == (
        steps_of(LEADS),
        [],
        {},
        set(),
    )
    assert UNKNOWN in after.said.values()
    assert set(Enrollment.objects.values_list("status", flat=True)) == {"completed"}
    assert broken() == {}
