from typing import Any, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from brokers.models import TenantModel
from leads.models.of_lead import OfLeadQuerySet


class PermissionKind(models.TextChoices):
    GRANTED = "granted", _("granted")
    REVOKED = "revoked", _("revoked")


class PermissionPurpose(models.TextChoices):
    MARKETING = "marketing", _("marketing")
    ALL = "all", _("everything")


class PermissionQuerySet(OfLeadQuerySet):
    def real(self) -> Self:
        """Without what somebody played on the sandbox, which binds there only."""
        return self.exclude(evidence__contains={"sandbox": True})

    def about(self, lead: Any, *more: str) -> Self:
        """What the lead said, and what was said of its addresses or of `more`."""
        addresses = {lead.phone, lead.email, lead.telegram_chat_id, *more} - {""}
        return self.filter(Q(lead=lead.pk) | Q(address__in=addresses), broker=lead.broker_id)

    def binding(self, lead: Any, *more: str) -> Self:
        """The same, by which a lead has opted out or not: what others played for its addresses binds on the sandbox
        only."""
        return self.about(lead, *more).filter(Q(lead=lead.pk) | ~Q(evidence__contains={"sandbox": True}))

    def standing(self) -> Self:
        """Addresses whose permission is taken back, each with the rule that does it: nothing newer was said that covers
        the same channel and purpose."""
        newer = (
            ContactPermission.objects.real()
            .filter(
                Q(at__gt=OuterRef("at")) | Q(at=OuterRef("at"), id__gt=OuterRef("id")),
                Q(channel=OuterRef("channel")) | Q(channel=ContactPermission.ANY_CHANNEL),
                Q(purpose=OuterRef("purpose")) | Q(purpose=PermissionPurpose.ALL),
                broker=OuterRef("broker"),
                address=OuterRef("address"),
            )
            .exclude(address="")
        )
        revoked = self.real().filter(kind=PermissionKind.REVOKED).exclude(address="")
        return revoked.filter(~Exists(newer))


class ContactPermission(TenantModel):
    """A permission given or taken back: append-only, and it outlives the lead because it belongs to the address.

    Without a lead it stands on the broker's suppression list. The newest among the rules for the channel and `*`
    decides.
    """

    ANY_CHANNEL = "*"

    lead = models.ForeignKey(
        "leads.Lead", models.SET_NULL, null=True, blank=True, related_name="permissions", verbose_name=_("lead")
    )
    address = models.CharField(_("address"), max_length=254, blank=True)
    channel = models.CharField(_("channel"), max_length=10, default=ANY_CHANNEL, help_text=_("* is every channel"))
    kind = models.CharField(_("kind"), max_length=10, choices=PermissionKind.choices)
    purpose = models.CharField(
        _("purpose"), max_length=10, choices=PermissionPurpose.choices, default=PermissionPurpose.MARKETING
    )
    source = models.CharField(_("source"), max_length=60)
    wording = models.TextField(_("wording"), blank=True)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    at = models.DateTimeField(_("at"))

    objects = PermissionQuerySet.as_manager()

    class Meta:
        verbose_name = _("contact permission")
        verbose_name_plural = _("contact permissions")
        constraints = [
            models.CheckConstraint(
                condition=Q(lead__isnull=False) | ~Q(address=""),
                name="permission_of_lead_or_address",
                violation_error_message=_("A permission belongs to a lead or to an address."),
            )
        ]
        indexes = [
            # The policy's look-up by address.
            models.Index(fields=["broker", "address"], condition=~Q(address=""), name="idx_permission_address"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.channel} {self.purpose}"


class Suppression(ContactPermission):
    """The same rows, looked at as the broker's list of those who are not to be contacted."""

    class Meta:
        proxy = True
        verbose_name = _("suppressed address")
        verbose_name_plural = _("suppressed addresses")

    def __str__(self) -> str:
        return self.address
