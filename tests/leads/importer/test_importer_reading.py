"""Files of every making become records; what is no CSV is refused by name."""

import codecs
from pathlib import Path

import pytest

from leads.importer.headers import recognised
from leads.importer.reading import Layout, NotACsv, Record, Records, sniff

TEXT = "Nombre;Teléfono;Correo\nMaría Ñúñez;987654321;maria@example.com\n"
ROWS = [["Nombre", "Teléfono", "Correo"], ["María Ñúñez", "987654321", "maria@example.com"]]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "leads.csv"


def layout_of(path: Path, content: bytes) -> Layout:
    path.write_bytes(content)
    return sniff(path, recognised)


def records_of(path: Path, content: bytes) -> list[Record]:
    layout = layout_of(path, content)
    with layout.open(path) as file:
        return list(Records(file, layout.delimiter, len(layout.header)))


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8-sig"),
        (TEXT.encode("cp1252"), "cp1252"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "utf-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.replace("\n", "\r\n").encode(), "utf-8"),
        (TEXT.replace("\n", "\r").encode(), "utf-8"),
    ],
)
def test_encoding_is_told_from_the_bytes(written: Path, content: bytes, encoding: str) -> None:
    assert [cells for _, cells in records_of(written, content)] == ROWS
    assert layout_of(written, content).encoding == encoding


def test_encoding_survives_one_foreign_line(written: Path) -> None:
    content = (TEXT * 5).encode() + "José;987654322;\n".encode("cp1252")
    assert records_of(written, content)[-1] == (11, ["José", "987654322", ""])


def test_encoding_keeps_bytes_that_windows_leaves_open(written: Path) -> None:
    assert records_of(written, b"Nombre;Tel\nJos\xe9 \x81;1\n")[1] == (2, ["José \x81", "1"])


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_delimiter_is_the_one_of_the_header(written: Path, delimiter: str) -> None:
    assert layout_of(written, TEXT.replace(";", delimiter).encode()).delimiter == delimiter


def test_delimiter_is_not_the_comma_of_the_comments(written: Path) -> None:
    content = "Nombre;Teléfono;Comentarios\n" + "Ana, María;9 8765, 4321;uno, dos, tres, cuatro\n" * 20
    assert layout_of(written, content.encode()).delimiter == ";"


def test_delimiter_is_not_the_semicolon_of_the_tags(written: Path) -> None:
    content = "Nombre,Etiquetas,Teléfono\n" + "Ana,a;b;c;d;e;f;g,987654321\n" * 20
    assert layout_of(written, content.encode()).delimiter == ","


def test_delimiter_may_be_said_by_excel(written: Path) -> None:
    layout = layout_of(written, b"sep=|\r\nNombre|Tel\r\nAna|987654321\r\n")
    assert (layout.delimiter, layout.header_number, layout.header) == ("|", 2, ["Nombre", "Tel"])


def test_delimiter_is_none_in_a_file_of_one_column(written: Path) -> None:
    content = b"telefono\n987654321\n9 5555 0101, 9 5555 0102\n"
    assert [cells for _, cells in records_of(written, content)][1:] == [
        ["987654321"],
        ["9 5555 0101, 9 5555 0102"],
    ]


def test_header_is_found_below_titles(written: Path) -> None:
    layout = layout_of(written, f"Reporte de contactos;;\nGenerado el 01/03/2025;;\n\n{TEXT}".encode())
    assert (layout.header_number, layout.header) == (4, ROWS[0])


def test_header_is_not_looked_for_below_data(written: Path) -> None:
    layout = layout_of(written, b"Ana;987654321;Web\nEva;987654322;Web\nNombre;Email;Origen\n")
    assert layout.header == ["Ana", "987654321", "Web"]


def test_records_keep_line_breaks_in_quotes_and_count_real_lines(written: Path) -> None:
    content = b'Nombre;Tel;Nota\nAna;1;"uno\r\ndos;tres ""x"""\n\nEva;2;\n'
    assert records_of(written, content) == [
        (1, ["Nombre", "Tel", "Nota"]),
        (2, ["Ana", "1", 'uno\ndos;tres "x"']),
        (4, [""]),
        (5, ["Eva", "2", ""]),
    ]


def test_records_keep_a_line_break_in_the_first_column(written: Path) -> None:
    content = b'Nombre;Tel;Nota\n"Ana\nMaria";1;hola\n'
    assert records_of(written, content)[1:] == [(2, ["Ana\nMaria", "1", "hola"])]


@pytest.mark.parametrize(
    "broken",
    ['"Edificio Sol', '5" norte', '"Edificio "Sol"', '"'],
)
def test_records_after_a_quote_that_is_never_closed_are_all_there(written: Path, broken: str) -> None:
    rest = "".join(f"Eva;{number};nota\n" for number in range(500))
    records = records_of(written, f"Nombre;Tel;Nota\nAna;1;{broken}\n{rest}".encode())
    assert len(records) == 502
    assert records[1][1][:2] == ["Ana", "1"]
    assert records[-1] == (502, ["Eva", "499", "nota"])


def test_records_between_two_unclosed_quotes_are_all_there(written: Path) -> None:
    content = b'Nombre;Tel;Nota\nAna;1;"Sol\nEva;2;x\nPia;3;"Luna\nLuz;4;y\n'
    assert [cells[1] for _, cells in records_of(written, content)[1:]] == ["1", "2", "3", "4"]


def test_records_lose_stray_nuls(written: Path) -> None:
    assert records_of(written, b"Nombre;Tel\nA\0na;1\0\n\x1a")[1] == (2, ["Ana", "1"])


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK\x03\x04rest", "a zip archive or an Excel workbook (.xlsx); in Excel: Save as, CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0rest", "an old Excel workbook (.xls); in Excel: Save as, CSV UTF-8"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"<html><table>", "HTML or XML, which some systems name .xls or .csv"),
        (b'{"leads": []}', "JSON"),
        (b"", "an empty file"),
        (b"\xef\xbb\xbf\r\n;;;\r\n", "nothing but empty lines"),
        (bytes(range(256)) * 40, "binary data"),
        (b"Nombre,Telefono " * 70_000, "no line break in its first megabyte"),
    ],
)
def test_file_that_is_no_csv_is_refused_by_name(written: Path, content: bytes, found: str) -> None:
    written.write_bytes(content)
    with pytest.raises(NotACsv) as refused:
        sniff(written, recognised)
    assert str(refused.value) == (
        f"leads.csv is no CSV of leads: found {found}. Expected: text with one header line, with a column "
        "for phone, e-mail or name, separated by semicolon, comma, tab or |."
    )


def test_file_that_is_not_there_is_an_os_error(written: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sniff(written, recognised)
