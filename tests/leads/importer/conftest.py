from pathlib import Path

import pytest

from brokers.models import Broker
from tests.leads.importer.importing import Folder, a_broker


@pytest.fixture
def broker(db: None) -> Broker:
    return a_broker("aurora")


@pytest.fixture
def folder(tmp_path: Path, broker: Broker) -> Folder:
    return Folder(tmp_path, broker)
