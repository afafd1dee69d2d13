"""One record becomes a lead's values or a reason."""

from datetime import UTC, datetime
from decimal import Decimal

from leads.importer.headers import map_columns
from leads.importer.rows import LineParser, ParsedLine, RefusedLine, Remark, Rules

NEEDS = "A lead needs a valid phone, an e-mail address or a Telegram chat id"


def line_of(header: str, record: str, rules: Rules | None = None) -> ParsedLine | RefusedLine | None:
    rules = rules or Rules()
    columns = map_columns(header.split(";"), custom_fields=rules.custom_fields)
    return LineParser(columns, rules).parse(7, record.split(";"))


def parsed(header: str, record: str, rules: Rules | None = None) -> ParsedLine:
    line = line_of(header, record, rules)
    assert isinstance(line, ParsedLine)
    return line


def reason(header: str, record: str) -> str:
    line = line_of(header, record)
    assert isinstance(line, RefusedLine)
    return line.reason


def test_line_becomes_values_words_and_evidence() -> None:
    line = parsed(
        "Nombre;Apellido;Celular;Correo;Comuna;Presupuesto;Renta;DICOM;Deuda;Objetivo;Etiquetas;Origen;"
        "Etapa;Fecha;Comentarios;Mascota;ID;Propiedad",
        " Ana ;Pérez;9 8765 4321;ANA@example.com;Ñuñoa;3.000 UF;$1,500,000;No;0;Invertir;vip, uf;Portal;"
        "Agendado;14/03/2025;llamar tarde;gato;A-1;D-204",
    )
    assert line == ParsedLine(
        line_number=7,
        phone="+56987654321",
        email="ana@example.com",
        telegram_chat_id="",
        name="Ana Pérez",
        tags=("vip", "uf"),
        notes="llamar tarde",
        text="llamar tarde",
        location="Ñuñoa",
        budget_amount=None,
        income_amount=Decimal(1_500_000),
        debt_amount=Decimal(0),
        dicom_status="clean",
        source="Portal",
        stage="agendado",
        external_id="A-1",
        property_ref="D-204",
        created_at=datetime(2025, 3, 14, 3, tzinfo=UTC),
        metadata={
            "location": "Ñuñoa",
            "budget": "3.000 UF",
            "monthly_income": "$1,500,000",
            "debt": "0",
            "purpose": "inversion",
        },
        raw=line.raw,
        content_hash=line.content_hash,
        remarks=(),
    )
    assert line.raw["Mascota"] == "gato"
    assert line.raw["Nombre"] == " Ana "
    assert "Telegram" not in line.raw


def test_line_without_a_filled_cell_is_nothing() -> None:
    assert line_of("Nombre;Teléfono", " ;\u00a0") is None


def test_line_with_a_bad_phone_and_an_email_is_taken_with_a_remark() -> None:
    line = parsed("Teléfono;Correo", "12345;ana@example.com")
    assert (line.phone, line.email, line.raw["Teléfono"]) == ("", "ana@example.com", "12345")
    assert line.remarks == (
        Remark("phone", "12345", "has 5 digits and is no valid number of CL (+56 9 8765 4321) or abroad (+…)"),
    )


def test_line_with_a_telegram_chat_alone_is_taken() -> None:
    assert parsed("Nombre;Telegram ID", "Ana;123456789").telegram_chat_id == "123456789"


def test_line_takes_the_first_valid_of_several_phone_columns() -> None:
    line = parsed("Teléfono;Celular", "2 2345 6789;12")
    assert (line.phone, line.remarks) == ("+56223456789", ())


def test_line_without_a_valid_address_is_refused_with_field_value_and_what_is_allowed() -> None:
    assert reason("Teléfono;Correo", "12345;ana@") == (
        "phone '12345' has 5 digits and is no valid number of CL (+56 9 8765 4321) or abroad (+…); "
        f"email 'ana@' is no e-mail address (name@domain.tld). {NEEDS}"
    )


def test_line_without_any_address_is_refused() -> None:
    assert reason("Nombre;Teléfono;Correo", "Ana;;n/a") == f"phone and email are empty. {NEEDS}"


def test_line_of_totals_is_refused_as_such() -> None:
    assert reason("Nombre;Teléfono;Correo;Nota", "Total;2000;;") == "a line of totals, not a lead"
    assert reason("Nombre;Teléfono;Correo;Nota", "TOTAL LEADS: 2000") == "a line of totals, not a lead"


def test_line_that_is_the_header_again_is_refused_as_such() -> None:
    assert reason("Nombre;Teléfono", "Nombre;Teléfono") == "the header line once more"


def test_line_with_too_many_columns_is_refused_with_both_counts() -> None:
    assert reason("Nombre;Teléfono", "Ana;987654321;de más") == (
        "3 columns where the header has 2: a cell with the separator in it is not in quotes"
    )


def test_line_with_empty_columns_too_many_is_whole() -> None:
    assert parsed("Nombre;Teléfono", "Ana;987654321;; ").phone == "+56987654321"


def test_line_that_is_short_at_its_end_is_taken_with_a_remark() -> None:
    line = parsed("Nombre;Teléfono;Correo;Nota", "Ana;987654321")
    assert line.phone == "+56987654321"
    assert line.remarks == (Remark("columns", "2 of 4 columns", "the missing ones at the end are taken as empty"),)


def test_line_that_is_short_and_nobody_says_how_short() -> None:
    assert reason("Nombre;Teléfono;Correo;Nota", "segunda parte;x") == (
        "phone 'x' has no digits and is no valid number of CL (+56 9 8765 4321) or abroad (+…) "
        f"(2 columns where the header has 4). {NEEDS}"
    )


def test_budget_in_uf_by_its_header_is_never_pesos() -> None:
    line = parsed("Teléfono;Presupuesto UF", "987654321;85000")
    assert (line.budget_amount, line.metadata) == (None, {"budget": "85000 UF"})


def test_budget_in_uf_is_an_amount_once_the_broker_has_a_rate() -> None:
    line = parsed("Teléfono;Presupuesto", "987654321;3.000 UF", Rules(uf_rate=Decimal(38_000)))
    assert (line.budget_amount, line.metadata["budget"]) == (Decimal(114_000_000), "3.000 UF")


def test_income_of_zero_is_unknown_and_debt_of_zero_is_known() -> None:
    line = parsed("Teléfono;Renta;Deuda", "987654321;0;0")
    assert (line.income_amount, line.debt_amount) == (None, Decimal(0))


def test_dicom_word_that_is_unknown_is_kept_as_said() -> None:
    line = parsed("Teléfono;DICOM", "987654321;por confirmar")
    assert (line.dicom_status, line.metadata) == ("", {"dicom_status": "por confirmar"})
    assert [remark.key for remark in line.remarks] == ["dicom_status"]


def test_name_is_put_together_and_not_said_twice() -> None:
    header = "Nombre;Apellido paterno;Apellido materno;Teléfono"
    assert parsed(header, "Ana;Pérez;Soto;987654321").name == "Ana Pérez Soto"
    assert parsed("Nombre;Apellido;Teléfono", "Ana Pérez;PEREZ;987654321").name == "Ana Pérez"
    assert parsed("Nombre;Apellido;Teléfono", "-;N/A;987654321").name == ""


def test_notes_of_several_columns_are_joined_and_the_message_is_the_text() -> None:
    line = parsed("Teléfono;Notas;Observaciones;Mensaje", "987654321;a;b;hola")
    assert (line.notes, line.text) == ("a\nb", "hola")


def test_source_falls_back_to_the_kind_of_export() -> None:
    assert parsed("Phone Number;Lead Status;Create Date", "987654321;New;2025-03-14").source == "hubspot"


def test_custom_fields_are_kept_as_said() -> None:
    rules = Rules(custom_fields={"pet": "Mascota"})
    assert parsed("Teléfono;Mascota", "987654321;gato", rules).metadata == {"pet": "gato"}


def test_content_hash_is_that_of_what_the_line_says() -> None:
    one = parsed("Nombre;Teléfono;Renta;Extra", "Ana;9 8765 4321;1.500.000;x")
    same = parsed("Extra;Renta Líquida;Teléfono;Nombre", "x;$1,500,000;+56987654321;Ana ")
    assert one.content_hash == same.content_hash
    assert len(one.content_hash) == 64


def test_content_hash_differs_in_every_column() -> None:
    header = "Nombre;Teléfono;Correo;Renta;DICOM;Fecha;Extra;ID"
    record = ["Ana", "987654321", "a@example.com", "900000", "No", "14/03/2025", "x", "1"]
    hashes = {parsed(header, ";".join(record)).content_hash}
    for index in range(len(record)):
        changed = [*record[:index], "", *record[index + 1 :]]
        hashes.add(parsed(header, ";".join(changed)).content_hash)
    assert len(hashes) == len(record) + 1
