"""Leads who turned out to be one person, and those who did not."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel, User
from leads.models.of_lead import OfLeadQuerySet


class MergeRecord(TenantModel):
    """One merge: `gone` became part of `into`. It keeps what moved and the values before, by which it can be undone.

    `moved` has the ids of rows by table, `before` what was changed: each room's own words.
    """

    into = models.ForeignKey("leads.Lead", models.CASCADE, related_name="merges", verbose_name=_("kept"))
    gone = models.ForeignKey(
        "leads.Lead", models.CASCADE, related_name="merges_away", db_index=False, verbose_name=_("merged into it")
    )
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by"))
    at = models.DateTimeField(_("at"))
    moved = models.JSONField(_("what moved"), default=dict)
    before = models.JSONField(_("what was before"), default=dict, encoder=DjangoJSONEncoder)
    undone_at = models.DateTimeField(_("undone at"), null=True)
    undone_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("undone by")
    )

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        constraints = [
            models.UniqueConstraint(fields=["gone"], condition=Q(undone_at=None), name="merge_gone_once"),
            models.CheckConstraint(condition=~Q(into=F("gone")), name="merge_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.gone} → {self.into}"


class OtherAddress(TenantModel):
    """An address by which a lead is known besides those in its own columns: of one that was merged into it."""

    lead = models.ForeignKey("leads.Lead", models.CASCADE, related_name="other_addresses", verbose_name=_("lead"))
    kind = models.CharField(
        _("kind"),
        max_length=20,
        choices=[("phone", _("phone")), ("email", _("e-mail")), ("telegram_chat_id", _("Telegram chat"))],
    )
    address = models.CharField(_("address"), max_length=254)

    objects = OfLeadQuerySet.as_manager()

    class Meta:
        verbose_name = _("other address")
        verbose_name_plural = _("other addresses")
        constraints = [
            # Broker first: it also finds whose address it is, for inbound messages and imports.
            models.UniqueConstraint(fields=["broker", "kind", "address", "lead"], name="other_address_once"),
        ]

    def __str__(self) -> str:
        return self.address


class NotDuplicate(TenantModel):
    """Two leads of whom a person said that they are two; they are not listed as possible duplicates again."""

    first = models.ForeignKey(
        "leads.Lead", models.CASCADE, related_name="+", db_index=False, verbose_name=_("one lead")
    )
    second = models.ForeignKey("leads.Lead", models.CASCADE, related_name="+", verbose_name=_("other lead"))
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by"))
    at = models.DateTimeField(_("at"))

    class Meta:
        verbose_name = _("no duplicates")
        verbose_name_plural = _("no duplicates")
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="not_duplicate_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="not_duplicate_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.first} ≠ {self.second}"
