import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates_app.merge import MissingVariable, Slot, TemplateSyntaxError, compile_text


def merged(text: str, **values: str) -> str:
    return compile_text(text).render(values)


def test_merge_puts_values_in_their_places() -> None:
    assert merged("Hola {{name}}, {{ name }} de {{location}}", name="Ana", location="Ñuñoa") == "Hola Ana, Ana de Ñuñoa"


def test_merge_leaves_text_without_variables_alone() -> None:
    assert merged("50 % de {descuento} | hoy}") == "50 % de {descuento} | hoy}"


@pytest.mark.parametrize("values", [{}, {"name": ""}])
def test_merge_takes_the_default_where_nothing_is_known(values: dict[str, str]) -> None:
    assert merged("Hola {{name| estimado amigo }}", **values) == "Hola estimado amigo"


def test_merge_takes_the_value_before_the_default() -> None:
    assert merged("Hola {{name|amigo}}", name="Ana") == "Hola Ana"


def test_merge_takes_an_empty_default_for_an_answer() -> None:
    assert merged("Hola{{name|}}!") == "Hola!"


@pytest.mark.parametrize("values", [{}, {"budget": ""}])
def test_merge_stops_at_a_variable_without_value_and_default(values: dict[str, str]) -> None:
    with pytest.raises(MissingVariable, match="missing_variable:budget") as stopped:
        merged("Desde {{budget}}", **values)
    assert stopped.value.name == "budget"


@pytest.mark.parametrize("value", ["{{phone}}", "{% load x %}", "{{name|x}}", "}}", "\\1", "%(x)s", "{0}"])
def test_merge_keeps_braces_in_a_value_as_text(value: str) -> None:
    assert merged("Hola {{name}}", name=value) == f"Hola {value}"


@pytest.mark.parametrize(
    "text",
    [
        "{% load admin %}",
        "Hola {% if x %}",
        "Hola {{name",
        "Hola name}}",
        "{{}}",
        "{{first name}}",
        "{{name.first}}",
        "{{name|{}}}",
        "{{name()}}",
        "{{1name}}",
        "{{__class__.x}}",
    ],
)
def test_merge_refuses_what_is_no_variable(text: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        compile_text(text)


def test_merge_names_what_it_refuses() -> None:
    with pytest.raises(TemplateSyntaxError, match="{%"):
        compile_text("Hola {% load admin %}")


def test_merge_lists_variables_once_in_their_order() -> None:
    assert compile_text("{{b}} {{a|x}} {{b|y}}").variables == ["b", "a"]


def test_merge_splits_a_text_into_literals_and_slots() -> None:
    assert compile_text("Hola {{name|amigo}}").parts == ("Hola ", Slot("name", "amigo"))


def test_merge_compiles_a_text_once() -> None:
    assert compile_text("Hola {{name}} #1") is compile_text("Hola {{name}} #1")


@given(st.text(alphabet="ab{}|% \n", max_size=30))
@settings(max_examples=300)
def test_merge_either_refuses_a_text_or_renders_it_whole(text: str) -> None:
    try:
        compiled = compile_text(text)
    except TemplateSyntaxError:
        return
    rendered = compiled.render(dict.fromkeys(compiled.variables, "X"))
    assert rendered == text or compiled.variables


@given(st.text(max_size=50).filter(bool))
@settings(max_examples=200)
def test_merge_carries_every_value_through_unchanged(value: str) -> None:
    assert merged("<{{name}}>", name=value) == f"<{value}>"


def test_filled_is_what_each_variable_becomes_once_in_order() -> None:
    text = compile_text("{{name}}, {{budget|mucho}} en {{location|aquí}}; {{name|tú}}, {{location|allá}}")
    assert text.filled({"name": "Ana", "location": ""}) == ("Ana", "mucho", "aquí")


def test_filled_misses_what_rendering_misses() -> None:
    with pytest.raises(MissingVariable):
        compile_text("{{name}}").filled({})
