"""Text, names, e-mails, tags and closed vocabularies, one cell each."""

import pytest

from leads.importer import values
from leads.importer.values import Invalid
from leads.importer.words import STAGES


@pytest.mark.parametrize(
    ("cell", "meant"),
    [
        ("  Ñuñoa \u00a0", "Ñuñoa"),
        ('="+56987654321"', "+56987654321"),
        ("'+56987654321", "+56987654321"),
        ("'hola'", "'hola'"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        ("@SUM(1)", "@SUM(1)"),
        ("\ufeffhola", "hola"),
        ("N/A", ""),
        ("#N/A", ""),
        ("-", ""),
        ("Null", ""),
        ("No", "No"),
    ],
)
def test_text_is_the_cell_as_meant(cell: str, meant: str) -> None:
    assert values.text(cell) == meant


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("  María   José ", "María José"),
        ('"Ana"', "Ana"),
        ("Sin nombre", ""),
        ("s/n", ""),
        ("12345", ""),
        ("ana@example.com", ""),
    ],
)
def test_name_is_collapsed_or_empty(cell: str, name: str) -> None:
    assert values.name(cell) == name


@pytest.mark.parametrize(
    ("cell", "address"),
    [
        ("Ana.Perez@Example.COM", "ana.perez@example.com"),
        ("mailto:ana@example.com", "ana@example.com"),
        ("Ana Pérez <ana@example.com>", "ana@example.com"),
        ("ana@example.com; beto@example.com", "ana@example.com"),
        ("ana@example, beto@example.com", "beto@example.com"),
        ("ana@example.com.", "ana@example.com"),
        ("ana+portal@correo.example", "ana+portal@correo.example"),
    ],
)
def test_email_is_lower_case_and_the_first_valid(cell: str, address: str) -> None:
    assert values.email(cell) == address


@pytest.mark.parametrize(
    "cell",
    [
        "ana@example",
        "ana@@example.com",
        "ana example.com",
        "ana..b@example.com",
        "josé@example.com",
        "@example.com",
        "a" * 65 + "@example.com",
        "a@" + "b." * 130 + "com",
        "ana@-example.com",
    ],
)
def test_email_that_is_none_is_refused(cell: str) -> None:
    with pytest.raises(Invalid, match=r"^is no e-mail address \(name@domain.tld\)$"):
        values.email(cell)


@pytest.mark.parametrize("cell", ["sincorreo@gmail.com", "no-tiene@example.com", "NOEMAIL@example.com"])
def test_email_typed_to_get_past_a_form_is_refused(cell: str) -> None:
    with pytest.raises(Invalid, match="is a placeholder, not an e-mail address"):
        values.email(cell)


@pytest.mark.parametrize(
    ("cell", "chat"), [("123456789", "123456789"), ("123456789.0", "123456789"), ("-10012345", "-10012345")]
)
def test_telegram_chat_id_is_digits(cell: str, chat: str) -> None:
    assert values.telegram_chat_id(cell) == chat


@pytest.mark.parametrize("cell", ["@ana", "1,23457E+9", "12", "ana"])
def test_telegram_chat_id_that_is_none_is_refused(cell: str) -> None:
    with pytest.raises(Invalid, match="is no Telegram chat id"):
        values.telegram_chat_id(cell)


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("vip", ("vip",)),
        ("vip, primera  vivienda;VIP|uf", ("vip", "primera vivienda", "uf")),
        ("#primera vivienda #vip", ("primera vivienda", "vip")),
        (" ; ,", ()),
    ],
)
def test_tags_are_split_and_each_is_there_once(cell: str, tags: tuple[str, ...]) -> None:
    assert values.tags(cell) == tags


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("No", "clean"),
        ("LIMPIO", "clean"),
        ("clean", "clean"),
        ("sin deuda", "clean"),
        ("Sí", "has_debt"),
        ("si", "has_debt"),
        ("has_debt", "has_debt"),
        ("Con deuda", "has_debt"),
    ],
)
def test_dicom_words_are_clean_or_has_debt(cell: str, status: str) -> None:
    assert values.dicom_status(cell) == status


def test_dicom_word_that_is_unknown_is_refused() -> None:
    with pytest.raises(Invalid, match="is none of clean, has_debt"):
        values.dicom_status("quizás")


@pytest.mark.parametrize(
    ("cell", "stage"),
    [
        ("Calificación Financiera", "calificacion_financiera"),
        ("calificacion_financiera", "calificacion_financiera"),
        ("GANADO", "ganado"),
        ("En seguimiento", "seguimiento"),
        ("New", "entrada"),
    ],
)
def test_stage_words_are_stages(cell: str, stage: str) -> None:
    assert values.stage(cell) == stage


def test_stage_word_that_is_unknown_is_refused_with_the_stages() -> None:
    with pytest.raises(Invalid) as refused:
        values.stage("Open deal")
    assert str(refused.value) == (
        "is none of entrada, perfilamiento, calificacion_financiera, agendado, seguimiento, referidos, ganado, perdido"
    )


def test_stage_words_mean_each_of_the_eight() -> None:
    assert len(set(STAGES.values())) == 8


@pytest.mark.parametrize(("cell", "purpose"), [("Inversión", "inversion"), ("vivir", "vivienda"), ("regalo", "regalo")])
def test_purpose_is_ours_or_as_said(cell: str, purpose: str) -> None:
    assert values.purpose(cell) == purpose


@pytest.mark.parametrize(("cell", "source"), [("fb", "facebook"), ("IG", "instagram"), ("Portal  X", "Portal X")])
def test_source_spells_out_the_platforms_of_meta(cell: str, source: str) -> None:
    assert values.source(cell) == source
