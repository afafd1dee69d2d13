"""When an agent can be booked."""

from datetime import timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel, User


class Calendar(TenantModel):
    """How an agent is booked by leads; the hours are its Availability rows, in the brokerage's time zone."""

    agent = models.OneToOneField(User, models.CASCADE, related_name="calendar", verbose_name=_("agent"))
    slot_minutes = models.PositiveSmallIntegerField(
        _("minutes of a meeting"),
        default=45,
        validators=[MinValueValidator(5), MaxValueValidator(480)],
        help_text=_("5 to 480"),
    )
    buffer_minutes = models.PositiveSmallIntegerField(
        _("minutes between two meetings"),
        default=15,
        validators=[MaxValueValidator(240)],
        help_text=_("0 to 240; kept free before and after each"),
    )
    notice_minutes = models.PositiveIntegerField(
        _("minutes of notice"),
        default=120,
        validators=[MaxValueValidator(20_160)],
        help_text=_("0 to 20160 (two weeks); nobody can book closer than that"),
    )
    days_ahead = models.PositiveSmallIntegerField(
        _("days ahead"),
        default=21,
        validators=[MinValueValidator(1), MaxValueValidator(180)],
        help_text=_("1 to 180; nobody can book further away"),
    )
    # Whoever knows it reads the agent's appointments; none, nobody does.
    feed_token = models.CharField(max_length=64, blank=True, default="", editable=False)

    class Meta:
        verbose_name = _("calendar")
        verbose_name_plural = _("calendars")
        constraints = [
            models.UniqueConstraint(fields=["feed_token"], condition=~Q(feed_token=""), name="calendar_feed_once"),
        ]

    def __str__(self) -> str:
        return str(self.agent)

    @property
    def slot(self) -> timedelta:
        return timedelta(minutes=self.slot_minutes)

    @property
    def buffer(self) -> timedelta:
        return timedelta(minutes=self.buffer_minutes)

    @property
    def notice(self) -> timedelta:
        return timedelta(minutes=self.notice_minutes)


class Weekday(models.IntegerChoices):
    MONDAY = 0, _("Monday")
    TUESDAY = 1, _("Tuesday")
    WEDNESDAY = 2, _("Wednesday")
    THURSDAY = 3, _("Thursday")
    FRIDAY = 4, _("Friday")
    SATURDAY = 5, _("Saturday")
    SUNDAY = 6, _("Sunday")


class Availability(TenantModel):
    """Weekly hours; other hours on one date, or none (both times empty); or a stretch in which nothing is free."""

    WEEKLY, DATE, BLOCK = "weekly", "date", "block"

    calendar = models.ForeignKey(Calendar, models.CASCADE, related_name="hours", verbose_name=_("calendar"))
    kind = models.CharField(
        _("kind"),
        max_length=10,
        choices=[(WEEKLY, _("weekly hours")), (DATE, _("other hours on a date")), (BLOCK, _("not available"))],
        default=WEEKLY,
    )
    weekday = models.PositiveSmallIntegerField(_("weekday"), choices=Weekday.choices, null=True, blank=True)
    on = models.DateField(_("date"), null=True, blank=True)
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
                    Q(opens__isnull=True, closes__isnull=True)
                    | Q(opens__isnull=False, closes__isnull=False, opens__lt=F("closes")),
                    kind="date",
                    on__isnull=False,
                )
                | Q(kind="block", starts_at__isnull=False, ends_at__isnull=False, starts_at__lt=F("ends_at")),
                name="availability_is_whole",
            )
        ]

    def __str__(self) -> str:
        if self.kind == self.BLOCK:
            return f"{self.starts_at:%Y-%m-%d %H:%M}–{self.ends_at:%Y-%m-%d %H:%M}"
        when = str(self.get_weekday_display() if self.kind == self.WEEKLY else self.on)
        return f"{when} {self.opens:%H:%M}–{self.closes:%H:%M}" if self.opens and self.closes else when
