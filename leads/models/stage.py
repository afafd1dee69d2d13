from django.db import models
from django.utils.translation import gettext_lazy as _


class Stage(models.TextChoices):
    """The eight stages; the stored values are the domain's own words."""

    ENTRADA = "entrada", _("New")
    PERFILAMIENTO = "perfilamiento", _("Profiling")
    CALIFICACION = "calificacion_financiera", _("Financial qualification")
    AGENDADO = "agendado", _("Booked")
    SEGUIMIENTO = "seguimiento", _("Follow-up")
    REFERIDOS = "referidos", _("Referrals")
    GANADO = "ganado", _("Won")
    PERDIDO = "perdido", _("Lost")


class LostReason(models.TextChoices):
    """Why a lead was lost."""

    PRECIO = "precio", _("Price")
    UBICACION = "ubicacion", _("Location")
    NO_CALIFICA = "no_califica", _("Does not qualify")
    COMPETENCIA = "competencia", _("Went with a competitor")
    SIN_RESPUESTA = "sin_respuesta", _("No answer")
    OTRO = "otro", _("Other")


class WonReason(models.TextChoices):
    """How a lead was won."""

    COMPRA_DIRECTA = "compra_directa", _("Direct purchase")
    FINANCIAMIENTO_APROBADO = "financiamiento_aprobado", _("Financing approved")
    RESERVA = "reserva", _("Reservation")
    OTRO = "otro", _("Other")


CLOSE_REASONS: dict[str, type[models.TextChoices]] = {Stage.PERDIDO: LostReason, Stage.GANADO: WonReason}


def reason_label(to_stage: str, reason: str) -> str:
    """A close reason in words; what a person wrote in words of their own stays as it is."""
    choices = CLOSE_REASONS.get(to_stage)
    return str(choices(reason).label) if choices and reason in choices.values else reason
