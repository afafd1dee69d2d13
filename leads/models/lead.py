"""The lead: a person who may buy, where they stand in the pipeline, and every fact that rules read."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Least
from django.utils.translation import gettext_lazy as _
from django_fsm import RETURN_VALUE, ConcurrentTransitionMixin, FSMField, transition

from brokers.models import TenantModel, TenantQuerySet, User
from brokers.rules import validate_timezone
from leads.models.stage import Stage
from leads.priority import PRIORITY


class Status(models.TextChoices):
    COLD = "cold", _("Cold")
    WARM = "warm", _("Warm")
    HOT = "hot", _("Hot")
    CONVERTED = "converted", _("Converted")
    LOST = "lost", _("Lost")


class Treatment(models.TextChoices):
    AUTOMATED_TELEGRAM = "automated_telegram", _("Campaigns may write")
    AUTOMATED_CALL = "automated_call", _("Campaigns may write and call")
    MANUAL_FOLLOW_UP = "manual_follow_up", _("An agent follows up")
    HOLD = "hold", _("Nobody contacts")


class Qualification(models.TextChoices):
    CALIFICADO = "CALIFICADO", _("Qualified")
    POTENCIAL = "POTENCIAL", _("Potential")
    NO_CALIFICADO = "NO_CALIFICADO", _("Not qualified")


class Dicom(models.TextChoices):
    CLEAN = "clean", _("Clean")
    HAS_DEBT = "has_debt", _("Has debt")


class LeadQuerySet(TenantQuerySet):
    def visible_to(self, user: User) -> Self:
        """A broker admin sees the broker's leads, an agent those assigned to them."""
        rows = super().visible_to(user)
        return rows if user.is_broker_admin else rows.filter(assigned_to=user)

    def present(self) -> Self:
        """Leads that were neither deleted nor merged into another."""
        return self.filter(deleted_at=None)

    def with_priority(self) -> Self:
        """Each with `priority`, from 1 (urgent) to 5 (archived)."""
        return self.annotate(priority=PRIORITY)


def _booked(lead: Any) -> bool:
    return lead.appointments.live().exists()


OPEN_STAGES = [stage for stage in Stage if stage not in (Stage.GANADO, Stage.REFERIDOS, Stage.PERDIDO)]


class Lead(ConcurrentTransitionMixin, TenantModel):
    """Transitions below change the instance only; the verb `leads.actions.move_stage` makes them happen."""

    broker = models.ForeignKey(
        "brokers.Broker", models.PROTECT, db_index=False, related_name="+", verbose_name=_("brokerage")
    )
    name = models.CharField(_("name"), max_length=200, blank=True)
    phone = models.CharField(_("phone"), max_length=20, blank=True, help_text=_("With country code: +56987654321"))
    email = models.EmailField(_("e-mail"), blank=True)
    telegram_chat_id = models.CharField(_("Telegram chat"), max_length=32, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.COLD)
    lead_score = models.PositiveSmallIntegerField(_("score"), default=0)
    score_components = models.JSONField(_("score by component"), default=dict, blank=True)
    pipeline_stage = FSMField(
        _("stage"), max_length=30, choices=Stage.choices, default=Stage.ENTRADA, protected=True, db_index=False
    )
    stage_entered_at = models.DateTimeField(_("in this stage since"))
    # Changed by `leads.actions.assigning` only, which keeps the history; so a user who has leads is deactivated, never
    # deleted.
    assigned_to = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="leads",
        db_index=False,
        verbose_name=_("assigned to"),
    )
    treatment_type = models.CharField(
        _("treatment"), max_length=20, choices=Treatment.choices, default=Treatment.AUTOMATED_TELEGRAM
    )
    notes = models.TextField(_("notes"), blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    metadata = models.JSONField(_("what was said"), default=dict, blank=True)
    budget_amount = models.DecimalField(_("budget"), max_digits=16, decimal_places=2, null=True, blank=True)
    income_amount = models.DecimalField(_("monthly income"), max_digits=16, decimal_places=2, null=True, blank=True)
    debt_amount = models.DecimalField(_("debt"), max_digits=16, decimal_places=2, null=True, blank=True)
    dicom_status = models.CharField(_("DICOM"), max_length=10, choices=Dicom.choices, blank=True)
    location = models.CharField(_("area"), max_length=200, blank=True)
    qualification = models.CharField(
        _("qualification"), max_length=15, choices=Qualification.choices, blank=True, default=""
    )
    field_sources = models.JSONField(_("who said what"), default=dict, blank=True)
    source = models.CharField(_("source"), max_length=100, blank=True)
    language = models.CharField(_("language"), max_length=2, blank=True)
    timezone = models.CharField(_("time zone"), max_length=64, blank=True, validators=[validate_timezone])

    # Facts written down onto the lead when they happen, so that score and filters need no joins.
    inbound_count = models.PositiveIntegerField(_("messages received"), default=0)
    quick_reply_count = models.PositiveIntegerField(_("quick replies"), default=0)
    long_call_count = models.PositiveIntegerField(_("calls over a minute"), default=0)
    booking_count = models.PositiveIntegerField(_("bookings made"), default=0)
    call_score = models.SmallIntegerField(_("points from calls"), default=0)
    opted_out_at = models.DateTimeField(_("asked not to be contacted at"), null=True, blank=True)
    unreachable = models.JSONField(_("unreachable on"), default=dict, blank=True)
    next_appointment_at = models.DateTimeField(_("next appointment"), null=True, blank=True)
    next_task_at = models.DateTimeField(_("next task"), null=True, blank=True)
    next_action_at = models.GeneratedField(
        expression=Least("next_appointment_at", "next_task_at"),
        output_field=models.DateTimeField(null=True),
        verbose_name=_("next action"),
        db_persist=True,
    )
    last_contacted_at = models.DateTimeField(_("last contacted"), null=True, blank=True)
    last_inbound_at = models.DateTimeField(_("last message received"), null=True, blank=True)
    last_answered_at = models.DateTimeField(_("a person last wrote or called"), null=True, blank=True)
    first_touched_at = models.DateTimeField(_("first human touch"), null=True, blank=True)
    last_inquiry_at = models.DateTimeField(_("last inquiry"), null=True, blank=True)
    last_activity_at = models.DateTimeField(_("last sign of life"))
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True)
    merged_into = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("merged into"),
    )
    import_batch = models.ForeignKey(
        "leads.ImportBatch",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        verbose_name=_("import"),
    )
    created_at = models.DateTimeField(_("arrived at"))
    updated_at = models.DateTimeField(_("changed at"))

    objects = LeadQuerySet.as_manager()

    if TYPE_CHECKING:  # FSMField adds these
        get_available_pipeline_stage_transitions: Callable[[], Iterable[Any]]
        get_all_pipeline_stage_transitions: Callable[[], Iterable[Any]]

    class Meta:
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "phone"], condition=Q(deleted_at=None) & ~Q(phone=""), name="lead_phone_once"
            ),
            models.UniqueConstraint(
                fields=["broker", "telegram_chat_id"],
                condition=Q(deleted_at=None) & ~Q(telegram_chat_id=""),
                name="lead_telegram_once",
            ),
            models.CheckConstraint(condition=Q(lead_score__lte=100), name="lead_score_0_100"),
            models.CheckConstraint(condition=Q(phone="") | Q(phone__startswith="+"), name="lead_phone_e164"),
            models.CheckConstraint(condition=Q(pipeline_stage__in=Stage.values), name="lead_stage_known"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="lead_status_known"),
            models.CheckConstraint(condition=Q(treatment_type__in=Treatment.values), name="lead_treatment_known"),
        ]
        indexes = [
            # Ten at most on this table, the primary key and the two unique ones included.
            # The broker's lists by id (keyset pages) and the slices of `run_campaign --all`.
            models.Index(fields=["broker", "id"], name="idx_lead_keyset"),
            # The board: leads of a stage, the longest-standing first.
            models.Index(fields=["broker", "pipeline_stage", "stage_entered_at"], name="idx_pipeline_stage"),
            # An agent's leads, and those they follow up by hand.
            models.Index(fields=["assigned_to", "treatment_type"], name="idx_assigned_treatment"),
            # The agents' day: what is to be done next.
            models.Index(fields=["broker", "next_action_at", "treatment_type"], name="idx_next_action"),
            # The inactivity trigger: who fell silent since the last pass.
            models.Index(fields=["broker", "last_activity_at"], name="idx_last_activity"),
            # The importer and inbound mail: a lead by address.
            models.Index(fields=["broker", "email"], condition=~Q(email=""), name="idx_lead_email"),
            # Filters and manual enrolment by score.
            models.Index(fields=["broker", "lead_score"], name="idx_lead_score"),
        ]

    def __str__(self) -> str:
        return self.name or self.phone or self.email or f"#{self.pk}"

    @property
    def first_name(self) -> str:
        return next(iter(self.name.split()), "")

    @property
    def campaign_history(self) -> list[dict[str, Any]]:
        """Every campaign this lead was in, oldest first, read from the enrolments."""
        rows = self.enrollments.with_steps_completed().order_by("enrolled_at", "id")
        return [
            {
                "campaign_id": row.campaign_id,
                "applied_at": row.enrolled_at,
                "trigger": row.trigger,
                "steps_completed": row.steps_completed,
            }
            for row in rows
        ]

    @transition(field=pipeline_stage, source=Stage.ENTRADA, target=Stage.PERFILAMIENTO)
    def start_profiling(self) -> None:
        """The conversation began."""

    @transition(
        field=pipeline_stage,
        source=[Stage.ENTRADA, Stage.PERFILAMIENTO, Stage.SEGUIMIENTO],
        target=Stage.CALIFICACION,
    )
    def start_qualification(self) -> None:
        """The wish is known; now the means."""

    @transition(
        field=pipeline_stage,
        source=[Stage.ENTRADA, Stage.PERFILAMIENTO, Stage.CALIFICACION, Stage.SEGUIMIENTO],
        target=Stage.AGENDADO,
        conditions=[_booked],
    )
    def book(self) -> None:
        """A live appointment exists."""

    @transition(field=pipeline_stage, source=[Stage.CALIFICACION, Stage.AGENDADO], target=Stage.SEGUIMIENTO)
    def follow_up(self) -> None:
        """Keep warm."""

    @transition(field=pipeline_stage, source=[Stage.AGENDADO, Stage.SEGUIMIENTO], target=Stage.GANADO)
    def win(self) -> None:
        """Bought, reserved or financing approved."""

    @transition(field=pipeline_stage, source=Stage.GANADO, target=Stage.REFERIDOS)
    def ask_referrals(self) -> None:
        """A happy client is asked whom they know."""

    @transition(field=pipeline_stage, source=OPEN_STAGES, target=Stage.PERDIDO)
    def lose(self) -> None:
        """Not viable or not interested."""

    @transition(field=pipeline_stage, source=Stage.PERDIDO, target=Stage.PERFILAMIENTO)
    def reopen(self) -> None:
        """Interested again."""

    @transition(field=pipeline_stage, source="+", target=RETURN_VALUE(*Stage.values))
    def correct(self, to: str) -> str:
        """A broker admin puts right what was wrong; `move_stage` asks for the reason and fires nothing."""
        return to
