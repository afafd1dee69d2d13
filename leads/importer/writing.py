"""The verb: a file of leads into the database, batch by batch."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from django.db import IntegrityError, transaction

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions import route_leads, routing_settings
from leads.importer.consents import Consents, Remark
from leads.importer.headers import MappingError
from leads.importer.lead_file import LeadFile, open_leads
from leads.importer.merging import Circumstances, Merger
from leads.importer.reading import NotACsv
from leads.importer.refusals import ErrorsFile, errors_path
from leads.importer.rows import ParsedLine, RefusedLine, Rules
from leads.importer.staging import known_people, known_permissions, reserve_ids, write_people, write_permissions
from leads.models import Cause, ImportBatch

BATCH = 5_000  # lines a transaction
ATTEMPTS = 5  # at a batch in which people arrive by another way at the same moment

Line = ParsedLine | RefusedLine


@dataclass(slots=True)
class Report:
    """What became of a file's lines. Every line that is not empty counts once:

    created    it made a new lead
    merged     a new line about a lead that an earlier line of this file had made
    updated    a new line about a lead known before: an inquiry more, and what was empty is filled
    unchanged  it was imported before; nothing was written
    refused    nobody can be reached by it; it is in the errors file with its reason

    so `lines` = created + merged + updated + unchanged + refused, and created is the number of new leads.
    Besides, `duplicates` counts the lines among them that showed two leads to be possible duplicates (one mailbox,
    two phones); both leads are marked. `consents` and `opt_outs` are the lines of which one was recorded. `remarks`
    are cells that were not understood or not taken over: how many lines, and the first of them, by key and reason.
    """

    file: str
    is_dry_run: bool = False
    is_known: bool = False  # this very file was imported before
    created: int = 0
    merged: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    duplicates: int = 0
    consents: int = 0
    opt_outs: int = 0
    remarks: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    errors_file: str = ""

    COUNTS = ("created", "updated", "unchanged", "merged", "duplicates", "consents", "opt_outs", "refused")

    @property
    def lines(self) -> int:
        return self.created + self.merged + self.updated + self.unchanged + self.refused

    @property
    def counts(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.COUNTS} | {"lines": self.lines}

    def add(self, outcomes: Counter[str]) -> None:
        for name, count in outcomes.items():
            setattr(self, name, getattr(self, name) + count)

    def remark(self, line_number: int, remark: Remark) -> None:
        lines, first = self.remarks.get((remark.key, remark.reason), (0, line_number))
        self.remarks[remark.key, remark.reason] = (lines + 1, first)


Progress = Callable[[Report, int], None]


def utc_now() -> datetime:
    return datetime.now(UTC)


def import_leads(
    *,
    broker: Broker,
    path: Path,
    by: User | None = None,
    mapping: Sequence[tuple[str, str]] = (),
    is_history: bool = False,
    is_dry_run: bool = False,
    clock: Callable[[], datetime] = utc_now,
    batch_size: int = BATCH,
    progress: Progress | None = None,
) -> Report:
    """Take the leads of a CSV file in, each batch a transaction of its own with a fresh moment of `clock`.

    What a finished batch wrote stays when the import is interrupted; the same call then goes on, and finds the
    lines that are in unchanged. With `is_history` the file's stages and dates are honoured and nothing fires
    (cause `migration`). A dry run does it all in one transaction, holds its locks till the end, and takes it back.

    Raises Refused `file_unreadable` or `file_invalid`, and then has written nothing.
    """
    report = Report(path.name, is_dry_run=is_dry_run)
    with ExitStack() as stack:
        with _refusing(path):
            leads = stack.enter_context(open_leads(path, rules_of(broker), mapping))
            sha256 = digest_of(path, mapping)
            if earlier := ImportBatch.objects.filter(broker=broker, sha256=sha256).exclude(finished_at=None).first():
                return _known(report, earlier)
            errors = None if is_dry_run else stack.enter_context(_errors_file(leads))
        stack.enter_context(_taken_back() if is_dry_run else nullcontext())
        batch = _batch_row(broker, path, sha256, by, clock())
        importer = _Importer(broker, batch, by, is_history, clock)
        for lines in _chunks(leads, batch_size):
            _import_chunk(importer, lines, report, errors)
            if progress:
                progress(report, leads.bytes_read)
        ImportBatch.objects.filter(pk=batch.pk).update(counts=report.counts, finished_at=clock())
    if report.refused and errors:
        report.errors_file = str(errors_path(path))
    return report


def rules_of(broker: Broker) -> Rules:
    custom = {field["key"]: field.get("label") or field["key"] for field in broker.custom_fields}
    return Rules(country=broker.country, currency=broker.currency, timezone=broker.timezone, custom_fields=custom)


def digest_of(path: Path, mapping: Sequence[tuple[str, str]] = ()) -> str:
    """SHA-256 of the file. Mapped otherwise by hand, the same file says something else: the mapping counts too."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    for key, column in mapping:
        digest.update(f"\0{key}={column}".encode())
    return digest.hexdigest()


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except (NotACsv, MappingError) as error:
        raise Refused("file_invalid", str(error)) from error
    except OSError as error:
        raise Refused("file_unreadable", f"{error.filename or path}: {error.strerror or error}") from error


def _known(report: Report, earlier: ImportBatch) -> Report:
    refused = earlier.counts.get("refused", 0)
    report.is_known, report.refused = True, refused
    report.unchanged = earlier.counts.get("lines", 0) - refused
    return report


def _errors_file(leads: LeadFile) -> ErrorsFile:
    return ErrorsFile(leads.path, leads.columns.header, leads.layout.delimiter)


@contextmanager
def _taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _batch_row(broker: Broker, path: Path, sha256: str, by: User | None, now: datetime) -> ImportBatch:
    """Of an import that was interrupted, the row that it began."""
    begun = ImportBatch.objects.filter(broker=broker, sha256=sha256, finished_at=None).first()
    return begun or ImportBatch.objects.create(broker=broker, file=path.name[-255:], sha256=sha256, by=by, at=now)


def _chunks(leads: LeadFile, size: int) -> Iterator[list[Line]]:
    lines = iter(leads)
    while chunk := list(islice(lines, size)):
        yield chunk


@dataclass(frozen=True, slots=True)
class _Importer:
    """Writes the lines of one file."""

    broker: Broker
    batch: ImportBatch
    by: User | None
    is_history: bool
    clock: Callable[[], datetime]

    def heeds(self, remark: Remark) -> bool:
        """A plain import does not look at stages and dates, so it does not matter how they are written."""
        return self.is_history or remark.key not in ("stage", "created_at")

    def write(self, lines: Sequence[ParsedLine]) -> tuple[Counter[str], list[tuple[int, Remark]]]:
        """When somebody arrives by another way in this very moment, the batch is decided anew."""
        for attempt in range(ATTEMPTS):
            try:
                with transaction.atomic():
                    return self._write(lines)
            except IntegrityError:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _write(self, lines: Sequence[ParsedLine]) -> tuple[Counter[str], list[tuple[int, Remark]]]:
        now = self.clock()
        leads, external, digests = known_people(self.broker.pk, lines)
        circumstances = Circumstances(
            now=now,
            batch_id=self.batch.pk,
            by=self.by.username if self.by else "import",
            is_history=self.is_history,
            rules=self.broker.rules,
        )
        consents = Consents(now, known_permissions(self.broker.pk, lines, leads))
        merger = Merger(circumstances, leads=leads, external=external, digests=digests, consents=consents)
        outcomes = Counter[str](map(merger.take, lines))
        outcomes["duplicates"] = merger.duplicates
        outcomes["consents"], outcomes["opt_outs"] = consents.consents, consents.opt_outs
        reserve_ids(merger.born)
        merger.finish()
        write_people(
            [*merger.born, *merger.changed],
            merger.inquiries,
            broker_id=self.broker.pk,
            batch_id=self.batch.pk,
            by_id=self.by.pk if self.by else None,
            cause=Cause.MIGRATION if self.is_history else Cause.IMPORT,
            now=now,
        )
        if not self.is_history:
            born = sorted(lead.id for lead in merger.born)
            route_leads(settings=routing_settings(self.broker), lead_ids=born, now=now)
        write_permissions(consents.written, broker_id=self.broker.pk, batch_id=self.batch.pk)
        return outcomes, [*merger.remarks, *consents.remarks]


def _import_chunk(importer: _Importer, lines: Sequence[Line], report: Report, errors: ErrorsFile | None) -> None:
    parsed = [line for line in lines if isinstance(line, ParsedLine)]
    outcomes, remarks = importer.write(parsed)
    for line in lines:
        if isinstance(line, RefusedLine):
            outcomes["refused"] += 1
            if errors:
                errors.add(line)
        else:
            remarks += [(line.line_number, remark) for remark in line.remarks if importer.heeds(remark)]
    report.add(outcomes)
    for line_number, remark in remarks:
        report.remark(line_number, remark)
