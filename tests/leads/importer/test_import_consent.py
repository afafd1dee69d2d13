"""What a file says about being contacted: consents with their proof, opt-outs without, each written once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokers.models import Broker
from leads.actions import delete_lead, record_permission
from leads.importer.writing import Report
from leads.models import ContactPermission, ImportBatch, Lead
from tests.leads.importer.importing import START, Folder, a_broker, counts, the_lead

HEADER = "Nombre;Teléfono;Correo;Consentimiento;Texto del consentimiento;Origen del consentimiento;Fecha consentimiento"
WORDING = "Acepto recibir ofertas"
JANUARY = datetime(2026, 1, 14, 3, tzinfo=UTC)


def said(**which: Any) -> list[tuple[str, str, str, datetime]]:
    rows = ContactPermission.objects.filter(**which).order_by("id")
    return list(rows.values_list("address", "channel", "kind", "at"))


def remarks(report: Report) -> dict[str, str]:
    return dict(list(report.remarks))


def opt_out(broker: Broker, at: datetime, **fields: Any) -> None:
    record_permission(broker=broker, kind="revoked", now=at, source="keyword", **fields)


def test_consent_is_recorded_with_its_proof(folder: Folder) -> None:
    report = folder.take_in(f"Ana;987654321;ana@example.com;Sí;{WORDING};Feria 2026;14/01/2026", header=HEADER)
    rows = ContactPermission.objects.order_by("address")
    assert [row.address for row in rows] == ["+56987654321", "ana@example.com"]
    row, batch = rows[0], ImportBatch.objects.get()
    assert (row.lead, row.broker, row.channel) == (the_lead(), folder.broker, "*")
    assert (row.kind, row.purpose, row.source, row.wording) == ("granted", "marketing", "import", WORDING)
    assert (row.at, row.evidence) == (JANUARY, {"batch": batch.pk, "line": 2, "source": "Feria 2026"})
    assert counts(report) == {"created": 1, "consents": 1}


@pytest.mark.parametrize("proof", [f"{WORDING};", ";Feria 2026"])
def test_wording_or_source_is_proof_enough(folder: Folder, proof: str) -> None:
    folder.take_in(f"Ana;987654321;;yes;{proof};", header=HEADER)
    assert said() == [("+56987654321", "*", "granted", START + timedelta(minutes=2))]


@pytest.mark.parametrize(
    ("line", "key", "reason"),
    [
        ("sí;;;", "consent", "is not recorded: a consent needs its proof, consent_wording or consent_source"),
        ("quizás;x;;", "consent", "is none of yes, no, sí, true, false, 1, 0"),
        ("sí;x;;14/01/2030", "consent_at", "lies in the future; the consent is not recorded"),
        ("sí;x;;ayer", "consent", "is not recorded: consent_at is not understood"),
    ],
)
def test_line_whose_consent_is_not_proven_is_imported_without_it(
    folder: Folder, line: str, key: str, reason: str
) -> None:
    report = folder.take_in(f"Ana;987654321;;{line}", header=HEADER)
    assert (counts(report), remarks(report)[key], said()) == ({"created": 1}, reason, [])
    assert report.remarks[key, reason] == (1, 2)


def test_no_is_an_opt_out_and_needs_no_proof(folder: Folder) -> None:
    report = folder.take_in("Ana;987654321;;no;;;14/01/2026", header=HEADER)
    assert said() == [("+56987654321", "*", "revoked", JANUARY)]
    assert (the_lead().opted_out_at, the_lead().score_components["opted_out"]) == (JANUARY, -30)
    assert counts(report) == {"created": 1, "opt_outs": 1}


@pytest.mark.parametrize("header", ["Baja", "no contactar", "Unsubscribed", "opt_out", "Opt-out"])
def test_opt_out_has_a_column_of_its_own(folder: Folder, header: str) -> None:
    folder.take_in("987654321;x", "987654322;no", "987654323;", header=f"Teléfono;{header}")
    assert said() == [("+56987654321", "*", "revoked", START + timedelta(minutes=2))]


def test_opt_out_from_the_future_holds_from_now_on(folder: Folder) -> None:
    report = folder.take_in("987654321;sí;14/01/2030", header="Teléfono;Baja;Fecha de baja")
    assert said() == [("+56987654321", "*", "revoked", START + timedelta(minutes=2))]
    assert remarks(report) == {"opt_out_at": "lies in the future; now is taken"}


def test_who_consents_and_opts_out_in_one_line_has_opted_out(folder: Folder) -> None:
    report = folder.take_in("987654321;sí;x;sí", header="Teléfono;Consentimiento;Texto aceptado;Baja")
    assert [row[2] for row in said()] == ["revoked"]
    assert remarks(report) == {"consent": "contradicts opt_out; the opt-out counts"}


def test_channel_may_be_named(folder: Folder) -> None:
    header = "Teléfono;Correo;Consentimiento;Texto aceptado;Canal del consentimiento"
    folder.take_in("987654321;ana@example.com;sí;x;correo", "987654322;b@example.com;sí;x;fax", header=header)
    assert [row[:3] for row in said()] == [("ana@example.com", "email", "granted")]


def test_consent_from_before_an_opt_out_does_not_end_it(folder: Folder) -> None:
    folder.take_in("Ana;987654321;;;;;", header=HEADER)
    opt_out(folder.broker, START, lead=the_lead())
    folder.take_in(f"Ana;987654321;;sí;{WORDING};;14/01/2026", header=HEADER, name="2.csv")
    assert [row[2] for row in said()] == ["revoked", "granted"]
    assert the_lead().opted_out_at == START


def test_consent_from_after_an_opt_out_ends_it(folder: Folder) -> None:
    folder.take_in("Ana;987654321;;;;;", header=HEADER)
    opt_out(folder.broker, JANUARY - timedelta(days=1), lead=the_lead())
    folder.take_in(f"Ana;987654321;;sí;{WORDING};;14/01/2026", header=HEADER, name="2.csv")
    assert the_lead().opted_out_at is None
    assert "opted_out" not in the_lead().score_components


@pytest.mark.parametrize("is_leads", [True, False])
def test_consent_without_a_date_ends_no_opt_out(folder: Folder, is_leads: bool) -> None:
    """Nobody knows which came last. Also where the opt-out is of nobody but the address."""
    folder.take_in("Ana;987654321;;;;;", header=HEADER)
    opt_out(folder.broker, JANUARY, lead=the_lead() if is_leads else None, address="+56987654321")
    report = folder.take_in(f"Ana;987654321;;sí;{WORDING};;", header=HEADER, name="2.csv")
    assert [row[2] for row in said()] == ["revoked"]
    assert remarks(report) == {
        "consent": "is not recorded: the person opted out, and without consent_at nobody knows which came last"
    }


@pytest.mark.parametrize("line", [f"sí;{WORDING};;14/01/2026", f"sí;{WORDING};;", "no;;;14/01/2026", "no;;;"])
def test_what_was_recorded_is_not_written_again(folder: Folder, line: str) -> None:
    """Not by the same file, nor by one that says more of the same people."""
    folder.take_in(f"Ana;987654321;ana@example.com;{line}", header=HEADER)
    before = said()
    folder.take_in(f"Ana;987654321;ana@example.com;{line}", header=HEADER)
    report = folder.take_in(f"Ana;987654321;ana@example.com;{line};x", header=f"{HEADER};Notas", name="2.csv")
    assert (said(), len(before), counts(report)) == (before, 2, {"updated": 1})


def test_same_record_that_says_more_than_before_is_heard(folder: Folder) -> None:
    header = "Folio;Origen;Teléfono;Baja"
    folder.take_in("A-1;Portal;987654321;", header=header)
    report = folder.take_in("A-1;Portal;987654321;sí", header=header, name="2.csv")
    assert ([row[2] for row in said()], counts(report)) == (["revoked"], {"updated": 1, "opt_outs": 1})
    assert the_lead().opted_out_at == the_lead().last_activity_at


def test_opt_out_of_a_deleted_lead_is_kept_for_the_address(folder: Folder) -> None:
    header = "Folio;Origen;Teléfono;Baja"
    folder.take_in("A-1;Portal;987654321;", header=header)
    delete_lead(lead=the_lead(), now=START)
    folder.take_in("A-1;Portal;987654321;sí", header=header, name="2.csv")
    assert [(row.lead, row.address, row.kind) for row in ContactPermission.objects.all()] == [
        (None, "+56987654321", "revoked")
    ]


def test_opt_out_survives_deletion_and_reimport(folder: Folder) -> None:
    """Who comes again with the address has opted out already."""
    folder.take_in("Ana;987654321;;no;;;", header=HEADER)
    since = the_lead().opted_out_at
    delete_lead(lead=the_lead(), now=START)
    folder.take_in("Ana;987654321;;;;;", header=HEADER, name="2.csv")
    again = Lead.objects.present().get()
    assert (again.opted_out_at, again.score_components["opted_out"]) == (since, -30)
    assert since is not None


def test_lead_who_gets_a_suppressed_address_from_a_file_has_opted_out(folder: Folder) -> None:
    """failures.md row 19: what was empty is filled."""
    opt_out(folder.broker, JANUARY, address="ana@example.com")
    folder.take_in("Ana;987654321;;;;;", header=HEADER)
    assert the_lead().opted_out_at is None
    folder.take_in("Ana;987654321;ana@example.com;;;;", header=HEADER, name="2.csv")
    assert (the_lead().opted_out_at, the_lead().score_components["opted_out"]) == (JANUARY, -30)


def test_what_another_brokerage_was_told_does_not_count(folder: Folder) -> None:
    """failures.md row 33, for consent."""
    opt_out(a_broker("boreal"), JANUARY, address="+56987654321")
    folder.take_in(f"Ana;987654321;;sí;{WORDING};;", header=HEADER)
    assert the_lead().opted_out_at is None
    assert [row[2] for row in said(broker=folder.broker)] == ["granted"]


def test_dry_run_records_nothing(folder: Folder) -> None:
    report = folder.take_in("Ana;987654321;;no;;;", header=HEADER, is_dry_run=True)
    assert (report.opt_outs, said()) == (1, [])


def test_statements_do_not_grow_with_the_consents(folder: Folder) -> None:
    def statements(*lines: str, name: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            folder.take_in(*lines, header=HEADER, name=name)
        return len(queries)

    many = [f"Ana {n};98765{n:04d};;{'sí' if n % 2 else 'no'};{WORDING};;14/01/2026" for n in range(50)]
    assert statements(many[0], name="1.csv") == statements(*many[1:], name="2.csv")
    assert len(said()) == 50
