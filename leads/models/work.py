"""What people do with a lead: notes, tasks, appointments, and when an agent has time."""

import secrets

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel, TenantQuerySet, User


class Note(TenantModel):
    lead = models.ForeignKey("leads.Lead", models.CASCADE, related_name="written_notes", verbose_name=_("lead"))
    author = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("author"))
    text = models.TextField(_("text"))
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")

    def __str__(self) -> str:
        return self.text[:60]


class TaskQuerySet(TenantQuerySet):
    def open(self) -> "TaskQuerySet":
        return self.filter(done_at=None)


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

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        indexes = [
            # The agents' day.
            models.Index(fields=["assignee", "due_at"], condition=Q(done_at=None), name="idx_task_open"),
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

    def __str__(self) -> str:
        return f"{self.get_status_display()} {self.starts_at:%Y-%m-%d %H:%M}" if self.starts_at else self.status


class Availability(TenantModel):
    """When an agent can be booked: weekly hours (`weekday`, local times) or a block (`starts_at`–`ends_at`)."""

    agent = models.ForeignKey(User, models.CASCADE, related_name="availabilities", verbose_name=_("agent"))
    kind = models.CharField(
        _("kind"),
        max_length=10,
        choices=[("weekly", _("weekly hours")), ("extra", _("extra hours")), ("block", _("not available"))],
        default="weekly",
    )
    weekday = models.PositiveSmallIntegerField(_("weekday"), null=True, blank=True, help_text=_("0 is Monday"))
    opens = models.TimeField(_("from"), null=True, blank=True)
    closes = models.TimeField(_("to"), null=True, blank=True)
    starts_at = models.DateTimeField(_("starts"), null=True, blank=True)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)

    class Meta:
        verbose_name = _("availability")
        verbose_name_plural = _("availabilities")
        constraints = [
            models.CheckConstraint(
                # A comparison with null is unknown, and a CHECK lets the unknown pass: say isnull too.
                condition=Q(
                    kind="weekly",
                    weekday__isnull=False,
                    weekday__lte=6,
                    opens__isnull=False,
                    closes__isnull=False,
                    opens__lt=F("closes"),
                )
                | Q(
                    ~Q(kind="weekly"),
                    starts_at__isnull=False,
                    ends_at__isnull=False,
                    starts_at__lt=F("ends_at"),
                ),
                name="availability_is_whole",
                violation_error_message=_("Weekly hours need a weekday and two times, others two moments, in order."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent}: {self.kind}"
