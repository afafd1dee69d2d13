"""What happened to a lead: append-only rows, never changed, never deleted."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel, User
from leads.models.of_lead import OfLeadQuerySet
from leads.models.stage import Stage


class Cause(models.TextChoices):
    ARRIVAL = "arrival", _("arrival")
    AGENT = "agent", _("agent")
    AUTO = "auto", _("automatic")
    CAMPAIGN = "campaign", _("campaign")
    CALL = "call", _("call")
    IMPORT = "import", _("import")
    API = "api", _("API")
    CORRECTION = "correction", _("correction")
    MIGRATION = "migration", _("migration")


class LooseTenantModel(TenantModel):
    """A tenant row of a hot table: its broker is checked by `verify_ledger`, not by a constraint."""

    broker = models.ForeignKey(
        "brokers.Broker",
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("brokerage"),
    )

    class Meta:
        abstract = True


def loose_user(name: Any) -> models.ForeignKey:
    """A user in a row of a hot table, or nobody."""
    return models.ForeignKey(
        User,
        models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=name,
    )


class StageTransition(LooseTenantModel):
    """One move of a lead through the pipeline; `from_stage` is empty at birth."""

    lead = models.ForeignKey(
        "leads.Lead", models.CASCADE, related_name="transitions", db_index=False, verbose_name=_("lead")
    )
    from_stage = models.CharField(_("from"), max_length=30, choices=Stage.choices, blank=True)
    to_stage = models.CharField(_("to"), max_length=30, choices=Stage.choices)
    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(
        User,
        models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("by"),
    )
    cause = models.CharField(_("cause"), max_length=12, choices=Cause.choices)
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    objects = OfLeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("stage transition")
        verbose_name_plural = _("stage transitions")
        constraints = [
            models.CheckConstraint(condition=Q(to_stage__in=Stage.values), name="transition_stage_known"),
        ]
        indexes = [
            # A lead's history, and whether it reached a stage after its enrolment.
            models.Index(fields=["lead", "at"], name="idx_transition_lead"),
            # The stage trigger: what happened in a broker since the last pass.
            models.Index(fields=["broker", "at"], name="idx_transition_sweep"),
        ]

    def __str__(self) -> str:
        return f"{self.from_stage or '·'} → {self.to_stage}"


class ScoreChange(LooseTenantModel):
    """A change of a lead's score; `from_score` is null at birth."""

    lead = models.ForeignKey(
        "leads.Lead", models.CASCADE, related_name="score_changes", db_index=False, verbose_name=_("lead")
    )
    from_score = models.PositiveSmallIntegerField(_("from"), null=True)
    to_score = models.PositiveSmallIntegerField(_("to"))
    at = models.DateTimeField(_("at"))
    cause = models.CharField(_("cause"), max_length=12)

    objects = OfLeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("score change")
        verbose_name_plural = _("score changes")
        indexes = [
            # The sparkline of a lead.
            models.Index(fields=["lead", "at"], name="idx_score_lead"),
            # The score trigger: what happened in a broker since the last pass.
            models.Index(fields=["broker", "at"], name="idx_score_sweep"),
        ]

    def __str__(self) -> str:
        return f"{self.from_score} → {self.to_score}"


class ImportBatch(TenantModel):
    """One file that was imported."""

    file = models.CharField(_("file"), max_length=255)
    sha256 = models.CharField(max_length=64)
    counts = models.JSONField(_("counts"), default=dict)
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by"))
    at = models.DateTimeField(_("at"))
    finished_at = models.DateTimeField(_("finished at"), null=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        indexes = [models.Index(fields=["broker", "sha256"], name="idx_import_file")]  # was this file imported?

    def __str__(self) -> str:
        return self.file


class Inquiry(TenantModel):
    """What a lead asked for, each time they came, also when they were known already."""

    lead = models.ForeignKey("leads.Lead", models.CASCADE, related_name="inquiries", verbose_name=_("lead"))
    source = models.CharField(_("source"), max_length=100, blank=True)
    external_id = models.CharField(_("id at the source"), max_length=200, blank=True)
    property_ref = models.CharField(_("property"), max_length=200, blank=True)
    text = models.TextField(_("text"), blank=True)
    raw = models.JSONField(_("as it came"), default=dict, blank=True)
    digest = models.CharField(max_length=64, blank=True)
    import_batch = models.ForeignKey(
        ImportBatch, models.SET_NULL, null=True, related_name="+", db_index=False, verbose_name=_("import")
    )
    at = models.DateTimeField(_("at"))

    objects = OfLeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("inquiry")
        verbose_name_plural = _("inquiries")
        constraints = [
            models.UniqueConstraint(
                fields=["broker", "source", "external_id"], condition=~Q(external_id=""), name="inquiry_external_once"
            ),
            models.UniqueConstraint(
                fields=["broker", "digest"], condition=Q(external_id="") & ~Q(digest=""), name="inquiry_line_once"
            ),
        ]

    def __str__(self) -> str:
        return self.property_ref or self.source or f"#{self.pk}"


class AssignmentCause(models.TextChoices):
    """By which way an assignee changed."""

    ARRIVAL = "arrival", _("given with the new lead")
    PERSON = "person", _("by a person")
    RULE = "rule", _("by a rule")
    CLAIM = "claim", _("claimed")
    FALLBACK = "fallback", _("nobody claimed it")
    ESCALATION = "escalation", _("not contacted in time")
    MERGE = "merge", _("merged")
    MIGRATION = "migration", _("migration")


class Assignment(LooseTenantModel):
    """A change of a lead's assignee: from whom, to whom, and by which rule; a user who is null is nobody.

    Written by `leads.actions.assigning` only; the newest one, by id, says who has the lead.
    """

    lead = models.ForeignKey(
        "leads.Lead", models.CASCADE, related_name="assignments", db_index=False, verbose_name=_("lead")
    )
    from_user = loose_user(_("from whom"))
    to_user = loose_user(_("to whom"))
    by = loose_user(_("by"))
    cause = models.CharField(_("cause"), max_length=12, choices=AssignmentCause.choices)
    rule = models.CharField(_("rule"), max_length=100, blank=True)
    reason = models.CharField(_("why"), max_length=300, blank=True)
    at = models.DateTimeField(_("at"))

    objects = OfLeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        indexes = [
            # A lead's history, and its newest assignment.
            models.Index(fields=["lead", "id"], name="idx_assignment_lead"),
        ]

    def __str__(self) -> str:
        return f"{self.from_user or '·'} → {self.to_user or '·'}"
