"""What people do with a lead: notes, tasks and appointments."""

import secrets
from datetime import datetime

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel, TenantQuerySet, User
from leads.models.of_lead import OfLeadQuerySet


class Note(TenantModel):
    lead = models.ForeignKey("leads.Lead", models.CASCADE, related_name="written_notes", verbose_name=_("lead"))
    author = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("author"))
    text = models.TextField(_("text"))
    at = models.DateTimeField(_("at"))

    objects = OfLeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")

    def __str__(self) -> str:
        return self.text[:60]


# Of the two the later one; PostgreSQL's GREATEST leaves out what is null.
ACTS_AT = Greatest("due_at", "snoozed_until")


# Whoever is to do it was not told of that moment.
UNREMINDED = Q(done_at=None) & (Q(reminded_at=None) | Q(reminded_at__lt=ACTS_AT))


class TaskQuerySet(TenantQuerySet):
    def visible_to(self, user: User) -> "TaskQuerySet":
        """A broker admin sees the broker's, an agent theirs and those about their leads."""
        rows = super().visible_to(user)
        return rows if user.is_broker_admin else rows.filter(Q(assignee=user) | Q(lead__assigned_to=user))

    def open(self) -> "TaskQuerySet":
        return self.filter(done_at=None)

    def with_moment(self) -> "TaskQuerySet":
        """Each with `acts_at`: when it is to be done, which is later than its due date while it is put off."""
        return self.annotate(acts_at=ACTS_AT)

    def due(self, now: datetime) -> "TaskQuerySet":
        """Open, and neither later nor put off."""
        return self.open().with_moment().filter(acts_at__lte=now)

    def unreminded(self) -> "TaskQuerySet":
        return self.with_moment().filter(UNREMINDED)


class Task(TenantModel):
    lead = models.ForeignKey("leads.Lead", models.CASCADE, related_name="tasks", verbose_name=_("lead"))
    assignee = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="tasks", verbose_name=_("assignee")
    )
    title = models.CharField(_("title"), max_length=200)
    due_at = models.DateTimeField(_("due"))
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True, blank=True)
    origin = models.CharField(_("origin"), max_length=60, blank=True)
    # When a mail last told that it is to be done (leads/actions/reminding.py).
    reminded_at = models.DateTimeField(_("reminded at"), null=True, editable=False)

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        indexes = [
            # The agents' day.
            models.Index(fields=["assignee", "due_at"], condition=Q(done_at=None), name="idx_task_open"),
            # Reminders: an idle pass reads nothing.
            models.Index(ACTS_AT, condition=UNREMINDED, name="idx_task_reminder"),
        ]

    def __str__(self) -> str:
        return self.title


class AppointmentStatus(models.TextChoices):
    PROPOSED = "proposed", _("proposed")
    SCHEDULED = "scheduled", _("scheduled")
    CONFIRMED = "confirmed", _("confirmed")
    CANCELLED = "cancelled", _("cancelled")
    COMPLETED = "completed", _("completed")
    NO_SHOW = "no_show", _("did not come")


LIVE_STATUSES = [AppointmentStatus.SCHEDULED, AppointmentStatus.CONFIRMED]


class AppointmentQuerySet(TenantQuerySet):
    def visible_to(self, user: User) -> "AppointmentQuerySet":
        rows = super().visible_to(user)
        return rows if user.is_broker_admin else rows.filter(agent=user)

    def live(self) -> "AppointmentQuerySet":
        return self.filter(status__in=LIVE_STATUSES)


def new_token() -> str:
    return secrets.token_urlsafe(24)


class Appointment(TenantModel):
    lead = models.ForeignKey("leads.Lead", models.CASCADE, related_name="appointments", verbose_name=_("lead"))
    agent = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="appointments", verbose_name=_("agent")
    )
    kind = models.CharField(
        _("kind"),
        max_length=10,
        choices=[("visit", _("visit")), ("office", _("office")), ("video", _("video"))],
        default="visit",
    )
    status = models.CharField(
        _("status"), max_length=10, choices=AppointmentStatus.choices, default=AppointmentStatus.PROPOSED
    )
    starts_at = models.DateTimeField(_("starts"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    location = models.CharField(_("place"), max_length=200, blank=True)
    meeting_url = models.URLField(_("video link"), blank=True)
    token = models.CharField(_("booking token"), max_length=64, unique=True, default=new_token, editable=False)
    booked_at = models.DateTimeField(_("booked at"), null=True, blank=True)
    # When its time was last fixed or it was called off, and how often that changed what people have in their calendars.
    changed_at = models.DateTimeField(_("changed at"), null=True, editable=False)
    sequence = models.PositiveIntegerField(_("version of the invitation"), default=0, editable=False)
    # What the lead was told, by notice; and when there is something to tell next (messaging/appointments.py).
    notices = models.JSONField(_("notices"), default=dict, editable=False)
    notice_due_at = models.DateTimeField(_("next notice"), null=True, editable=False)
    created_at = models.DateTimeField(_("created at"))

    objects = AppointmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("appointment")
        verbose_name_plural = _("appointments")
        constraints = [
            models.CheckConstraint(
                condition=~Q(status__in=LIVE_STATUSES)
                | Q(
                    agent__isnull=False,
                    booked_at__isnull=False,
                    starts_at__isnull=False,
                    ends_at__isnull=False,
                    starts_at__lt=F("ends_at"),
                ),
                name="appointment_live_is_whole",
                violation_error_message=_("A scheduled appointment needs an agent, and must start before it ends."),
            ),
            ExclusionConstraint(
                name="appointment_no_overlap",
                expressions=[
                    (
                        Func(
                            "agent",
                            "agent",
                            Value("[]"),
                            function="int8range",
                            output_field=BigIntegerRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                    (
                        Func("starts_at", "ends_at", function="tstzrange", output_field=DateTimeRangeField()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=Q(status__in=LIVE_STATUSES),
                violation_error_message=_("The agent has another appointment at that time."),
            ),
        ]
        indexes = [
            # The next notices of every brokerage: an idle pass reads nothing.
            models.Index(fields=["notice_due_at"], condition=Q(notice_due_at__isnull=False), name="idx_notice_due"),
            # What keeps an agent busy, and their feed.
            models.Index(fields=["agent", "starts_at"], condition=Q(status__in=LIVE_STATUSES), name="idx_agent_busy"),
        ]

    def __str__(self) -> str:
        if not self.starts_at:
            return str(self.get_status_display())
        return f"{self.get_status_display()} {timezone.localtime(self.starts_at):%Y-%m-%d %H:%M}"

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_STATUSES
