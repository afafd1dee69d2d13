"""FILE.errors.csv: every refused line with its number and its reason, to be mended and imported in its turn."""

import csv
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from leads.importer.reading import NO_DELIMITER
from leads.importer.rows import RefusedLine

NUMBER, REASON = "line_number", "reason"


def errors_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.errors.csv")


class ErrorsFile:
    """Opens at once, so that a folder that cannot be written to shows before anything is imported; without a
    refused line nothing is left of it, nor of that of an earlier run."""

    def __init__(self, path: Path, header: tuple[str, ...], delimiter: str) -> None:
        self.path, self.count = errors_path(path), 0
        self._file = self.path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file, delimiter=";" if delimiter == NO_DELIMITER else delimiter)
        self._writer.writerow([NUMBER, REASON, *header])

    def add(self, line: RefusedLine) -> None:
        self.count += 1
        self._writer.writerow([line.line_number, line.reason, *map(harmless, line.raw)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        if not self.count:
            with suppress(OSError):
                self.path.unlink()


def harmless(cell: str) -> str:
    """A cell that a spreadsheet would run as a formula is marked as text; the importer takes the mark off again."""
    is_formula = cell.startswith(("=", "@")) or (cell[:1] in ("+", "-") and not cell[1:2].isdigit() and len(cell) > 1)
    return f"'{cell}" if is_formula else cell
