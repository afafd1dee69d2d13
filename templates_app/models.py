from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel, TenantQuerySet
from templates_app import merge, variables


class Channel(models.TextChoices):
    TELEGRAM = "telegram", "Telegram"
    CALL = "call", _("Call")
    EMAIL = "email", _("E-mail")
    WHATSAPP = "whatsapp", "WhatsApp"


class Purpose(models.TextChoices):
    MARKETING = "marketing", _("marketing")
    TRANSACTIONAL = "transactional", _("transactional")


class AgentType(models.TextChoices):
    PERFILADOR = "perfilador", _("Profiler")
    CALIFICADOR = "calificador_financiero", _("Financial qualifier")
    AGENDADOR = "agendador", _("Scheduler")
    SEGUIMIENTO = "seguimiento", _("Follow-up")


class TemplateQuerySet(TenantQuerySet):
    def active(self) -> "TemplateQuerySet":
        return self.filter(is_active=True)


class MessageTemplate(TenantModel):
    """What is written or said. Variants in other languages share the name; the lead's language chooses."""

    name = models.CharField(_("name"), max_length=100)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel.choices)
    agent_type = models.CharField(
        _("agent type"), max_length=30, choices=AgentType.choices, default=AgentType.PERFILADOR
    )
    language = models.CharField(
        _("language"), max_length=2, choices=[("es", _("Spanish")), ("en", _("English"))], default="es"
    )
    purpose = models.CharField(_("purpose"), max_length=15, choices=Purpose.choices, default=Purpose.MARKETING)
    subject = models.CharField(_("subject"), max_length=200, blank=True, help_text=_("E-mail only"))
    content = models.TextField(_("text"), help_text=_("With variables such as {{first_name|amigo}}"))
    variables = models.JSONField(_("variables"), default=list, editable=False)
    provider_template_id = models.CharField(
        _("template id at the provider"), max_length=64, blank=True, help_text=_("WhatsApp: the Content SID")
    )
    is_active = models.BooleanField(_("active"), default=True)
    updated_at = models.DateTimeField(_("changed at"), null=True, editable=False)

    objects = TemplateQuerySet.as_manager()

    class Meta:
        verbose_name = _("message template")
        verbose_name_plural = _("message templates")
        ordering = ("name", "language")
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "name", "channel", "language"],
                name="template_variant_once",
                violation_error_message=_("There is a template of that name, channel and language already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_channel_display()}, {self.language})"

    def clean(self) -> None:
        super().clean()
        self.variables = self._extracted()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Extracts the variables. Raises ValidationError naming a variable that nobody knows."""
        self.variables = self._extracted()
        super().save(*args, **kwargs)

    def _extracted(self) -> list[str]:
        names: dict[str, None] = {}
        for field in ("subject", "content"):
            try:
                names |= dict.fromkeys(merge.compile_text(getattr(self, field)).variables)
            except merge.TemplateSyntaxError as error:
                raise ValidationError({field: str(error)}) from error
        unknown = variables.unknown_variables(names, self.broker)
        if unknown:
            known = ", ".join(sorted(variables.known_variables(self.broker)))
            message = _("unknown variable %(names)s; known are %(known)s")
            raise ValidationError({"content": message % {"names": ", ".join(unknown), "known": known}})
        return list(names)
