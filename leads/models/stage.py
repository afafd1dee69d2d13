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
