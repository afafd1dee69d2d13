"""The Spanish catalogue is whole, compiled and true to its source. `make messages` collects and compiles."""

import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
SPANISH = ROOT / "locale" / "es" / "LC_MESSAGES"
ROOMS = ("config", "campaigns", "voice", "messaging", "templates_app", "leads", "brokers")
KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|{{.*?}}")
# A fault names its field first (`phone='12' is …`, `steps: …`), and forms find the field by it.
FIELD = re.compile(r"[a-z_]+(?==|: )")


@cache
def catalogue() -> Catalog:
    return read_po(io.BytesIO((SPANISH / "django.po").read_bytes()), locale="es")


def messages() -> list[Message]:
    return [message for message in catalogue() if message.id]


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """Singular and plural, or the only one."""
    return (text,) if isinstance(text, str) else tuple(text)


def entries(source: Catalog) -> set[tuple[str | None, tuple[str, ...], tuple[str, ...]]]:
    return {(message.context, forms(message.id), forms(message.string)) for message in source if message.id}


def texts_of(code: str) -> Iterator[str]:
    """The first form of every text that this Python code hands to gettext."""
    for _line, text, _comments, _context in extract("python", io.BytesIO(code.encode()), KEYWORDS):
        yield forms(text)[0]


def texts_of_page(page: str) -> Iterator[str]:
    """What Django makes of a template for gettext is Python to the eye only: its lines stand where the page's stood."""
    return texts_of("\n".join(line.strip() for line in templatize(page).splitlines()))


def field_of(text: str) -> str:
    found = FIELD.match(text)
    return found.group() if found else ""


def test_every_text_is_translated() -> None:
    open_ones = [message.id for message in messages() if message.fuzzy or not all(forms(message.string))]
    assert open_ones == []


def test_compiled_catalogue_is_the_written_one() -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue())
    with (SPANISH / "django.mo").open("rb") as committed:
        assert entries(read_mo(committed)) == entries(read_mo(io.BytesIO(compiled.getvalue())))


def test_spanish_has_two_forms() -> None:
    assert catalogue().plural_forms == "nplurals=2; plural=(n != 1);"
    assert [message.id for message in messages() if len(forms(message.id)) != len(forms(message.string))] == []


def test_every_text_of_the_code_is_in_the_catalogue() -> None:
    known = {forms(message.id)[0] for message in messages()}
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    found = {text: path.relative_to(ROOT) for path in files for text in texts_of(path.read_text())}
    assert len(found) > 100
    assert {text: str(path) for text, path in found.items() if text not in known} == {}


def test_every_text_of_the_pages_is_in_the_catalogue() -> None:
    known = {forms(message.id)[0] for message in messages()}
    files = [path for kind in ("html", "txt") for path in sorted((ROOT / "templates").rglob(f"*.{kind}"))]
    found = {text: path.relative_to(ROOT) for path in files for text in texts_of_page(path.read_text())}
    assert len(found) > 20
    assert {text: str(path) for text, path in found.items() if text not in known} == {}


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("{% translate 'Sign in' %}", ["Sign in"]),
        ('<a href="">\n    {% translate "One" %}\n  {% if x %}{{ y|default:_("two") }}{% endif %}</a>', ["One", "two"]),
        ("{% blocktranslate with a=b %}Hello, {{ a }}{% endblocktranslate %}", ["Hello, %(a)s"]),
        ("{% blocktranslate count n=n %}{{ n }} lead{% plural %}{{ n }} leads{% endblocktranslate %}", ["%(n)s lead"]),
    ],
)
def test_texts_are_found_in_a_page(page: str, texts: list[str]) -> None:
    assert list(texts_of_page(page)) == texts


def test_placeholders_are_kept() -> None:
    changed = [
        (original, text)
        for message in messages()
        for original, text in zip(forms(message.id), forms(message.string), strict=True)
        if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(original))
    ]
    assert changed == []


def test_faults_name_their_field_in_both_languages() -> None:
    told = [forms(message.id) + forms(message.string) for message in messages() if field_of(forms(message.id)[0])]
    assert len(told) > 5
    assert [texts for texts in told if len({field_of(text) for text in texts}) > 1] == []
