"""Accounts at providers, and every contact over every channel."""

from decimal import Decimal
from secrets import token_urlsafe

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel, TenantQuerySet, User
from leads.models.history import LooseTenantModel
from leads.models.of_lead import OfLeadQuerySet
from messaging.fields import EncryptedJSONField
from messaging.prices import valid_prices
from templates_app.models import Channel, Purpose


def new_webhook_token() -> str:
    return token_urlsafe(24)


class ChannelAccount(TenantModel):
    """A broker's account at a provider for one channel. What is sent over a sandbox account reaches nobody."""

    channel = models.CharField(_("channel"), max_length=10, choices=Channel.choices)
    provider = models.CharField(_("provider"), max_length=30)
    # Where one provider stands for several: the word of Adapter.services.
    service = models.CharField(_("service"), max_length=30, blank=True, editable=False, db_default="", default="")
    name = models.CharField(_("name"), max_length=100, blank=True)
    credentials = EncryptedJSONField(_("credentials"), default=dict, blank=True)
    sender = models.CharField(
        _("sender"), max_length=254, blank=True, help_text=_("The address or number that people see")
    )
    rate = models.DecimalField(
        _("messages a second"),
        max_digits=8,
        decimal_places=3,
        null=True,
        blank=True,
        help_text=_("Empty: as fast as the provider takes them"),
    )
    # What one message costs, as messaging.prices.Prices reads it. Editing it rewrites no cost of the past.
    prices = models.JSONField(_("prices"), default=dict, blank=True, db_default={}, validators=[valid_prices])
    # Part of the address to which its provider reports; whoever knows it still has to sign.
    webhook_token = models.CharField(
        _("webhook token"), max_length=43, unique=True, default=new_webhook_token, editable=False
    )
    next_slot_at = models.DateTimeField(_("next free slot"), null=True, blank=True, editable=False)
    # The process that sends what has a rate, until then; see campaigns/pacing.py.
    paced_by = models.BigIntegerField(_("sent by process"), null=True, blank=True, editable=False)
    paced_until = models.DateTimeField(_("sent by it until"), null=True, blank=True, editable=False)
    sandbox = models.BooleanField(_("sandbox"), default=False, editable=False)
    is_default = models.BooleanField(_("default of its channel"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        verbose_name = _("channel account")
        verbose_name_plural = _("channel accounts")
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "channel"],
                condition=Q(is_default=True),
                name="account_default_once",
                violation_error_message=_("Another account is the default of that channel."),
            ),
            models.CheckConstraint(condition=Q(rate=None) | Q(rate__gt=Decimal(0)), name="account_rate_positive"),
            models.CheckConstraint(
                condition=Q(sandbox=True, provider="sandbox") | (Q(sandbox=False) & ~Q(provider="sandbox")),
                name="account_sandbox_is_provider",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.get_channel_display()} · {self.service or self.provider}"


class MessageStatus(models.TextChoices):
    QUEUED = "queued", _("queued")
    SENDING = "sending", _("sending")
    SENT = "sent", _("sent")
    DELIVERED = "delivered", _("delivered")
    READ = "read", _("read")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")
    UNKNOWN = "unknown", _("outcome unknown")
    RECEIVED = "received", _("received")


# Of these nobody knows yet whether the provider has them.
ON_THE_WAY = [MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.UNKNOWN]
ACCEPTED = [MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ]


class Direction(models.TextChoices):
    IN = "in", _("received")
    OUT = "out", _("sent")


class Message(LooseTenantModel):
    """One contact with a lead, calls included. Written before the provider is called; `dedupe_key` is sent once."""

    lead = models.ForeignKey(
        "leads.Lead", models.CASCADE, related_name="messages", db_index=False, verbose_name=_("lead")
    )
    # Whose it was, where that lead was merged into this one since.
    merged_from = models.ForeignKey(
        "leads.Lead",
        models.DO_NOTHING,
        null=True,
        editable=False,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("belonged to"),
    )
    channel = models.CharField(_("channel"), max_length=10, choices=Channel.choices)
    direction = models.CharField(_("direction"), max_length=3, choices=Direction.choices)
    account = models.ForeignKey(
        ChannelAccount,
        models.DO_NOTHING,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
        verbose_name=_("account"),
    )
    template = models.ForeignKey(
        "templates_app.MessageTemplate",
        models.DO_NOTHING,
        related_name="+",
        null=True,
        db_constraint=False,
        db_index=False,
        verbose_name=_("template"),
    )
    purpose = models.CharField(_("purpose"), max_length=15, choices=Purpose.choices, default=Purpose.MARKETING)
    address = models.CharField(_("address"), max_length=254, blank=True)
    subject = models.CharField(_("subject"), max_length=400, blank=True)
    body = models.TextField(_("text"), blank=True)
    status = models.CharField(_("status"), max_length=10, choices=MessageStatus.choices, default=MessageStatus.QUEUED)
    provider_id = models.CharField(_("id at the provider"), max_length=255, blank=True)
    dedupe_key = models.CharField(_("key"), max_length=200)
    basis = models.JSONField(_("why it was allowed"), default=dict, blank=True)
    error_code = models.CharField(_("error code"), max_length=60, blank=True)
    error = models.TextField(_("error"), blank=True)
    # By the account's prices when the provider accepted it, or as the provider told; null where nobody knows.
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=6, null=True, blank=True)
    currency = models.CharField(_("currency of the cost"), max_length=3, blank=True, default="", db_default="")
    sandbox = models.BooleanField(_("sandbox"), default=False)
    sent_by = models.ForeignKey(
        User,
        models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("sent by"),
    )
    created_at = models.DateTimeField(_("created at"))
    sending_at = models.DateTimeField(_("sending at"), null=True)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    delivered_at = models.DateTimeField(_("delivered at"), null=True)
    read_at = models.DateTimeField(_("read at"), null=True)
    failed_at = models.DateTimeField(_("failed at"), null=True)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True)
    unknown_at = models.DateTimeField(_("outcome unknown since"), null=True)
    received_at = models.DateTimeField(_("received at"), null=True)

    objects = OfLeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints = [
            # A plain unique=True would add a second index for LIKE.
            models.UniqueConstraint(fields=["dedupe_key"], name="message_key_once"),
            models.CheckConstraint(condition=Q(status__in=MessageStatus.values), name="message_status_known"),
        ]
        indexes = [
            # A lead's conversation, and the caps of a batch of leads.
            models.Index(fields=["lead", "created_at"], name="idx_message_lead"),
            # A provider's callback that names its own id.
            models.Index(fields=["account", "provider_id"], condition=~Q(provider_id=""), name="idx_message_provider"),
            # What people wrote, and notices of meetings, whose process never came back.
            models.Index(
                fields=["sending_at"],
                condition=Q(Q(sent_by__isnull=False) | Q(dedupe_key__startswith="appointment:"), status="sending"),
                name="idx_message_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {self.direction} {self.status}"


class WebhookEvent(TenantModel):
    """What a provider told us, kept as it came; `event_id` makes a repeated delivery harmless."""

    account = models.ForeignKey(
        ChannelAccount, models.CASCADE, related_name="events", db_index=False, verbose_name=_("account")
    )
    event_id = models.CharField(_("event id"), max_length=200)
    payload = models.JSONField(_("payload"))
    received_at = models.DateTimeField(_("received at"))
    processed_at = models.DateTimeField(_("processed at"), null=True)
    error = models.TextField(_("error"), blank=True)

    class Meta:
        verbose_name = _("webhook event")
        verbose_name_plural = _("webhook events")
        constraints = [models.UniqueConstraint(fields=["account", "event_id"], name="webhook_event_once")]

    def __str__(self) -> str:
        return self.event_id
