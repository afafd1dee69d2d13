"""Where a lead goes by itself: the table of docs/scoring.md, one step at a time. Pure. It never goes backwards, and
it ends: every step but one goes to a higher rank, and a lead does not book and follow up at once."""

import re
from dataclasses import dataclass

RANK = {
    "entrada": 0,
    "perfilamiento": 1,
    "calificacion_financiera": 2,
    "agendado": 3,
    "seguimiento": 3,
    "referidos": 4,
    "ganado": 4,
    "perdido": 4,
}
BOOKABLE = ("entrada", "perfilamiento", "calificacion_financiera", "seguimiento")
NOT_QUALIFIED = "no_califica"

_LETTERS = re.compile(r"[^\W\d_]{2}")
_NO_NAME = re.compile(r"[\d@]|https?:|www\.", re.IGNORECASE)
_PLACEHOLDERS = {
    "anonimo", "anónimo", "anonymous", "cliente", "contacto", "customer", "desconocido", "guest", "invitado", "lead",
    "na", "no name", "null", "prueba", "sin nombre", "test", "unknown", "usuario", "user", "whatsapp", "whatsapp user",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """What the table reads. `qualification` is empty where income or DICOM are not known; `score` is 0–100."""

    stage: str
    name: str = ""
    phone: str = ""
    location: str = ""
    has_budget: bool = False
    score: int = 0
    qualification: str = ""
    is_booked: bool = False  # a scheduled or confirmed appointment
    was_visited: bool = False  # a completed one


@dataclass(frozen=True, slots=True)
class Advance:
    to: str
    reason: str = ""


def next_advance(lead: Standing, advance_min: int) -> Advance | None:
    """The one step that the table has for a lead now; None when it stays. `advance_min` is the brokerage's own score
    from which a known wish goes to qualification."""
    if lead.stage in BOOKABLE and lead.is_booked:
        return Advance("agendado")
    if lead.stage == "agendado" and lead.was_visited and not lead.is_booked:
        return Advance("seguimiento")
    if lead.stage == "entrada" and is_real_name(lead.name) and (lead.phone or lead.location or lead.has_budget):
        return Advance("perfilamiento")
    if lead.stage == "perfilamiento" and _wish_is_known(lead) and lead.score >= advance_min:
        return Advance("calificacion_financiera")
    if lead.stage == "calificacion_financiera":
        return _by_means(lead.qualification)
    return None


def is_real_name(name: str) -> bool:
    """Not a number, an address or a placeholder that a chat or a portal puts in a name's place."""
    said = " ".join(name.casefold().split())
    return bool(_LETTERS.search(said)) and not _NO_NAME.search(said) and said not in _PLACEHOLDERS


def _wish_is_known(lead: Standing) -> bool:
    return is_real_name(lead.name) and bool(lead.location) and lead.has_budget


def _by_means(qualification: str) -> Advance | None:
    """Who qualifies stays, and waits for an appointment."""
    if qualification == "POTENCIAL":
        return Advance("seguimiento")
    return Advance("perdido", NOT_QUALIFIED) if qualification == "NO_CALIFICADO" else None
