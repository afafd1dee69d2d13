from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel, TenantQuerySet, User
from leads.models import Stage
from leads.models.of_lead import OfLeadQuerySet
from templates_app.models import AgentType


class CallStatus(models.TextChoices):
    INITIATED = "initiated", _("initiated")
    RINGING = "ringing", _("ringing")
    ANSWERED = "answered", _("answered")
    COMPLETED = "completed", _("completed")
    FAILED = "failed", _("failed")
    NO_ANSWER = "no_answer", _("no answer")
    BUSY = "busy", _("busy")
    CANCELLED = "cancelled", _("cancelled")


ENDED = [
    CallStatus.COMPLETED,
    CallStatus.FAILED,
    CallStatus.NO_ANSWER,
    CallStatus.BUSY,
    CallStatus.CANCELLED,
]


class VoiceCall(TenantModel):
    """What happened on the phone; the contact itself is its Message."""

    message = models.OneToOneField("messaging.Message", models.CASCADE, related_name="call", verbose_name=_("message"))
    lead = models.ForeignKey("leads.Lead", models.CASCADE, related_name="calls", verbose_name=_("lead"))
    agent_type = models.CharField(
        _("agent type"), max_length=30, choices=AgentType.choices, default=AgentType.PERFILADOR
    )
    phone_number = models.CharField(_("phone"), max_length=20)
    external_call_id = models.CharField(_("id at the provider"), max_length=64, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=CallStatus.choices, default=CallStatus.INITIATED)
    answered_by = models.CharField(_("answered by"), max_length=30, blank=True)
    duration = models.PositiveIntegerField(_("seconds"), null=True)
    recording_url = models.URLField(_("recording"), blank=True, max_length=500)
    transcript = models.TextField(_("transcript"), blank=True)
    summary = models.TextField(_("summary"), blank=True)
    extracted = models.JSONField(_("what was found out"), default=dict, blank=True)
    state = models.JSONField(_("dialogue state"), default=dict, blank=True)
    stage_after_call = models.CharField(_("stage after the call"), max_length=30, choices=Stage.choices, blank=True)
    score_delta = models.SmallIntegerField(_("points"), default=0)
    started_at = models.DateTimeField(_("started at"))
    completed_at = models.DateTimeField(_("completed at"), null=True)
    error = models.TextField(_("error"), blank=True)

    objects = OfLeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        constraints = [
            models.CheckConstraint(condition=Q(status__in=CallStatus.values), name="call_status_known"),
            models.CheckConstraint(condition=Q(score_delta__range=(-10, 20)), name="call_delta_range"),
        ]
        indexes = [
            # A status callback that names the provider's id.
            models.Index(fields=["external_call_id"], condition=~Q(external_call_id=""), name="idx_call_external"),
        ]

    def __str__(self) -> str:
        return f"{self.phone_number} {self.status}"


class Speaker(models.TextChoices):
    BOT = "bot", _("assistant")
    CUSTOMER = "customer", _("customer")
    AGENT = "agent", _("agent")


class TranscriptQuerySet(TenantQuerySet):
    def visible_to(self, user: User) -> "TranscriptQuerySet":
        """A broker admin sees the broker's, an agent the calls with their leads."""
        rows = super().visible_to(user)
        return rows if user.is_broker_admin else rows.filter(call__lead__assigned_to=user)


class CallTranscript(TenantModel):
    call = models.ForeignKey(VoiceCall, models.CASCADE, related_name="lines", db_index=False, verbose_name=_("call"))
    position = models.PositiveIntegerField(_("position"))
    speaker = models.CharField(_("speaker"), max_length=10, choices=Speaker.choices)
    text = models.TextField(_("text"))
    timestamp = models.FloatField(_("seconds into the call"))
    confidence = models.FloatField(_("confidence"), null=True)

    objects = TranscriptQuerySet.as_manager()

    class Meta:
        verbose_name = _("transcript line")
        verbose_name_plural = _("transcript lines")
        ordering = ("position",)
        constraints = [
            models.UniqueConstraint(fields=["call", "position"], name="transcript_position_once"),
            models.CheckConstraint(
                condition=Q(confidence=None) | Q(confidence__range=(0, 1)), name="transcript_confidence_0_1"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.speaker}: {self.text[:60]}"
