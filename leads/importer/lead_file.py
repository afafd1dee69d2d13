"""A file of leads, opened: `with open_leads(path, rules) as leads: for line in leads: …`. Memory is flat."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from leads.importer import dates
from leads.importer.headers import Columns, map_columns, recognised
from leads.importer.reading import Layout, Records, sniff
from leads.importer.rows import LineParser, ParsedLine, RefusedLine, Rules


class LeadFile:
    """The lines of one file, in its order; empty lines are left out. Can be gone through once."""

    def __init__(self, path: Path, layout: Layout, columns: Columns, parser: LineParser) -> None:
        self.path, self.layout, self.columns, self._parser = path, layout, columns, parser
        self._file = layout.open(path)

    @property
    def size(self) -> int:
        """In bytes, like `bytes_read`: for a progress bar."""
        return self.path.stat().st_size

    @property
    def bytes_read(self) -> int:
        return self._file.buffer.tell()

    def __iter__(self) -> Iterator[ParsedLine | RefusedLine]:
        parse, header_number = self._parser.parse, self.layout.header_number
        for number, record in Records(self._file, self.layout.delimiter, len(self.columns.header)):
            if number > header_number and (line := parse(number, record)) is not None:
                yield line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


def open_leads(path: Path, rules: Rules, mapping: Sequence[tuple[str, str]] = ()) -> LeadFile:
    """Sniffs the file and understands its header. `mapping` as `headers.parse_mapping` makes it.

    Raises NotACsv, MappingError, and OSError when the file cannot be read.
    """
    known = partial(recognised, mapping=mapping, custom_fields=rules.custom_fields)
    layout = sniff(path, known)
    columns = map_columns(layout.header, mapping, custom_fields=rules.custom_fields, file_name=path.name)
    return LeadFile(
        path, layout, columns, LineParser(columns, rules, month_first=_is_month_first(layout, columns, rules))
    )


def _is_month_first(layout: Layout, columns: Columns, rules: Rules) -> bool:
    """The column's own dates tell; where they do not, the broker's country does."""
    at = columns.of.get("created_at", ())[:1]
    samples = (cells[i].strip() for _, cells in layout.sample for i in at if i < len(cells))
    told = dates.is_month_first(samples)
    return rules.country == "US" if told is None else told
