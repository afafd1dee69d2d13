"""Who gets which lead: a broker's rules, and when its agents work."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel, TenantQuerySet, User
from brokers.rules import ContactWindow, validate_contact_window
from leads.models.history import LooseTenantModel
from leads.models.of_lead import OfLeadQuerySet

TOUCH_WITHIN_MINUTES = 5


def default_business_hours() -> dict[str, list[str] | None]:
    """Monday to Friday 09:00–19:00 and Saturday morning."""
    weekdays: dict[str, list[str] | None] = {day: ["09:00", "19:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
    return weekdays | {"sat": ["10:00", "14:00"], "sun": None}


class Strategy(models.TextChoices):
    ROUND_ROBIN = "round_robin", _("in turn")
    WEIGHTED = "weighted", _("in turn, by weight")
    LEAST_LOADED = "least_loaded", _("whoever has the fewest open leads")
    FIRST_TO_CLAIM = "first_to_claim", _("whoever claims it first")


FALLBACKS = [choice for choice in Strategy.choices if choice[0] != Strategy.FIRST_TO_CLAIM]


class IfNobody(models.TextChoices):
    NEXT_RULE = "next_rule", _("try the next rule")
    DEFAULT_AGENT = "default_agent", _("give it to the brokerage's default agent")
    LEAVE = "leave", _("leave it unassigned and tell the broker admin")


class RoutingSettings(TenantModel):
    """What holds for all routing of a broker; without a row, the defaults."""

    broker = models.OneToOneField(
        "brokers.Broker", models.CASCADE, related_name="routing_settings", verbose_name=_("brokerage")
    )
    default_agent = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("default agent"),
        help_text=_("Gets what no rule takes. Empty: it stays unassigned, and the broker admin is told."),
    )
    business_hours = models.JSONField(
        _("business hours"),
        default=default_business_hours,
        validators=[validate_contact_window],
        help_text=_('By weekday, such as {"mon": ["09:00", "19:00"], "sat": null}; a day left out is closed.'),
    )
    closed_on_holidays = models.BooleanField(_("closed on public holidays"), default=True)
    touch_within_minutes = models.PositiveIntegerField(
        _("minutes until the first human touch"),
        null=True,
        blank=True,
        default=TOUCH_WITHIN_MINUTES,
        validators=[MinValueValidator(1), MaxValueValidator(7 * 24 * 60)],
        help_text=_("Business minutes after which a new lead is escalated to the broker admin. Empty: never."),
    )
    reassigns = models.BooleanField(
        _("give an escalated lead to somebody else"),
        default=False,
        help_text=_("By the rules, without whoever had it."),
    )

    class Meta:
        verbose_name = _("routing settings")
        verbose_name_plural = _("routing settings")

    def __str__(self) -> str:
        return str(self.broker)

    @property
    def hours(self) -> ContactWindow:
        """In the broker's time zone."""
        window = ContactWindow.parse(self.business_hours)
        return window.closed_on_holidays(self.broker.country) if self.closed_on_holidays else window


class RoutingRuleQuerySet(TenantQuerySet):
    def in_order(self) -> "RoutingRuleQuerySet":
        return self.order_by("position", "id")


class RoutingRule(TenantModel):
    """The first active rule, in order, whose conditions hold for a lead says who gets it."""

    name = models.CharField(_("name"), max_length=100)
    position = models.PositiveSmallIntegerField(_("order"), default=1, help_text=_("Lower ones are asked first."))
    is_active = models.BooleanField(_("active"), default=True)
    conditions = models.JSONField(_("conditions"), default=dict, blank=True)
    strategy = models.CharField(_("how"), max_length=20, choices=Strategy.choices, default=Strategy.ROUND_ROBIN)
    claim_minutes = models.PositiveSmallIntegerField(
        _("minutes to claim"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 60)],
        help_text=_("For “whoever claims it first” only."),
    )
    fallback = models.CharField(
        _("when nobody claims it"), max_length=20, choices=FALLBACKS, default=Strategy.ROUND_ROBIN
    )
    at_work_only = models.BooleanField(
        _("only agents who are at work"),
        default=True,
        help_text=_("Without it working hours are not looked at; who is absent is passed over all the same."),
    )
    if_nobody = models.CharField(
        _("when nobody is available"), max_length=20, choices=IfNobody.choices, default=IfNobody.NEXT_RULE
    )
    created_at = models.DateTimeField(_("created at"))

    objects = RoutingRuleQuerySet.as_manager()

    class Meta:
        verbose_name = _("routing rule")
        verbose_name_plural = _("routing rules")
        constraints = [
            models.CheckConstraint(condition=~Q(fallback=Strategy.FIRST_TO_CLAIM), name="routing_fallback_ends"),
        ]

    def __str__(self) -> str:
        return self.name


class RoutingAgent(TenantModel):
    """An agent's place in a rule. `lag` is the state of taking turns: how far behind their share they are, in picks
    times the sum of the weights; it is written under the broker's routing lock only."""

    rule = models.ForeignKey(RoutingRule, models.CASCADE, related_name="seats", verbose_name=_("routing rule"))
    agent = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("agent"))
    weight = models.PositiveSmallIntegerField(
        _("weight"), default=1, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    max_open = models.PositiveIntegerField(
        _("most open leads"), null=True, blank=True, help_text=_("Who has as many gets no more. Empty: no limit.")
    )
    lag = models.BigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("agent of a rule")
        verbose_name_plural = _("agents of a rule")
        constraints = [
            models.UniqueConstraint(fields=["rule", "agent"], name="routing_agent_once"),
            models.CheckConstraint(condition=Q(weight__gte=1), name="routing_weight_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} × {self.weight}"


class WorkingHours(TenantModel):
    """When an agent takes leads, in the broker's time zone; without a row, in the broker's business hours. Public
    holidays are the broker's."""

    agent = models.OneToOneField(User, models.CASCADE, related_name="working_hours", verbose_name=_("agent"))
    hours = models.JSONField(
        _("working hours"),
        default=default_business_hours,
        validators=[validate_contact_window],
        help_text=_('By weekday, such as {"mon": ["09:00", "19:00"], "sat": null}; a day left out is free.'),
    )

    class Meta:
        verbose_name = _("working hours")
        verbose_name_plural = _("working hours")

    def __str__(self) -> str:
        return str(self.agent)

    @property
    def window(self) -> ContactWindow:
        return ContactWindow.parse(self.hours)


class Absence(TenantModel):
    """A vacation, an illness: from `starts_at` until before `ends_at` an agent gets no leads by rules."""

    agent = models.ForeignKey(User, models.CASCADE, related_name="absences", verbose_name=_("agent"))
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    reason = models.CharField(_("reason"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("absence")
        verbose_name_plural = _("absences")
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__lt=F("ends_at")),
                name="absence_in_order",
                violation_error_message=_("An absence must start before it ends."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent}: {_day(self.starts_at)} – {_day(self.ends_at)}"


def _day(moment: Any) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d}" if moment else "?"


class OfferOutcome(models.TextChoices):
    CLAIMED = "claimed", _("claimed")
    TAKEN = "taken", _("somebody else was quicker")
    EXPIRED = "expired", _("nobody claimed it in time")
    WITHDRAWN = "withdrawn", _("assigned in another way")
    GONE = "gone", _("the lead is gone")


class OfferQuerySet(TenantQuerySet):
    def visible_to(self, user: User) -> "OfferQuerySet":
        rows = super().visible_to(user)
        return rows if user.is_broker_admin else rows.filter(agent=user)

    def open(self) -> "OfferQuerySet":
        return self.filter(closed_at=None)


class Offer(LooseTenantModel):
    """A lead that an agent may claim; one row an agent. All rows of a lead are closed together."""

    lead = models.ForeignKey(
        "leads.Lead", models.CASCADE, related_name="offers", db_index=False, verbose_name=_("lead")
    )
    agent = models.ForeignKey(User, models.CASCADE, related_name="offers", db_index=False, verbose_name=_("agent"))
    rule = models.ForeignKey(
        RoutingRule, models.SET_NULL, null=True, related_name="+", db_index=False, verbose_name=_("routing rule")
    )
    offered_at = models.DateTimeField(_("offered at"))
    expires_at = models.DateTimeField(_("may be claimed until"))
    closed_at = models.DateTimeField(_("closed at"), null=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=OfferOutcome.choices, blank=True)

    objects = OfferQuerySet.as_manager()

    class Meta:
        verbose_name = _("offer")
        verbose_name_plural = _("offers")
        constraints = [
            # One open offer a lead and agent; and a lead's open offers.
            models.UniqueConstraint(fields=["lead", "agent"], condition=Q(closed_at=None), name="offer_open_once"),
            models.CheckConstraint(
                condition=Q(closed_at=None, outcome="") | Q(Q(closed_at__isnull=False), ~Q(outcome="")),
                name="offer_closed_has_outcome",
            ),
        ]
        indexes = [
            # The sweep: offers whose time is over.
            models.Index(fields=["expires_at"], condition=Q(closed_at=None), name="idx_offer_due"),
            # An agent's page: what they may claim, and what became of the latest.
            models.Index(fields=["agent", "offered_at"], name="idx_offer_agent"),
        ]

    def __str__(self) -> str:
        return f"{self.lead} → {self.agent}"


class ClockOutcome(models.TextChoices):
    TOUCHED = "touched", _("a person was in time")
    ESCALATED = "escalated", _("escalated")
    GONE = "gone", _("nobody was to contact them any more")
    OFF = "off", _("escalation was switched off")


class SpeedClock(LooseTenantModel):
    """An arrival that waits for its first human touch until `due_at`; then it ends, once, with an outcome."""

    lead = models.ForeignKey(
        "leads.Lead", models.CASCADE, related_name="speed_clocks", db_index=False, verbose_name=_("lead")
    )
    started_at = models.DateTimeField(_("arrived at"))
    due_at = models.DateTimeField(_("to be touched by"))
    ended_at = models.DateTimeField(_("ended at"), null=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=ClockOutcome.choices, blank=True)

    objects = OfLeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("speed-to-lead clock")
        verbose_name_plural = _("speed-to-lead clocks")
        constraints = [
            # One at a time; who asks again while it runs does not get another.
            models.UniqueConstraint(fields=["lead"], condition=Q(ended_at=None), name="clock_running_once"),
            models.CheckConstraint(
                condition=Q(ended_at=None, outcome="") | Q(Q(ended_at__isnull=False), ~Q(outcome="")),
                name="clock_ended_has_outcome",
            ),
        ]
        indexes = [
            # The sweep: clocks that ran out.
            models.Index(fields=["due_at"], condition=Q(ended_at=None), name="idx_clock_due"),
            # A lead's clocks.
            models.Index(fields=["lead", "started_at"], name="idx_clock_lead"),
        ]

    def __str__(self) -> str:
        return f"{self.lead} {self.started_at:%Y-%m-%d %H:%M}"


class Notice(TenantModel):
    """A mail to somebody who works here, written with what it tells of and sent afterwards.

    `begun_at` is stamped and committed before the mail server is asked: a mail that was begun and neither sent nor
    refused may have gone out, and is not sent again.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("to whom"))
    key = models.CharField(max_length=100, unique=True)
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("text"))
    created_at = models.DateTimeField(_("created at"))
    due_at = models.DateTimeField(_("due at"), null=True)
    begun_at = models.DateTimeField(_("begun at"), null=True)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    error = models.CharField(_("error"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("mail to a user")
        verbose_name_plural = _("mails to users")
        indexes = [
            # The sender: what is due and was not begun.
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="idx_mail_due"),
        ]

    def __str__(self) -> str:
        return self.subject
