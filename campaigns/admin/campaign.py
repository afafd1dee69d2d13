from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import TenantForm, who
from brokers.admin_verbs import HasVerbs
from campaigns.actions import SETTINGS, create_campaign, edit_campaign, save_steps
from campaigns.admin.measuring import comparison
from campaigns.admin.steps import StepFormSet, StepInline, checked_condition, condition_help
from campaigns.admin.verbs import VERBS
from campaigns.costs import spent, told_spent
from campaigns.models import Campaign, CampaignStatus
from leads.filters import LeadFilter

# So many enrolments are compared in a moment.
COMPARED_AT_ONCE = 100_000


class CampaignForm(TenantForm):
    def clean_trigger_condition(self) -> Mapping[str, Any]:
        return checked_condition(LeadFilter, self.cleaned_data["trigger_condition"], timezone.now())


@admin.register(Campaign)
class CampaignAdmin(HasVerbs):
    """Settings and steps are edited together; the life of a campaign moves by its buttons."""

    form = CampaignForm
    inlines = (StepInline,)
    verbs = VERBS
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("name", "description", "channel")}),
        (gettext_lazy("Whom it takes in"), {"fields": ("triggered_by", "trigger_condition", "max_contacts")}),
        (gettext_lazy("How often, how long"), {"fields": ("reentry_after_days", "exit_on_reply", "goal_stage")}),
        (gettext_lazy("Priority and measurement"), {"fields": ("priority", "holdout_percent")}),
    )
    standing = (
        gettext_lazy("Where it stands"),
        {
            "fields": (
                *("status", "version", "enrolled_count", "comparison", "sent_and_spent"),
                *("activated_at", "paused_at", "created_by", "created_at"),
            )
        },
    )
    readonly_fields = standing[1]["fields"]
    list_display = ("name", "channel", "status", "triggered_by", "enrolled_count", "priority", "activated_at")
    list_filter = ("status", "channel", "triggered_by")
    search_fields = ("name", "description")

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is None else [*fieldsets, self.standing]

    @admin.display(description=gettext_lazy("sent and spent"))
    def sent_and_spent(self, row: Campaign) -> str:
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in told_spent(spent(row))))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if "trigger_condition" in form.base_fields:
            form.base_fields["trigger_condition"].help_text = condition_help(LeadFilter)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        """The channel binds who is under way; what was activated keeps it."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return (*fields, "channel") if obj is not None and obj.activated_at else fields

    @admin.display(description=gettext_lazy("Treated beside held out"))
    def comparison(self, row: Campaign) -> str:
        """Read at once while that takes a moment only; there is a button for every campaign."""
        if not row.holdout_percent or row.activated_at is None:
            return _("Nobody is held out, so nobody knows what would have happened without this campaign.")
        if row.enrolled_count > COMPARED_AT_ONCE:
            return _("There are many; press “Compare”.")
        return format_html('<span class="answer">{}</span>', comparison(row, self.now()))

    def may_press(self, request: HttpRequest, row: Campaign) -> bool:
        return self.has_view_permission(request, row)

    # What ended is looked at only, and what was activated once is a record.

    def has_change_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        is_over = obj is not None and obj.status == CampaignStatus.COMPLETED
        return super().has_change_permission(request, obj) and not is_over

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        is_record = obj is not None and obj.activated_at is not None
        return self._is_admin(request) and not is_record

    def get_deleted_objects(self, objs: Iterable[Campaign], request: HttpRequest) -> Any:
        """A draft takes its steps with it."""
        campaigns = list(objs)
        is_lacking = any(not self.has_delete_permission(request, campaign) for campaign in campaigns)
        lacking = {self.opts.verbose_name} if is_lacking else set()
        return [str(row) for row in campaigns], {self.opts.verbose_name_plural: len(campaigns)}, lacking, []

    # Saving, by the verbs.

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        given = {name: value for name, value in form.cleaned_data.items() if name in SETTINGS}
        if change:
            changes = {name: value for name, value in given.items() if name in form.changed_data}
            edit_campaign(campaign=obj, now=self.now(), by=who(request), **changes)
        else:
            obj.pk = create_campaign(broker=obj.broker, now=self.now(), by=who(request), **given).pk

    def save_formset(self, request: HttpRequest, form: Any, formset: StepFormSet, change: bool) -> None:
        formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []
        if formset.has_changed():
            campaign = Campaign.objects.get(pk=form.instance.pk)
            save_steps(campaign=campaign, specs=formset.specs(), now=self.now(), by=who(request))
