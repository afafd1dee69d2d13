from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import translation

from brokers.models import Broker
from messaging.clock import VirtualClock
from tests.building import NOW, a_broker, a_free_broker
from tests.peers.counting import PROVIDER


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """What verbs say to the person who asked; what leads get is in their own language."""
    with translation.override("en"):
        yield


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.fixture
def broker(db: None) -> Broker:
    """On the sandbox, with the usual caps."""
    return a_broker()


@pytest.fixture
def free_broker(db: None) -> Broker:
    """On the sandbox, with caps that never bind."""
    return a_free_broker("libre")


@pytest.fixture
def sent_file(tmp_path: Path, settings: LazySettings) -> Path:
    """Where the counting provider writes; it is wired as long as the test runs."""
    settings.PROVIDERS = {**settings.PROVIDERS, **PROVIDER}
    return tmp_path / "sends"
