"""The import of a spreadsheet beside bare COPY of the rows that come of it into the same tables."""

import csv
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection, transaction

from bench.database import as_owner_execute
from bench.measuring import Contestant, Goal, Line, compete, line_of, times_as_long
from bench.people import AREAS, FIRST_NAMES, LAST_NAMES, NOW, SOURCES, TIMELINES
from brokers.models import Broker
from leads.importer.writing import import_leads
from messaging.accounts import open_brokerage

LINES = 50_000
DUPLICATES = 0.1
ROUNDS = 3
# The batch comes first: the leads refer to it.
TABLES = ("leads_importbatch", "leads_lead", "leads_inquiry", "leads_stagetransition", "leads_scorechange")

HEADER = (
    "Nombre", "Apellido", "Teléfono", "Correo electrónico", "Comuna", "Presupuesto", "Renta líquida", "DICOM",
    "Plazo", "Tipo de propiedad", "Dormitorios", "Etiquetas", "Origen", "Comentarios",
)  # fmt: skip
COLUMNS = """
SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = %s AND is_generated = 'NEVER'
"""

Copied = dict[str, tuple[str, bytes]]


def measure(scale: float) -> list[Line]:
    count = int(LINES * scale)
    broker = open_brokerage(
        name="Inmobiliaria Aurora", slug="aurora", country="CL", timezone="America/Santiago", now=NOW
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "leads.csv"
        write_file(path, count)
        by_verb = partial(_import, broker, path, count)
        by_verb(0)
        rows = {table: _copied_out(table) for table in TABLES}
        timings = compete(
            [Contestant("verb", by_verb, _empty), Contestant("copy", partial(_copy_in, rows, count), _empty)], ROUNDS
        )
    verb, copy = timings["verb"], timings["copy"]
    return [
        line_of("import: import_leads, lines of CSV", verb),
        line_of("import: COPY of the rows it wrote", copy, times_as_long(copy, verb), Goal("≥", 0.3)),
    ]


def write_file(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(_lines(count, random.Random("leads.csv")))


def _lines(count: int, dice: random.Random) -> Iterator[tuple[str, ...]]:
    """Every tenth line is about somebody of an earlier one, who asks for something else."""
    people = 0
    for _line in range(count):
        is_known = people > 0 and dice.random() < DUPLICATES
        number = dice.randrange(people) if is_known else people
        people += not is_known
        yield _a_line(number, dice)


def _a_line(number: int, dice: random.Random) -> tuple[str, ...]:
    phone, said = f"{50_000_000 + number * 7:08d}", dice.random()
    return (
        dice.choice(FIRST_NAMES),
        f"{dice.choice(LAST_NAMES)} {dice.choice(LAST_NAMES)}",
        dice.choice(("+56 9 {} {}", "9 {} {}", "+569{}{}", "(09) {}-{}")).format(phone[:4], phone[4:]),
        f"lead{number}@example.com" if said < 0.9 else "",
        dice.choice(AREAS),
        dice.choice(("{:,} UF", "UF {:,}", "${:,}.000")).format(dice.randrange(1_500, 9_000, 100)).replace(",", "."),
        f"${dice.randrange(600, 4_000, 50):,}.000".replace(",", ".") if said < 0.6 else "",
        dice.choice(("No", "Limpio", "Sí", "")),
        dice.choice(TIMELINES),
        dice.choice(("Departamento", "Casa")),
        str(dice.randrange(1, 5)),
        dice.choice(("primera vivienda", "inversionista, urgente", "subsidio", "")),
        dice.choice(SOURCES),
        f"Pregunta por la unidad {dice.randrange(100, 2_500)}" if said < 0.7 else "",
    )


def _empty(round_number: int) -> None:
    as_owner_execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")


def _import(broker: Broker, path: Path, count: int, round_number: int) -> int:
    report = import_leads(broker=broker, path=path)
    assert (report.lines, report.refused) == (count, 0), report
    return count


def _copied_out(table: str) -> tuple[str, bytes]:
    """Its columns, without the generated ones, and its rows as COPY writes them."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS, [table])
        columns = cursor.fetchone()[0]
        with cursor.copy(f"COPY (SELECT {columns} FROM {table} ORDER BY id) TO STDOUT") as copy:
            return columns, b"".join(bytes(block) for block in copy)


@transaction.atomic
def _copy_in(rows: Copied, count: int, round_number: int) -> int:
    with connection.cursor() as cursor:
        for table, (columns, data) in rows.items():
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                copy.write(data)
    return count
