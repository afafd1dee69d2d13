"""Giving the chosen leads to agents from the admin, and their history on a lead's page."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from brokers.admin_base import HistoryInline, TenantAdmin, visible_rows, who
from brokers.models import User
from brokers.refusal import Refused
from leads.actions import assign_leads
from leads.models import Assignment, Lead

MOST_AT_ONCE = 10_000
SHOWN = 20


class AssignForm(forms.Form):
    agents = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Agents"),
        queryset=User.objects.none(),
        help_text=gettext_lazy("Several share the leads evenly."),
    )
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200, required=False)


class AssignmentInline(HistoryInline):
    model = Assignment
    fields = ("at", "from_user", "to_user", "cause", "rule", "reason", "by")
    readonly_fields = fields
    verbose_name_plural = gettext_lazy("Who had this lead")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assignment]:
        return super().get_queryset(request).select_related("from_user", "to_user", "by")


class AssignsLeads(TenantAdmin):
    """The part of LeadAdmin that gives leads to agents."""

    @admin.action(description=gettext_lazy("Assign to agents"), permissions=["change"])
    def assign_chosen(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        form = AssignForm(request.POST if "agents" in request.POST or "reason" in request.POST else None)
        form.fields["agents"].queryset = visible_rows(self.admin_site, User, request).filter(is_active=True)  # type: ignore[attr-defined]
        ids = list(queryset.order_by("id").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(ids) > MOST_AT_ONCE:
            message = _("Choose %(most)d leads at most.") % {"most": MOST_AT_ONCE}
            self.message_user(request, message, messages.ERROR)
            return None
        if form.is_bound and form.is_valid() and self._assigned(request, form, ids):
            return None
        across = request.POST.get("select_across", "0")
        chosen = request.POST.getlist("_selected_action") or [str(pk) for pk in ids]
        hidden = [("action", "assign_chosen"), ("select_across", across), *(("_selected_action", pk) for pk in chosen)]
        lines = [str(lead) for lead in queryset.order_by("id")[:SHOWN]]
        if len(ids) > SHOWN:
            lines.append(f"… +{len(ids) - SHOWN}")
        return self.verb_page(request, title=_("Assign to agents"), form=form, hidden=hidden, lines=lines)

    def _assigned(self, request: HttpRequest, form: AssignForm, ids: list[int]) -> bool:
        given: dict[str, Any] = form.cleaned_data
        leads = Lead.objects.filter(pk__in=ids)
        try:
            count = assign_leads(
                leads=leads,
                agents=list(given["agents"]),
                now=self.now(),
                reason=given["reason"],
                by=who(request),
            )
        except Refused as refusal:
            form.add_error("agents", str(refusal))
            return False
        done = ngettext("%(count)d lead was assigned.", "%(count)d leads were assigned.", count) % {"count": count}
        self.message_user(request, done, messages.SUCCESS)
        return True
