"""The example files are what their generator writes, and are read as they are meant."""

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from leads.importer.lead_file import open_leads
from leads.importer.rows import ParsedLine, RefusedLine, Rules

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_leads", EXAMPLES / "generate_leads.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_of(name: str) -> tuple[list[ParsedLine], list[RefusedLine]]:
    with open_leads(EXAMPLES / name, Rules()) as leads:
        lines = list(leads)
    return (
        [line for line in lines if isinstance(line, ParsedLine)],
        [line for line in lines if isinstance(line, RefusedLine)],
    )


@pytest.mark.parametrize("name", ["leads.csv", "portal.csv", "hubspot.csv", "meta_lead_ads.csv"])
def test_example_is_what_the_generator_writes(generator: ModuleType, name: str) -> None:
    assert generator.FILES[name]() == (EXAMPLES / name).read_bytes()


def test_example_spreadsheet_has_two_thousand_people(generator: ModuleType) -> None:
    accepted, refused = lines_of("leads.csv")
    phones = {line.phone for line in accepted if line.phone}
    reached_by_phone = {line.email for line in accepted if line.phone and line.email}
    by_email_alone = {line.email for line in accepted if not line.phone} - reached_by_phone
    assert len(phones) + len(by_email_alone) == generator.PEOPLE
    assert len(refused) == len(generator.NOBODY) * 2 + 2


def test_example_spreadsheet_has_every_kind_of_trouble() -> None:
    accepted, refused = lines_of("leads.csv")
    remarks = Counter(remark.key for line in accepted for remark in line.remarks)
    assert set(remarks) == {"phone"}
    assert refused[-1].reason == "a line of totals, not a lead"
    hashes = Counter(line.content_hash for line in accepted)
    assert sum(count > 1 for count in hashes.values()) == 10
    mailboxes = Counter(
        email for email, _ in {(line.email, line.phone) for line in accepted if line.email and line.phone}
    )
    assert max(mailboxes.values()) == 2


@pytest.mark.parametrize(
    ("name", "source"),
    [("portal.csv", None), ("hubspot.csv", {"hubspot"}), ("meta_lead_ads.csv", {"facebook", "instagram"})],
)
def test_example_export_is_read_to_the_last_line(name: str, source: set[str] | None) -> None:
    accepted, refused = lines_of(name)
    assert (len(accepted), refused) == (30, [])
    assert source is None or {line.source for line in accepted} == source
