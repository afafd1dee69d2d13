"""Whole files into the database: what is written, that it is written once, and that nothing is left half-done."""

import csv
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.refusal import Refused
from leads.actions import create_lead
from leads.importer import writing
from leads.importer.writing import Report, digest_of, import_leads
from leads.models import ImportBatch, Inquiry, Lead, ScoreChange, StageTransition
from tests.leads.importer.importing import MODELS, START, Folder, Ticking, a_broker, counts, rows_of, sense_of, the_lead

ROOT = Path(__file__).parents[3]
MANY = [f"Ana {n};98765{n:04d};;Macul;;;" for n in range(50)]


def test_import_writes_lead_inquiry_birth_and_score(folder: Folder) -> None:
    folder.take_in(
        "Ana;Pérez;9 8765 4321;ANA@example.com;Ñuñoa;3.000 UF;1.500.000;No;vip;Portal;A-1;D-2;hola;Ganado;01/02/2025",
        header="Nombre;Apellido;Celular;Correo;Comuna;Presupuesto;Renta;DICOM;Tags;Origen;Folio;Propiedad;Mensaje;"
        "Etapa;Fecha",
    )
    lead, now, batch = the_lead(), START + timedelta(minutes=2), ImportBatch.objects.get()
    assert (lead.name, lead.phone, lead.email) == ("Ana Pérez", "+56987654321", "ana@example.com")
    assert (lead.location, lead.source, lead.tags, lead.dicom_status) == ("Ñuñoa", "Portal", ["vip"], "clean")
    assert (lead.income_amount, lead.budget_amount, lead.metadata["budget"]) == (1_500_000, None, "3.000 UF")
    assert (lead.pipeline_stage, lead.qualification) == ("calificacion_financiera", "CALIFICADO")
    assert (lead.treatment_type, lead.import_batch) == ("automated_telegram", batch)
    assert {lead.created_at, lead.updated_at, lead.stage_entered_at, lead.last_activity_at} == {now}
    assert (lead.lead_score, lead.status, lead.score_components["income"]) == (52, "hot", 8)
    inquiry = Inquiry.objects.get()
    assert (inquiry.lead, inquiry.import_batch, inquiry.at) == (lead, batch, now)
    assert (inquiry.source, inquiry.external_id, inquiry.property_ref) == ("Portal", "A-1", "D-2")
    assert (inquiry.text, inquiry.raw["Fecha"]) == ("hola", "01/02/2025")
    birth, *advances = StageTransition.objects.order_by("id")
    assert [(move.to_stage, move.cause, move.at) for move in advances] == [
        ("perfilamiento", "auto", now),
        ("calificacion_financiera", "auto", now),
    ]
    assert (birth.lead, birth.from_stage, birth.to_stage, birth.cause, birth.at) == (lead, "", "entrada", "import", now)
    score = ScoreChange.objects.get()
    assert (score.lead, score.from_score, score.to_score, score.cause, score.at) == (lead, None, 52, "import", now)


def test_import_by_a_person_is_theirs(folder: Folder) -> None:
    user = folder.broker.users.create(username="carla")
    folder.take_in(*MANY[:1], by=user)
    assert (ImportBatch.objects.get().by, StageTransition.objects.get().by) == (user, user)
    assert the_lead().field_sources["phone"]["by"] == "carla"


def test_import_counts_every_line_once(folder: Folder) -> None:
    report = folder.take_in(
        "Ana;987654321;;;;;", "Ana;987654321;;;;;", "Ana;987654321;;;;;x", "", "Eva;1;;;;;", "Total;4"
    )
    assert counts(report) == {"created": 1, "unchanged": 1, "merged": 1, "refused": 2}
    assert report.lines == 5
    assert ImportBatch.objects.get().counts == report.counts


def test_import_of_the_same_file_says_so_and_changes_nothing(folder: Folder) -> None:
    """failures.md row 29: an import again makes no duplicates."""
    first = folder.take_in(*MANY, "Eva;1;;;;;")
    before = rows_of(folder.broker)
    again = folder.take_in(*MANY, "Eva;1;;;;;")
    assert (first.is_known, again.is_known) == (False, True)
    assert counts(again) == {"unchanged": 50, "refused": 1}
    assert rows_of(folder.broker) == before
    assert ImportBatch.objects.count() == 1


def test_import_of_the_same_lines_in_another_file_changes_nothing(folder: Folder) -> None:
    """failures.md row 29: saved by another program, in another order, with other names of columns and formats."""
    folder.take_in(*MANY)
    before = rows_of(folder.broker)
    lines = [f"Macul,Ana {n},+56 9 8765 {n:04d}" for n in reversed(range(50))]
    again = folder.take_in(*lines, header="COMUNA,nombre,celular", name="2.csv")
    assert (again.is_known, counts(again)) == (False, {"unchanged": 50})
    assert rows_of(folder.broker) == before


def test_import_of_the_same_file_with_another_mapping_is_another_import(folder: Folder) -> None:
    folder.take_in(*MANY[:1])
    report = folder.take_in(*MANY[:1], mapping=[("notes", "Comuna")])
    assert (counts(report), the_lead().notes) == ({"updated": 1}, "Macul")


def test_import_hash_is_that_of_the_file(folder: Folder) -> None:
    folder.take_in(*MANY)
    assert ImportBatch.objects.get().sha256 == digest_of(folder.path / "leads.csv")
    assert ImportBatch.objects.get().file == "leads.csv"


def test_import_ignores_stages_and_dates_unless_told(folder: Folder) -> None:
    header, line = "Teléfono;Etapa;Fecha", "987654321;Ganado;14/01/2025"
    folder.take_in(line, header=header)
    assert (the_lead().pipeline_stage, the_lead().created_at) == ("entrada", START + timedelta(minutes=2))


def test_import_of_a_history_honours_stages_and_dates_and_fires_nothing(folder: Folder) -> None:
    header = "Teléfono;Etapa;Fecha"
    lines = ("987654321;Ganado;14/01/2025", "987654322;;14/01/2030", "987654323;Perdido;")
    folder.take_in(*lines, header=header, is_history=True)
    won, ahead, lost = Lead.objects.order_by("id")
    january, now = datetime(2025, 1, 14, 3, tzinfo=UTC), START + timedelta(minutes=2)
    assert (won.pipeline_stage, won.status, won.created_at, won.stage_entered_at) == (
        "ganado",
        "converted",
        january,
        january,
    )
    assert (ahead.pipeline_stage, ahead.created_at) == ("entrada", now)
    assert (lost.pipeline_stage, lost.status) == ("perdido", "lost")
    assert {lead.last_activity_at for lead in (won, ahead, lost)} == {now}
    assert [transition.at for transition in StageTransition.objects.order_by("lead")] == [january, now, now]
    assert set(StageTransition.objects.values_list("cause", flat=True)) == {"migration"}
    assert set(ScoreChange.objects.values_list("cause", flat=True)) == {"migration"}
    assert Inquiry.objects.get(lead=won).at == january


def test_import_remarks_on_stages_only_where_they_count(folder: Folder) -> None:
    header, line = "Teléfono;Etapa", "987654321;Open deal"
    assert folder.take_in(line, header=header).remarks == {}
    history = folder.take_in(line + ";", header=header + ";x", name="2.csv", is_history=True)
    assert [key for key, _ in history.remarks] == ["stage"]


def test_dry_run_writes_nothing_and_says_the_same(folder: Folder) -> None:
    folder.take_in("Ana;987654321;;;;;")
    before = rows_of(folder.broker)
    lines = ("Ana;987654321;;;;;", "Ana;987654321;;;;;x", "Eva;987654322;;;;;", "Eva;987654322;;;;;y", "Mal;1;;;;;")
    dry = folder.take_in(*lines, name="2.csv", is_dry_run=True, batch_size=1)
    assert rows_of(folder.broker) == before
    assert sorted(path.name for path in folder.path.iterdir()) == ["2.csv", "leads.csv"]
    assert ImportBatch.objects.count() == 1
    assert counts(folder.take_in(*lines, name="2.csv")) == counts(dry)


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batches_of_any_size_come_to_the_same(folder: Folder, batch_size: int) -> None:
    """failures.md row 15: batch size 1 gives the same result as 1,000."""
    path, other = ROOT / "examples" / "portal.csv", a_broker("boreal")
    copy = folder.path / "portal.csv"
    copy.write_bytes(path.read_bytes())
    import_leads(broker=folder.broker, path=copy, clock=folder.clock)
    import_leads(broker=other, path=copy, clock=folder.clock, batch_size=batch_size)
    assert sense_of(other) == sense_of(folder.broker)


def test_example_becomes_two_thousand_leads(folder: Folder) -> None:
    copy = folder.path / "leads.csv"
    copy.write_bytes((ROOT / "examples" / "leads.csv").read_bytes())
    report = import_leads(broker=folder.broker, path=copy, clock=folder.clock)
    assert (report.created, Lead.objects.count()) == (2000, 2000)
    assert report.created + report.merged + report.updated + report.unchanged + report.refused == report.lines
    assert Inquiry.objects.count() == report.created + report.merged
    phones = Lead.objects.exclude(phone="")
    assert phones.count() == phones.values("phone").distinct().count()


def test_refused_lines_are_written_with_number_and_reason(folder: Folder) -> None:
    report = folder.take_in('"Mal";1;=1+1;;;;"a\nb"', "Ana;987654321;;;;;", "Eva;987654322;;;;;;;x")
    with (folder.path / "leads.csv.errors.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file, delimiter=";")
    assert report.errors_file == str(folder.path / "leads.csv.errors.csv")
    assert header[:4] == ["line_number", "reason", "Nombre", "Teléfono"]
    assert [(row[0], row[2:]) for row in rows] == [
        ("2", ["Mal", "1", "'=1+1", "", "", "", "a\nb"]),
        ("5", ["Eva", "987654322", "", "", "", "", "", "", "x"]),
    ]
    assert rows[1][1].startswith("9 columns where the header has 7")


def test_refused_lines_can_be_mended_and_imported(folder: Folder) -> None:
    folder.take_in("Eva;1;;;;;hola")
    errors = folder.path / "leads.csv.errors.csv"
    errors.write_text(errors.read_text("utf-8-sig").replace(";1;", ";987654321;"), encoding="utf-8-sig")
    report = import_leads(broker=folder.broker, path=errors, clock=folder.clock)
    assert counts(report) == {"created": 1}
    assert (the_lead().name, the_lead().phone, the_lead().notes) == ("Eva", "+56987654321", "hola")


def test_file_without_refused_lines_leaves_no_errors_file(folder: Folder) -> None:
    folder.take_in("Eva;1;;;;;")
    report = folder.take_in("Eva;987654321;;;;;")
    assert (report.errors_file, [path.name for path in folder.path.iterdir()]) == ("", ["leads.csv"])


@pytest.mark.parametrize(
    ("content", "reason", "sentence"),
    [
        (None, "file_unreadable", "leads.csv: No such file or directory"),
        (b"", "file_invalid", "leads.csv is no CSV of leads: found an empty file."),
        (b"%PDF-1.7", "file_invalid", "leads.csv is no CSV of leads: found a PDF document."),
        (b"a;b\n1;2\n", "file_invalid", "leads.csv is no CSV of leads: found the header line 'a', 'b', none of which"),
    ],
)
def test_file_that_cannot_be_imported_is_refused_and_writes_nothing(
    folder: Folder, content: bytes | None, reason: str, sentence: str
) -> None:
    path = folder.path / "leads.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refused) as refused:
        import_leads(broker=folder.broker, path=path)
    assert (refused.value.reason, sentence in str(refused.value)) == (reason, True)
    assert [model._default_manager.count() for model in (*MODELS, ImportBatch)] == [0, 0, 0, 0, 0]
    assert not (folder.path / "leads.csv.errors.csv").exists()


def test_folder_is_refused(folder: Folder) -> None:
    with pytest.raises(Refused, match="Is a directory"):
        import_leads(broker=folder.broker, path=folder.path)


def test_mapping_to_a_column_that_is_not_there_is_refused(folder: Folder) -> None:
    with pytest.raises(Refused, match="no such column 'Celu'"):
        folder.take_in(*MANY, mapping=[("phone", "Celu")])


def interrupt_after(lines: int) -> Any:
    def progress(report: Report, bytes_read: int) -> None:
        if report.lines >= lines:
            raise KeyboardInterrupt

    return progress


@pytest.mark.django_db(transaction=True)
def test_interrupted_import_keeps_finished_batches_and_goes_on(folder: Folder) -> None:
    lines = [*MANY, "Ana 0;987650000;;;;;otra vez", "Mal;1;;;;;"]
    with pytest.raises(KeyboardInterrupt):
        folder.take_in(*lines, batch_size=10, progress=interrupt_after(20))
    assert (Lead.objects.count(), ImportBatch.objects.get().finished_at) == (20, None)
    kept = rows_of(folder.broker)[0]
    rest = folder.take_in(*lines, batch_size=10)
    assert counts(rest) == {"created": 30, "unchanged": 20, "merged": 1, "refused": 1}
    assert rows_of(folder.broker)[0][1:20] == kept[1:]
    other = a_broker("boreal")
    folder.take_in(*lines, broker=other)
    assert sense_of(folder.broker) == sense_of(other)
    assert ImportBatch.objects.filter(broker=folder.broker).count() == 1


@pytest.mark.django_db(transaction=True)
def test_somebody_who_arrives_at_the_same_moment_is_one_lead(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch that loses the race is decided anew, and finds the other one's lead."""
    reserve_ids = writing.reserve_ids
    arrivals = [threading.Thread(target=arrive, args=(folder,))]

    def reserve_late(leads: Any) -> None:
        if arrivals:
            arrival = arrivals.pop()
            arrival.start()
            arrival.join()
        reserve_ids(leads)

    monkeypatch.setattr(writing, "reserve_ids", reserve_late)
    report = folder.take_in("Ana;987654321;ana@example.com;;;;", "Eva;987654322;;;;;")
    assert counts(report) == {"created": 1, "updated": 1}
    assert (the_lead(phone="+56987654321").name, the_lead(phone="+56987654321").email) == ("Web", "ana@example.com")


def arrive(folder: Folder) -> None:
    try:
        create_lead(broker=folder.broker, now=START, name="Web", phone="+56987654321")
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_make_every_lead_once(folder: Folder) -> None:
    one, two = (
        folder.write(*MANY, "", name=name, header="Nombre;Teléfono;x;Comuna;y;z;" + name) for name in ("1.csv", "2.csv")
    )
    reports: list[Report] = []

    def go(path: Path) -> None:
        try:
            reports.append(import_leads(broker=folder.broker, path=path, clock=Ticking(), batch_size=5))
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=(path,)) for path in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Lead.objects.count() == 50
    assert sum(report.created for report in reports) == 50
    assert Inquiry.objects.count() == sum(report.created + report.updated for report in reports)


def test_statements_of_a_batch_do_not_grow_with_its_lines(folder: Folder) -> None:
    def statements(*lines: str, name: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            folder.take_in(*lines, name=name)
        return len(queries)

    assert statements(MANY[0], name="1.csv") == statements(*MANY[1:], name="2.csv")
