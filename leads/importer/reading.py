"""A CSV file of unknown making → its records, one at a time, whatever its size.

Nothing here knows what a lead is. Python's csv module alone would not do: one quote that is never closed
makes it swallow the lines after it in silence, and each of those lines is somebody's customer.
"""

import codecs
import csv
import io
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

DELIMITERS = ";,\t|"
NO_DELIMITER = "\x1f"  # a file of one column: nothing in it separates anything
SAMPLE_BYTES = 1 << 20
SAMPLE_RECORDS = 200
HEADER_WITHIN = 10  # records; portals print a title and a date above the header
LONGEST_RECORD = 200  # physical lines of one record with quoted line breaks

Record = tuple[int, list[str]]

_EXPECTED = (
    "Expected: text with one header line, with a column for phone, e-mail or name, "
    "separated by semicolon, comma, tab or |"
)

_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook (.xlsx); in Excel: Save as, CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls); in Excel: Save as, CSV UTF-8"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"{\\rtf", "an RTF document"),
    (b"<", "HTML or XML, which some systems name .xls or .csv"),
    (b"{", "JSON"),
    (b"[{", "JSON"),
)


class NotACsv(ValueError):
    """The file is not a CSV of leads; says the file, what was found and what is expected."""

    def __init__(self, file_name: str, found: str) -> None:
        super().__init__(f"{file_name} is no CSV of leads: found {found}. {_EXPECTED}.")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is written. `header_number` is the header's line in the file, counted from 1."""

    encoding: str
    delimiter: str
    header_number: int
    header: list[str]
    sample: list[Record]

    def open(self, path: Path) -> TextIO:
        return path.open(encoding=self.encoding, errors=_errors(self.encoding))


def sniff(path: Path, recognised: Callable[[Sequence[str]], int]) -> Layout:
    """Reads the first megabyte. `recognised` counts the cells of a row that are known headers.

    Raises NotACsv, and OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    _refuse_binary(path.name, sample)
    encoding = _encoding(sample)
    text = codecs.getincrementaldecoder(encoding)(_errors(encoding)).decode(sample)
    _refuse_gibberish(path.name, text)
    delimiter, records, header_at = _best_reading(text, recognised)
    number, header = records[header_at]
    return Layout(encoding, delimiter, number, header, records[header_at + 1 :])


def _refuse_binary(file_name: str, sample: bytes) -> None:
    for signature, what in _SIGNATURES:
        if sample.removeprefix(codecs.BOM_UTF8).lstrip().startswith(signature):
            raise NotACsv(file_name, what)


def _refuse_gibberish(file_name: str, text: str) -> None:
    readable = text.replace("\0", "").replace("\x1a", "")
    if not readable.strip('\ufeff \t\r\n;,|"'):
        raise NotACsv(file_name, "an empty file" if not text else "nothing but empty lines")
    control = sum(1 for character in readable[:65_536] if character < " " and character not in "\t\r\n\f\v\x1f")
    if control > len(readable[:65_536]) / 100 or len(readable) * 4 < len(text):
        raise NotACsv(file_name, "binary data")
    if len(text) >= SAMPLE_BYTES // 2 and "\n" not in text and "\r" not in text:
        raise NotACsv(file_name, "no line break in its first megabyte")


_WINDOWS = [bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256)]


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """The bytes that are no UTF-8 (or that Windows-1252 leaves open) read as Windows-1252, else Latin-1.

    Files get glued together from two exports; one foreign line must not cost all the others their accents.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(_WINDOWS[byte] for byte in error.object[error.start : error.end]), error.end


codecs.register_error("embudo-windows", _as_windows)


def _errors(encoding: str) -> str:
    return "replace" if encoding.startswith("utf-16") else "embudo-windows"


def _encoding(sample: bytes) -> str:
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample[1::2].count(0) > len(sample) / 5:
        return "utf-16-le"
    if sample[::2].count(0) > len(sample) / 5:
        return "utf-16-be"
    return "utf-8" if _is_mostly_utf8(sample) else "cp1252"


def _is_mostly_utf8(sample: bytes) -> bool:
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample)
    foreign = sum(1 for character in text if "\udc80" <= character <= "\udcff")
    return not foreign or sum(1 for character in text if character > "\x7f") - foreign > foreign


def _best_reading(text: str, recognised: Callable[[Sequence[str]], int]) -> tuple[str, list[Record], int]:
    """The delimiter under which most headers are known; where that says nothing, the most regular one."""
    readings = []
    for delimiter in _candidates(text):
        records = list(islice(filter(_is_filled, Records(io.StringIO(text, newline=None), delimiter)), SAMPLE_RECORDS))
        header_at = _header_at([cells for _, cells in records[:HEADER_WITHIN]], recognised)
        known = recognised(records[header_at][1])
        width = len(records[header_at][1])
        readings.append((known, _regularity(records[header_at:]), width, delimiter, records, header_at))
    *_, delimiter, records, header_at = max(readings, key=lambda reading: reading[:3])
    return delimiter, records, header_at


def _candidates(text: str) -> str:
    first = text.lstrip("\ufeff\r\n ")[:6].lower()
    if first.startswith("sep=") and len(first) > 4:  # Excel's own hint
        return first[4] if first[4] not in "\r\n" else "\t"
    top = "\n".join(text.splitlines()[: HEADER_WITHIN * 2])
    return NO_DELIMITER + "".join(delimiter for delimiter in DELIMITERS if delimiter in top)


def _is_filled(record: Record) -> bool:
    return any(cell and not cell.isspace() for cell in record[1])


def _header_at(rows: list[list[str]], recognised: Callable[[Sequence[str]], int]) -> int:
    """The first row with the most known headers; above it only titles may stand, never a line of data."""
    best = max(range(len(rows)), key=lambda index: recognised(rows[index]))
    width = len([cell for cell in rows[best] if cell.strip()])
    above = [len([cell for cell in row if cell.strip()]) for row in rows[:best]]
    return best if all(filled == 1 or filled * 2 < width for filled in above) else 0


def _regularity(records: list[Record]) -> float:
    """Columns times the square of the share of records that have as many as the header."""
    width = len(records[0][1])
    alike = Counter(len(cells) for _, cells in records)[width]
    return width * (alike / len(records)) ** 2


class _Unclosed(Exception):
    """A quote was opened and not closed within what one record may take."""


class Records:
    """The records of an open text file, each with the number of the line that it starts on (from 1).

    Once `width`, the number of columns, is known, a quote that was never closed is told from a cell with line
    breaks, and costs nothing but itself: its line is split as it stands and the lines after it are read anew.
    """

    def __init__(self, file: TextIO, delimiter: str, width: int = 0) -> None:
        self.delimiter, self.width = delimiter, width
        self._numbered = enumerate(file, start=1)
        self._ahead: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[Record]:
        while (item := self._next()) is not None:
            number, line = item
            if '"' in line:
                yield number, self._quoted(number, line)
            else:
                yield number, line.rstrip("\n").split(self.delimiter)

    def _next(self) -> tuple[int, str] | None:
        if self._ahead:
            return self._ahead.popleft()
        for number, line in self._numbered:
            if "\0" in line or "\x1a" in line or "\ufeff" in line:
                line = line.replace("\0", "").replace("\x1a", "").replace("\ufeff", "")
            return number, line
        return None

    def _quoted(self, number: int, line: str) -> list[str]:
        taken = [(number, line)]
        try:
            cells = next(csv.reader(self._feed(taken), delimiter=self.delimiter))
        except (_Unclosed, csv.Error):
            cells = None
        if cells is not None and self._is_one_record(cells, taken):
            return cells
        self._ahead.extendleft(reversed(taken[1:]))
        return line.rstrip("\n").split(self.delimiter)

    def _feed(self, taken: list[tuple[int, str]]) -> Iterator[str]:
        """The csv reader asks for another line only inside an open quote."""
        yield taken[0][1]
        while len(taken) < LONGEST_RECORD and (item := self._next()) is not None:
            taken.append(item)
            yield item[1]
        raise _Unclosed

    def _is_one_record(self, cells: list[str], taken: list[tuple[int, str]]) -> bool:
        if len(taken) == 1 or not self.width:
            return True
        return len(cells) <= self.width and not any(self._is_whole(line) for _, line in taken[1:])

    def _is_whole(self, line: str) -> bool:
        """Would be a record by itself; told only from three columns up, below it is too often prose."""
        return self.width > 2 and line.count('"') % 2 == 0 and line.count(self.delimiter) == self.width - 1
