"""The tenant and its people. Everything else in the product belongs to exactly one Broker."""

from functools import cached_property
from typing import Self

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

from brokers import rules
from brokers.score_rules import QualificationRules, ScoreRules


class TenantQuerySet(models.QuerySet):
    """Rows of a tenant model; every read starts from `visible_to`."""

    def visible_to(self, user: "User") -> Self:
        """All rows for a superuser, else those of the user's own broker."""
        return self if user.is_superuser else self.filter(broker=user.broker_id)


class TenantModel(models.Model):
    """A row that belongs to one broker."""

    broker = models.ForeignKey("brokers.Broker", models.PROTECT, related_name="+", verbose_name=_("brokerage"))
    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True


class BrokerQuerySet(models.QuerySet):
    def visible_to(self, user: "User") -> Self:
        return self if user.is_superuser else self.filter(pk=user.broker_id)


class Broker(models.Model):
    """A brokerage: the tenant."""

    name = models.CharField(_("name"), max_length=200)
    slug = models.SlugField(_("short name"), max_length=60, unique=True)
    timezone = models.CharField(
        _("time zone"), max_length=64, default="America/Santiago", validators=[rules.validate_timezone]
    )
    country = models.CharField(_("country"), max_length=2, default="CL", help_text=_("ISO code, such as CL"))
    language = models.CharField(
        _("language"), max_length=2, default="es", choices=[("es", _("Spanish")), ("en", _("English"))]
    )
    currency = models.CharField(_("currency"), max_length=3, default="CLP")
    is_active = models.BooleanField(_("active"), default=True)
    sending_paused_at = models.DateTimeField(_("sending stopped at"), null=True, blank=True)
    contact_window = models.JSONField(
        _("contact window"), default=rules.default_contact_window, validators=[rules.validate_contact_window]
    )
    cap_24h = models.PositiveSmallIntegerField(_("contacts in 24 hours"), default=2)
    cap_7d = models.PositiveSmallIntegerField(_("contacts in 7 days"), default=5)
    human_contact_days = models.PositiveSmallIntegerField(_("days without automation after a person wrote"), default=3)
    score_thresholds = models.JSONField(
        _("score thresholds"), default=dict, blank=True, validators=[rules.validate_score_thresholds]
    )
    score_weights = models.JSONField(
        _("score weights"), default=dict, blank=True, validators=[rules.validate_score_weights]
    )
    qualification_rules = models.JSONField(
        _("qualification rules"), default=dict, blank=True, validators=[rules.validate_qualification_rules]
    )
    stage_limits = models.JSONField(
        _("days that a lead may stand still, by stage"),
        default=dict,
        blank=True,
        validators=[rules.validate_stage_limits],
        help_text=_('Such as {"entrada": 2, "seguimiento": 30}; without a limit, longer than nine in ten leads stayed'),
    )
    custom_fields = models.JSONField(
        _("own lead fields"), default=list, blank=True, validators=[rules.validate_custom_fields]
    )
    created_at = models.DateTimeField(_("created at"))

    objects = BrokerQuerySet.as_manager()

    class Meta:
        verbose_name = _("brokerage")
        verbose_name_plural = _("brokerages")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @cached_property
    def rules(self) -> rules.BrokerRules:
        """The rules as values, as they stood when this instance was loaded."""
        return rules.BrokerRules(
            timezone=self.timezone,
            country=self.country,
            language=self.language,
            window=rules.ContactWindow.parse(self.contact_window),
            cap_24h=self.cap_24h,
            cap_7d=self.cap_7d,
            human_contact_days=self.human_contact_days,
            score=ScoreRules.parse(self.score_weights, self.score_thresholds),
            qualification=QualificationRules.parse(self.qualification_rules),
        )


class PlatformQuerySet(models.QuerySet):
    def visible_to(self, user: "User") -> Self:
        return self if user.is_superuser else self.none()


class Platform(models.Model):
    """What holds for every brokerage at once: one row, or none while nothing was ever said."""

    sending_paused_at = models.DateTimeField(_("sending stopped at"), null=True, editable=False)

    objects = PlatformQuerySet.as_manager()

    class Meta:
        verbose_name = _("platform")
        verbose_name_plural = _("platform")
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="platform_is_one")]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)


class Role(models.TextChoices):
    ADMIN = "admin", _("broker admin")
    AGENT = "agent", _("agent")


class TenantUserManager(UserManager.from_queryset(TenantQuerySet)):
    """Django's own manager with the tenant's reads."""


class User(AbstractUser):
    """A person who works with Embudo: the platform's operator (superuser, no broker), a broker admin or an agent."""

    broker = models.ForeignKey(
        Broker, models.PROTECT, null=True, blank=True, related_name="users", verbose_name=_("brokerage")
    )
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.AGENT)
    phone = models.CharField(_("phone"), max_length=20, blank=True)

    objects = TenantUserManager()

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_superuser=True) | models.Q(broker__isnull=False),
                name="user_has_broker",
                violation_error_message=_("A user who is no operator needs a brokerage."),
            )
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @property
    def is_broker_admin(self) -> bool:
        return self.is_superuser or self.role == Role.ADMIN


class ApiKey(TenantModel):
    """A key of an integration. Only its hash is kept; `prefix` lets people tell keys apart."""

    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("created by"))
    created_at = models.DateTimeField(_("created at"))
    last_used_at = models.DateTimeField(_("last used at"), null=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class OutboxEvent(TenantModel):
    """Something an integration is to be told; written in the transaction in which it happened."""

    kind = models.CharField(_("kind"), max_length=60)
    payload = models.JSONField(_("payload"))
    created_at = models.DateTimeField(_("created at"))
    due_at = models.DateTimeField(_("due at"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    delivered_at = models.DateTimeField(_("delivered at"), null=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("outgoing event")
        verbose_name_plural = _("outgoing events")
        indexes = [
            # The deliverer's claim: what is due and not delivered.
            models.Index(fields=["due_at"], condition=models.Q(delivered_at=None), name="idx_outbox_due"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M}"
