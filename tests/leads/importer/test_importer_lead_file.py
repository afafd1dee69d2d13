"""A whole file, opened and gone through."""

import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leads.importer.headers import MappingError
from leads.importer.lead_file import open_leads
from leads.importer.reading import NotACsv
from leads.importer.rows import ParsedLine, RefusedLine, Rules


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "leads.csv"


def lines_of(path: Path, content: str, rules: Rules | None = None) -> list[ParsedLine | RefusedLine]:
    path.write_text(content, encoding="utf-8")
    with open_leads(path, rules or Rules()) as leads:
        return list(leads)


def test_lead_file_leaves_out_title_and_empty_lines_and_counts_real_ones(path: Path) -> None:
    lines = lines_of(path, "Contactos;\n\nNombre;Teléfono\n\nAna;987654321\n;\nEva;1\nTotal;2\n")
    assert [(type(line), line.line_number) for line in lines] == [
        (ParsedLine, 5),
        (RefusedLine, 7),
        (RefusedLine, 8),
    ]


def test_lead_file_reads_month_first_where_the_column_says_so(path: Path) -> None:
    lines = lines_of(path, "phone;created\n987654321;03/04/2025\n987654322;03/14/2025\n", Rules(timezone="UTC"))
    assert isinstance(lines[0], ParsedLine)
    assert lines[0].created_at == datetime(2025, 3, 4, tzinfo=UTC)


def test_lead_file_reads_month_first_at_an_american_broker(path: Path) -> None:
    lines = lines_of(path, "phone;created\n305 555 0123;03/04/2025\n", Rules(country="US", timezone="UTC"))
    assert isinstance(lines[0], ParsedLine)
    assert lines[0].created_at == datetime(2025, 3, 4, tzinfo=UTC)


def test_lead_file_is_mapped_by_hand(path: Path) -> None:
    path.write_text("A;B\nAna;987654321\n", encoding="utf-8")
    with open_leads(path, Rules(), [("phone", "B"), ("name", "A")]) as leads:
        [line] = leads
    assert isinstance(line, ParsedLine)
    assert (line.name, line.phone) == ("Ana", "+56987654321")


def test_lead_file_says_how_far_it_is(path: Path) -> None:
    path.write_text("Teléfono\n" + "987654321\n" * 1000, encoding="utf-8")
    with open_leads(path, Rules()) as leads:
        assert len(list(leads)) == 1000
        assert leads.bytes_read == leads.size


def test_lead_file_without_a_known_header_is_refused(path: Path) -> None:
    path.write_text("Estimado cliente,\nle escribimos\n", encoding="utf-8")
    with pytest.raises(NotACsv, match="found the header line 'Estimado cliente,', none of which is a phone"):
        open_leads(path, Rules())


def test_lead_file_with_a_wrong_mapping_is_refused(path: Path) -> None:
    path.write_text("A;B\n1;2\n", encoding="utf-8")
    with pytest.raises(MappingError, match="no such column 'C'; the file has 'A', 'B'"):
        open_leads(path, Rules(), [("phone", "C")])


def peak_of(path: Path, lines: int) -> int:
    """The memory in bytes that reading a file of so many lines takes at the most."""
    with path.open("w", encoding="utf-8") as file:
        file.write("Nombre;Teléfono;Correo;Nota\n")
        file.writelines(f"Ana;9{55_550_000 + i % 9000};a{i}@example.com;{i} {'x' * 250}\n" for i in range(lines))
    tracemalloc.start()
    with open_leads(path, Rules()) as leads:
        for _ in leads:
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_lead_file_takes_no_more_memory_when_it_is_longer(path: Path) -> None:
    peak_of(path, 5_000)  # fills the caches, each of which holds a few thousand cells
    assert peak_of(path, 15_000) < peak_of(path, 5_000) * 1.1
