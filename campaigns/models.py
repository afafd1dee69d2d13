"""Campaigns, who is in them, and the log: queue and audit trail in one."""

from datetime import timedelta

from django.db import models
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from brokers.models import Broker, TenantModel, TenantQuerySet, User
from leads.models import Stage
from leads.models.history import LooseTenantModel
from leads.models.of_lead import OfLeadQuerySet
from templates_app.models import Channel, MessageTemplate


class Trigger(models.TextChoices):
    MANUAL = "manual", _("Chosen leads")
    LEAD_SCORE = "lead_score", _("Score")
    STAGE_CHANGE = "stage_change", _("Stage change")
    INACTIVITY = "inactivity", _("Inactivity")


class CampaignStatus(models.TextChoices):
    DRAFT = "draft", _("draft")
    ACTIVE = "active", _("active")
    PAUSED = "paused", _("paused")
    COMPLETED = "completed", _("completed")


class Action(models.TextChoices):
    SEND_MESSAGE = "send_message", _("Send a message")
    MAKE_CALL = "make_call", _("Call")
    SCHEDULE_MEETING = "schedule_meeting", _("Propose a meeting")
    UPDATE_STAGE = "update_stage", _("Move to a stage")


class Campaign(TenantModel):
    """A sequence of steps and whom it takes in. `status` changes by the verbs of `campaigns.actions` only."""

    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    channel = models.CharField(_("channel"), max_length=10, choices=Channel.choices)
    status = models.CharField(
        _("status"),
        max_length=10,
        choices=CampaignStatus.choices,
        default=CampaignStatus.DRAFT,
        editable=False,
    )
    triggered_by = models.CharField(_("trigger"), max_length=12, choices=Trigger.choices, default=Trigger.MANUAL)
    trigger_condition = models.JSONField(_("trigger condition"), default=dict, blank=True)
    max_contacts = models.PositiveIntegerField(_("at most this many leads"), null=True, blank=True)
    enrolled_count = models.PositiveIntegerField(_("enrolled"), default=0, editable=False)
    reentry_after_days = models.PositiveSmallIntegerField(
        _("may enter again after days"), null=True, blank=True, help_text=_("Empty: never again")
    )
    exit_on_reply = models.BooleanField(_("ends on a reply"), default=True)
    goal_stage = models.CharField(_("goal"), max_length=30, choices=Stage.choices, blank=True)
    holdout_percent = models.PositiveSmallIntegerField(_("hold-out, per cent"), default=0)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("Higher goes first"))
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    activated_at = models.DateTimeField(_("activated at"), null=True, editable=False)
    paused_at = models.DateTimeField(_("paused at"), null=True, editable=False)
    collects_from = models.DateTimeField(_("collects from"), null=True, editable=False)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, editable=False, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created at"), editable=False)

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        constraints = [
            models.CheckConstraint(condition=Q(holdout_percent__lte=99), name="campaign_holdout_0_99"),
            models.CheckConstraint(
                condition=Q(reentry_after_days=None) | Q(reentry_after_days__gte=1), name="campaign_reentry_1"
            ),
            models.CheckConstraint(condition=Q(status__in=CampaignStatus.values), name="campaign_status_known"),
        ]
        indexes = [
            # The engine's groups and the triggers: active campaigns of a broker.
            models.Index(fields=["broker"], condition=Q(status="active"), name="idx_campaign_active"),
        ]

    def __str__(self) -> str:
        return self.name


class CampaignVersion(TenantModel):
    """Settings and steps as they stood when activated; never changed afterwards."""

    campaign = models.ForeignKey(
        Campaign, models.CASCADE, related_name="versions", db_index=False, verbose_name=_("campaign")
    )
    number = models.PositiveIntegerField(_("number"))
    settings = models.JSONField(_("settings"))
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    approved_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("approved by"))
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("campaign version")
        verbose_name_plural = _("campaign versions")
        constraints = [models.UniqueConstraint(fields=["campaign", "number"], name="version_number_once")]

    def __str__(self) -> str:
        return f"{self.campaign} v{self.number}"


class CampaignStep(TenantModel):
    """One step of one version. `delay_hours` counts from the step before; saved by `save_steps`, as a whole set."""

    campaign = models.ForeignKey(
        Campaign, models.CASCADE, related_name="steps", db_index=False, verbose_name=_("campaign")
    )
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    step_number = models.PositiveSmallIntegerField(_("step"))
    action = models.CharField(_("action"), max_length=16, choices=Action.choices, default=Action.SEND_MESSAGE)
    delay_hours = models.DecimalField(_("hours after the step before"), max_digits=8, decimal_places=2, default=0)
    conditions = models.JSONField(_("only if"), default=dict, blank=True)
    message_template = models.ForeignKey(
        MessageTemplate, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("template")
    )
    target_stage = models.CharField(_("move to"), max_length=30, choices=Stage.choices, blank=True)
    # Null is "the campaign's", and stays so when the campaign's channel changes.
    channel = models.CharField(  # noqa: DJ001
        _("channel"), max_length=10, choices=Channel.choices, blank=True, null=True, default=None
    )
    fallback_channel = models.CharField(  # noqa: DJ001
        _("fallback channel"), max_length=10, choices=Channel.choices, blank=True, null=True, default=None
    )
    fallback_template = models.ForeignKey(
        MessageTemplate,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("fallback template"),
    )

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ("campaign", "version", "step_number")
        constraints = [
            models.UniqueConstraint(fields=["campaign", "version", "step_number"], name="step_number_once"),
            models.CheckConstraint(condition=Q(delay_hours__gte=0), name="step_delay_not_negative"),
            models.CheckConstraint(condition=Q(step_number__gte=1), name="step_number_from_1"),
        ]

    def __str__(self) -> str:
        return f"{self.step_number}. {self.get_action_display()}"

    @property
    def delay(self) -> timedelta:
        return timedelta(hours=float(self.delay_hours))


class EnrollmentStatus(models.TextChoices):
    ACTIVE = "active", _("active")
    COMPLETED = "completed", _("completed")
    EXITED = "exited", _("exited")
    HELD_OUT = "held_out", _("held out")


class EnrollmentQuerySet(OfLeadQuerySet):
    def with_steps_completed(self) -> "EnrollmentQuerySet":
        """Adds `steps_completed`: how many steps were sent."""
        return self.annotate(steps_completed=Count("logs", filter=Q(logs__status=LogStatus.SENT)))


class Enrollment(LooseTenantModel):
    """A lead's way through one campaign; `entry` counts how often they entered."""

    campaign = models.ForeignKey(
        Campaign, models.CASCADE, related_name="enrollments", db_index=False, verbose_name=_("campaign")
    )
    version = models.PositiveIntegerField(_("version"))
    lead = models.ForeignKey(
        "leads.Lead",
        models.DO_NOTHING,
        related_name="enrollments",
        db_constraint=False,
        db_index=False,
        verbose_name=_("lead"),
    )
    # Who entered, where that lead was merged into this one since.
    merged_from = models.ForeignKey(
        "leads.Lead",
        models.DO_NOTHING,
        null=True,
        editable=False,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("entered as"),
    )
    entry = models.PositiveSmallIntegerField(_("entry"), default=1)
    trigger = models.CharField(_("trigger"), max_length=12, choices=Trigger.choices)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=EnrollmentStatus.choices)
    exit_reason = models.CharField(_("why it ended"), max_length=60, blank=True)
    sandbox = models.BooleanField(_("sandbox"), default=False)
    enrolled_at = models.DateTimeField(_("enrolled at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)

    objects = EnrollmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("enrolment")
        verbose_name_plural = _("enrolments")
        constraints = [
            models.UniqueConstraint(fields=["campaign", "lead", "entry", "sandbox"], name="enrollment_entry_once"),
            # Lead first: it also finds what a lead is in right now.
            models.UniqueConstraint(
                fields=["lead", "campaign"], condition=Q(status="active"), name="enrollment_active_once"
            ),
            models.CheckConstraint(condition=Q(status__in=EnrollmentStatus.values), name="enrollment_status_known"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id}/{self.lead_id} #{self.entry}"


class LogStatus(models.TextChoices):
    PENDING = "pending", _("pending")
    SENT = "sent", _("sent")
    FAILED = "failed", _("failed")
    SKIPPED = "skipped", _("skipped")


# Reasons of failed rows that are not the last word: a late settle, the provider's callback or a person corrects them.
OUTCOME_UNKNOWN, LEFT_UNKNOWN = "outcome_unknown", "left_unknown"
RESENDING, NOT_RESENT = "resending", "not_resent"
UNSETTLED = (OUTCOME_UNKNOWN, NOT_RESENT)


class CampaignLogQuerySet(OfLeadQuerySet):
    def waiting(self) -> "CampaignLogQuerySet":
        """Pending and in nobody's hands."""
        return self.filter(status=LogStatus.PENDING, dispatched_at=None)

    def unsettled(self) -> "CampaignLogQuerySet":
        """What a person has to say something about: nobody knows whether it was sent, or it could not be sent again."""
        return self.filter(status=LogStatus.FAILED, reason__in=UNSETTLED)

    def in_flight(self) -> "CampaignLogQuerySet":
        """Pending and handed to a provider: nobody but the dispatcher knows what becomes of them."""
        return self.filter(status=LogStatus.PENDING, dispatched_at__isnull=False)


class CampaignLog(LooseTenantModel):
    """One step of one enrolment, for ever: born pending, ends sent, failed or skipped."""

    enrollment = models.ForeignKey(
        Enrollment, models.CASCADE, related_name="logs", db_index=False, verbose_name=_("enrolment")
    )
    campaign = models.ForeignKey(
        Campaign, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False, verbose_name=_("campaign")
    )
    lead = models.ForeignKey(
        "leads.Lead", models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False, verbose_name=_("lead")
    )
    step = models.ForeignKey(
        CampaignStep, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False, verbose_name=_("step")
    )
    step_number = models.PositiveSmallIntegerField(_("step"))
    action = models.CharField(_("action"), max_length=16, choices=Action.choices)
    channel = models.CharField(_("channel"), max_length=10, blank=True)
    message = models.ForeignKey(
        "messaging.Message",
        models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("message"),
    )
    appointment = models.ForeignKey(
        "leads.Appointment",
        models.DO_NOTHING,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("appointment"),
    )
    status = models.CharField(_("status"), max_length=10, choices=LogStatus.choices, default=LogStatus.PENDING)
    reason = models.CharField(_("reason"), max_length=60, blank=True)
    planned_at = models.DateTimeField(_("first due"))
    due_at = models.DateTimeField(_("due"))
    dispatched_at = models.DateTimeField(_("dispatched at"), null=True)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    # Attempts that no provider was asked about; they give a key its number, but do not use the attempts up.
    cancellations = models.PositiveSmallIntegerField(_("cancelled attempts"), default=0, db_default=0)
    response = models.JSONField(_("what was checked"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"))
    executed_at = models.DateTimeField(_("executed at"), null=True)

    objects = CampaignLogQuerySet.as_manager()

    class Meta:
        verbose_name = _("campaign log")
        verbose_name_plural = _("campaign log")
        constraints = [
            models.UniqueConstraint(fields=["enrollment", "step_number"], name="log_step_once"),
            models.CheckConstraint(condition=Q(status__in=LogStatus.values), name="log_status_known"),
            models.CheckConstraint(
                condition=Q(dispatched_at=None) | Q(message__isnull=False), name="log_dispatch_has_message"
            ),
        ]
        indexes = [
            # The queue: what is due in a group.
            models.Index(
                fields=["campaign", "channel", "due_at"],
                condition=Q(status="pending", dispatched_at=None),
                name="idx_log_queue",
            ),
            # Leases that ran out, and calls that are under way.
            models.Index(
                fields=["lease_until"],
                condition=Q(status="pending", dispatched_at__isnull=False),
                name="idx_log_lease",
            ),
            # The work list of unknown outcomes, what callbacks may still correct, and what is being sent again.
            models.Index(
                fields=["executed_at"],
                condition=Q(status="failed", reason__in=["outcome_unknown", "left_unknown", "resending", "not_resent"]),
                name="idx_log_unsettled",
            ),
            # A lead's history, and the pending rows of leads that replied or moved.
            models.Index(fields=["lead", "id"], name="idx_log_lead"),
        ]

    def __str__(self) -> str:
        return f"{self.enrollment_id}/{self.step_number} {self.status}"


class UnknownOutcome(CampaignLog):
    """The rows of the log that wait for a person to say what became of them."""

    class Meta:
        proxy = True
        verbose_name = _("unknown outcome")
        verbose_name_plural = _("unknown outcomes")


class Sweep(models.Model):
    """How far the triggers of a broker have looked."""

    broker = models.OneToOneField(Broker, models.CASCADE, primary_key=True, verbose_name=_("brokerage"))
    swept_to = models.DateTimeField(_("swept to"))

    objects = TenantQuerySet.as_manager()

    class Meta:
        verbose_name = _("sweep")
        verbose_name_plural = _("sweeps")

    def __str__(self) -> str:
        return f"{self.broker} {self.swept_to:%Y-%m-%d %H:%M:%S}"
