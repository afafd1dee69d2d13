"""Headers of real exports find their keys by themselves; a mapping by hand goes before."""

import pytest

from leads.importer.headers import (
    ALIASES,
    QUESTIONS,
    Columns,
    MappingError,
    map_columns,
    parse_mapping,
    recognised,
)
from leads.importer.reading import NotACsv
from leads.importer.words import squash


def named(columns: Columns) -> dict[str, list[str]]:
    return {key: [columns.header[index] for index in indexes] for key, indexes in columns.of.items()}


def test_headers_of_a_spanish_portal_are_mapped() -> None:
    header = "Nombre;Apellido;Teléfono;Celular;Correo;Comuna;Presupuesto;Comentarios;Etiquetas;Origen;Fecha"
    assert named(map_columns(header.split(";"))) == {
        "name": ["Nombre"],
        "last_name": ["Apellido"],
        "phone": ["Celular", "Teléfono"],
        "email": ["Correo"],
        "location": ["Comuna"],
        "budget": ["Presupuesto"],
        "notes": ["Comentarios"],
        "tags": ["Etiquetas"],
        "source": ["Origen"],
        "created_at": ["Fecha"],
    }


def test_headers_of_hubspot_are_mapped() -> None:
    columns = map_columns(["First Name", "Last Name", "Email", "Phone Number", "Lead Status", "Create Date"])
    assert list(columns.of) == ["first_name", "last_name", "email", "phone", "stage", "created_at"]
    assert columns.source == "hubspot"


def test_headers_of_meta_lead_ads_are_mapped() -> None:
    header = ["id", "created_time", "ad_name", "form_name", "platform", "full_name", "email", "phone_number"]
    columns = map_columns([*header, "¿cuál_es_tu_presupuesto?"])
    assert named(columns) == {
        "external_id": ["id"],
        "created_at": ["created_time"],
        "source": ["platform"],
        "name": ["full_name"],
        "email": ["email"],
        "phone": ["phone_number"],
        "budget": ["¿cuál_es_tu_presupuesto?"],
    }
    assert columns.source == "meta"
    assert [columns.header[index] for index in columns.unmapped] == ["ad_name", "form_name"]


@pytest.mark.parametrize("header", ["Teléfono", "TELEFONO", "telefono ", "Telé-fono:", "(Teléfono)", "\ufefftelefono"])
def test_header_is_known_whatever_its_case_accents_and_signs(header: str) -> None:
    assert map_columns([header]).of == {"phone": (0,)}


def test_header_of_every_key_is_known_by_the_key_itself() -> None:
    assert {key: list(map_columns(["phone", key]).of)[-1] for key in ALIASES} == {key: key for key in ALIASES}


def test_headers_mean_one_key_each() -> None:
    words = [(squash(alias), key) for key, aliases in ALIASES.items() for alias in aliases]
    assert len({word for word, _ in words}) == len(set(words))
    assert set(QUESTIONS.values()) <= set(ALIASES)


def test_header_with_a_known_word_in_it_is_no_question_without_its_mark() -> None:
    assert map_columns(["phone", "presupuesto enviado"]).of == {"phone": (0,)}


def test_header_names_are_made_unique() -> None:
    assert map_columns(["Email", "", "Email", ""]).header == ("Email", "column 2", "Email (3)", "column 4")


def test_headers_without_anybody_in_them_are_refused() -> None:
    with pytest.raises(NotACsv) as refused:
        map_columns(["Producto", "Precio"], file_name="ventas.csv")
    assert str(refused.value) == (
        "ventas.csv is no CSV of leads: found the header line 'Producto', 'Precio', none of which is a phone, "
        "an e-mail or a name. Expected: text with one header line, with a column for phone, e-mail or name, "
        "separated by semicolon, comma, tab or |."
    )


def test_mapping_goes_before_the_tables() -> None:
    columns = map_columns(["Teléfono", "Otro", "Correo"], [("phone", "Otro"), ("notes", "correo")])
    assert named(columns) == {"phone": ["Otro"], "notes": ["Correo"]}


def test_mapping_takes_several_columns_for_one_key_in_order() -> None:
    columns = map_columns(["A", "B"], [("phone", "B"), ("phone", "A")])
    assert columns.of == {"phone": (1, 0)}


def test_mapping_makes_a_header_line_of_unknown_words() -> None:
    assert recognised(["A", "B"]) == 0
    assert recognised(["A", "B"], [("phone", "B")]) == 1


def test_mapping_takes_the_brokers_own_fields() -> None:
    custom = {"has_pet": "¿Tiene mascota?"}
    assert map_columns(["phone", "tiene mascota"], custom_fields=custom).of == {
        "phone": (0,),
        "has_pet": (1,),
    }
    assert map_columns(["phone", "X"], [("has_pet", "X")], custom_fields=custom).of["has_pet"] == (1,)


def test_mapping_with_an_unknown_key_names_it_and_the_allowed_ones() -> None:
    with pytest.raises(MappingError) as refused:
        map_columns(["phone"], [("fono", "phone")])
    assert str(refused.value) == (f"--mapping fono=phone: no such key 'fono'; allowed are {', '.join(ALIASES)}")


def test_mapping_with_an_unknown_column_names_it_and_the_files() -> None:
    with pytest.raises(MappingError) as refused:
        map_columns(["Teléfono", "Correo"], [("phone", "Celu")])
    assert str(refused.value) == ("--mapping phone=Celu: no such column 'Celu'; the file has 'Teléfono', 'Correo'")


def test_mapping_is_parsed_from_pairs() -> None:
    assert parse_mapping(["phone=Tel. contacto", " notes = a=b "]) == [
        ("phone", "Tel. contacto"),
        ("notes", "a=b"),
    ]


@pytest.mark.parametrize("pair", ["phone", "=x", "phone="])
def test_mapping_that_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(MappingError, match="is not of the form key=column"):
        parse_mapping([pair])
