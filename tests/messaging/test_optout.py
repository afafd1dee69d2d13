"""The opt-out keywords of the contact rules."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.optout import KEYWORDS, is_opt_out, looks_like_opt_out, may_mean_appointment, revoked_channels

LISTED = re.split(
    ", ",
    "stop, quit, end, revoke, opt out, optout, cancel, unsubscribe, stopall, baja, alto, parar, detener, cancelar, "
    "salir, no más, no mas, no molestar, no llamar, eliminar, sair, parar, remover",
)


@pytest.mark.parametrize("word", LISTED)
def test_every_listed_keyword_is_an_opt_out(word: str) -> None:
    assert is_opt_out(word)
    assert is_opt_out(f"  ¡¡{word.upper()}!! 🙏\n")


@pytest.mark.parametrize("text", ["opt-out", "Bája.", "NO MÁS", "s\u200btop", "ＳＴＯＰ", "«stop»", "no\u00a0molestar"])
def test_case_accents_and_punctuation_do_not_matter(text: str) -> None:
    assert is_opt_out(text)


@pytest.mark.parametrize(
    "text",
    [
        "When do we start?",
        "no puedo parar de mirar",
        "",
        "🙂",
        "end of the month",
        "me gusta el piso alto",
        "la planta baja",
        "¿Cuándo puedo cancelar la reserva del banco?",
        "No me llamaron ayer, sigo interesado",
        "Can you stop by tomorrow?",
        "Sí, me interesa",
        "para mí y para mi esposa",
    ],
)
def test_ordinary_answers_are_no_opt_out_and_not_flagged(text: str) -> None:
    assert not is_opt_out(text)
    assert not looks_like_opt_out(text)


@pytest.mark.parametrize(
    "text",
    [
        "stop please",
        "Por favor, no me llamen más",
        "quiero darme de baja",
        "no me vuelvan a escribir",
        "don't contact me again",
        "Please remove me from your list",
        "dejen de escribirme",
        "ya no quiero recibir mensajes",
        "Elimine mis datos",
        "sáquenme de la lista",
        "leave me alone",
        "no más mensajes",
        "Baja, por favor",
        "não quero receber mais",
        "stop stop stop",
    ],
)
def test_what_reads_like_an_opt_out_is_flagged(text: str) -> None:
    assert not is_opt_out(text)
    assert looks_like_opt_out(text)


@pytest.mark.parametrize("word", sorted(KEYWORDS))
def test_a_keyword_itself_needs_no_flag(word: str) -> None:
    assert not looks_like_opt_out(word)


@pytest.mark.parametrize("word", ["cancelar", "Cancel!", "SALIR"])
def test_some_keywords_may_mean_an_appointment(word: str) -> None:
    assert may_mean_appointment(word)
    assert not may_mean_appointment("stop")


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("no más whatsapp", ("whatsapp",)),
        ("¡NO MÁS WhatsApp, por favor!", ("whatsapp",)),
        ("baja correos", ("email",)),
        ("Baja de los correos electrónicos", ("email",)),
        ("stop emails", ("email",)),
        ("Stop e-mails, please", ("email",)),
        ("please stop calling me", ("call",)),
        ("no more calls", ("call",)),
        ("no más llamadas", ("call",)),
        ("no más llamadas telefónicas", ("call",)),
        ("unsubscribe from your emails", ("email",)),
        ("opt-out Telegram", ("telegram",)),
        ("no más llamadas ni correos", ("call", "email")),
        ("stop calls and whats app", ("call", "whatsapp")),
        ("eliminar telegram", ("telegram",)),
        ("cancelar los correos", ("email",)),
        ("cancelar llamadas", ("call",)),
        ("stop", ("*",)),
        ("no más", ("*",)),
        ("no llamar", ("*",)),
    ],
)
def test_opt_out_may_name_the_channel(text: str, channels: tuple[str, ...]) -> None:
    assert revoked_channels(text) == channels
    assert not looks_like_opt_out(text)


@pytest.mark.parametrize(
    "text",
    [
        "no más mensajes",
        "stop texting me",
        "stop calling me, write to me on whatsapp",
        "no más llamadas después de las 20",
        "Cancelar llamada",
        "cancel the call",
        "stop the emails from Juan",
    ],
)
def test_what_names_no_channel_exactly_is_flagged(text: str) -> None:
    assert revoked_channels(text) == ()
    assert looks_like_opt_out(text)


@pytest.mark.parametrize("text", ["¿me mandan más por whatsapp?", "no tengo whatsapp", "mi correo es ana@example.com"])
def test_speaking_of_a_channel_is_no_opt_out(text: str) -> None:
    assert revoked_channels(text) == ()
    assert not looks_like_opt_out(text)


@pytest.mark.parametrize(
    ("text", "may"), [("Cancelar la llamada", True), ("cancel call", True), ("cancel emails", False)]
)
def test_cancelling_a_call_may_mean_an_appointment(text: str, may: bool) -> None:
    assert may_mean_appointment(text) == may


@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    assert not (revoked_channels(text) and looks_like_opt_out(text))
