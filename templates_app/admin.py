from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import TenantAdmin, visible_rows
from brokers.refusal import Refused
from leads.models import Lead, Task
from templates_app.models import MessageTemplate
from templates_app.preview import Preview, preview


class LeadChoiceForm(forms.Form):
    """A lead of one brokerage. The search answers as it does for any other row that points at a lead."""

    lead = forms.ModelChoiceField(label=gettext_lazy("Lead"), queryset=Lead.objects.none())

    def __init__(self, *args: Any, leads: Any, site: admin.AdminSite, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["lead"]
        field.queryset = leads
        field.widget = AutocompleteSelect(Task._meta.get_field("lead"), site)
        field.widget.choices = field.choices


@admin.register(MessageTemplate)
class MessageTemplateAdmin(TenantAdmin):
    """Templates are switched off, never deleted: the messages that were sent name them."""

    derived = ("variables", "updated_at")
    fields = (
        "name",
        "channel",
        "language",
        "purpose",
        "agent_type",
        "subject",
        "content",
        "variables",
        "provider_template_id",
        "is_active",
        "updated_at",
    )
    readonly_fields = ("variables", "updated_at")
    list_display = ("name", "channel", "language", "purpose", "agent_type", "is_active", "updated_at")
    list_filter = ("channel", "language", "purpose", "agent_type", "is_active")
    search_fields = ("name", "subject", "content")
    ordering = ("name", "language", "id")
    change_form_template = "admin/templates_app/messagetemplate/change_form.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.preview_view)
        name = "templates_app_messagetemplate_preview"
        return [path("<path:object_id>/preview/", view, name=name), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: MessageTemplate, form: Any, change: bool) -> None:
        obj.updated_at = self.now()
        super().save_model(request, obj, form, change)

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        template = self.row_or_404(request, object_id)
        leads: Any = visible_rows(self.admin_site, Lead, request).filter(broker=template.broker_id)
        chosen = request.GET if "lead" in request.GET else None
        form = LeadChoiceForm(chosen, leads=leads, site=self.admin_site)
        shown = self._shown(template, form) if form.is_bound and form.is_valid() else None
        return self.verb_page(
            request,
            title=_("Preview"),
            form=form,
            row=template,
            method="get",
            template="admin/templates_app/messagetemplate/preview.html",
            shown=shown,
            lead=form.cleaned_data["lead"] if shown else None,
        )

    def _shown(self, template: MessageTemplate, form: LeadChoiceForm) -> Preview | None:
        try:
            return preview(template=template, lead=form.cleaned_data["lead"], now=self.now())
        except Refused as refusal:
            for fault in refusal.faults or [str(refusal)]:
                form.add_error("lead", fault)
            return None
