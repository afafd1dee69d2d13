"""The words that really stand in cells, and what they are here. All keys are as `squash` writes them."""

import unicodedata
from functools import lru_cache


@lru_cache(maxsize=8192)
def squash(text: str) -> str:
    """Letters and digits only, no case, no accents: 'Teléfono (móvil)' and 'telefono_movil' are one word."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in plain if character.isalnum())


def squashed(*texts: str) -> frozenset[str]:
    return frozenset(squash(text) for text in texts)


def _words(meanings: dict[str, str]) -> dict[str, str]:
    """meaning → 'word, word' turned round: squashed word → meaning."""
    return {squash(word): meaning for meaning, words in meanings.items() for word in words.split(",")}


# What people and exports write into a cell that has nothing to say. Compared case-folded, not squashed:
# a squashed "-" and a squashed "..." are nothing at all.
BLANK = frozenset(
    (
        "-", "--", "---", ".", "..", "...", "?", "n/a", "#n/a", "n.a.", "na", "nan", "null", "none", "nil",
        "undefined", "#ref!", "#valor!", "#value!", "#n/d", "(vacío)", "(blank)", "s/i", "s/d", "n/d",
        "sin información", "sin informacion", "sin datos", "no informa", "no indica", "no aplica",
    )
)  # fmt: skip

NO_NAME = squashed(
    "sin nombre", "s/n", "nn", "no name", "nombre", "name", "anónimo", "anonymous", "desconocido", "unknown",
    "cliente", "lead", "usuario", "sin información", "no indica", "n/a",
)  # fmt: skip

# Before the @ of an address that was typed to get past a form; as an address it would make one lead of many people.
NO_MAILBOX = squashed(
    "sin correo", "sin mail", "sin email", "no tiene", "no tiene correo", "no email", "no mail", "no correo",
    "no reply", "no tengo", "no tengo correo",
)  # fmt: skip

TOTALS = ("total", "subtotal", "grandtotal", "suma", "sumtotal", "promedio", "cantidadtotal")

NO_DEBT = squashed("no", "ninguna", "ninguno", "nada", "cero", "sin deuda", "sin deudas", "no tiene", "no debt")

# The question behind the column is "is the person in DICOM?".
DICOM = _words(
    {
        "clean": """clean, limpio, limpia, no, false, falso, 0, n, sin dicom, sin deuda, sin deudas,
            no registra, no registra deuda, no registra deudas, no tiene, no tiene deuda, ninguna, ninguno,
            al día, ok, no debt, dicom limpio, no está en dicom, sin morosidad, sin protestos""",
        "has_debt": """has_debt, sí, s, yes, y, true, verdadero, 1, x, con dicom, con deuda, con deudas,
            deuda, en dicom, está en dicom, registra, registra deuda, registra deudas, moroso, morosa,
            con morosidad, tiene, tiene dicom, tiene deuda, tiene deudas, debt, in dicom""",
    }
)

# The question behind the column is whether the person agreed, or asked to be left alone.
YES_NO = _words(
    {
        "yes": "yes, y, sí, s, true, verdadero, 1, x, ok, acepta, aceptado, acepto, autoriza, granted, opted in",
        "no": "no, n, false, falso, 0, no acepta, rechaza, rechazado, no autoriza, revoked, opted out",
    }
)

CHANNELS = _words(
    {
        "*": "todos, todos los canales, cualquiera, all, any, every channel",
        "telegram": "telegram",
        "whatsapp": "whatsapp, wsp, wasap",
        "email": "email, e-mail, mail, correo, correo electrónico",
        "call": "call, calls, phone, llamada, llamadas, teléfono, telefónico",
    }
)

# Only words that mean one of our stages beyond doubt; a plain import ignores the column anyway.
STAGES = _words(
    {
        "entrada": "entrada, nuevo, nueva, new, nuevo lead, new lead",
        "perfilamiento": "perfilamiento, perfilando, profiling",
        "calificacion_financiera": "calificacion_financiera, calificación, financial qualification",
        "agendado": "agendado, agendada, visita agendada, reunión agendada, scheduled, meeting scheduled",
        "seguimiento": "seguimiento, en seguimiento, follow up, nurturing",
        "referidos": "referidos, referido, referrals",
        "ganado": "ganado, ganada, won, closed won, cerrado ganado, vendido",
        "perdido": "perdido, perdida, lost, closed lost, cerrado perdido, descartado",
    }
)

PURPOSES = _words(
    {
        "vivienda": "vivienda, vivir, para vivir, habitar, casa propia, primera vivienda, living",
        "inversion": "inversión, invertir, para invertir, inversionista, investment, investor",
    }
)

# As Meta writes its platforms.
SOURCES = {"fb": "facebook", "ig": "instagram", "msg": "messenger", "an": "audience_network"}

MONTHS = _words(
    {
        "1": "enero, ene, january, jan", "2": "febrero, feb, february", "3": "marzo, mar, march",
        "4": "abril, abr, april, apr", "5": "mayo, may", "6": "junio, jun, june", "7": "julio, jul, july",
        "8": "agosto, ago, august, aug", "9": "septiembre, setiembre, sept, sep, set, september",
        "10": "octubre, oct, october", "11": "noviembre, nov, november",
        "12": "diciembre, dic, december, dec",
    }
)  # fmt: skip
