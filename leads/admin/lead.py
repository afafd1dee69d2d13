from collections.abc import Iterable
from contextlib import suppress
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from brokers.admin_base import TenantForm, who
from brokers.refusal import Refused
from leads.actions import EDITABLE, create_lead, delete_lead, edit_lead
from leads.admin.assign import AssignmentInline, AssignsLeads
from leads.admin.consent import CONSENT_VERBS, history_table, standing_table
from leads.admin.duplicates import MergesLeads
from leads.admin.move import MovesLeads
from leads.admin.sparkline import sparkline
from leads.admin.timeline import ShowsTimeline
from leads.admin.vocabulary import VOCABULARY, PriorityFilter
from leads.explaining import Part, explain_score
from leads.filters import TextListField
from leads.models import Appointment, Lead
from leads.priority import priority_of
from leads.qualification import qualify_lead
from leads.scoring import ScoreFacts


class TagsField(TextListField):
    """Tags as people write them: one after the other, with commas."""

    widget = forms.TextInput(attrs={"class": "vTextField"})

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


class LeadForm(TenantForm):
    refusal_fields = {"agent_inactive": "assigned_to"}
    tags = TagsField(label=_("Tags"), required=False, help_text=_("With commas between them"))

    def _get_validation_exclusions(self) -> set[str]:
        """A phone is stored in one form only; the verb brings what was typed into it, or refuses it."""
        return super()._get_validation_exclusions() | {"phone"}

    def clean_metadata(self) -> dict[str, Any]:
        said = self.cleaned_data["metadata"] or {}
        if not isinstance(said, dict):
            raise forms.ValidationError(_('Use an object such as {"timeline": "3 months"}.'))
        return said


def _of(part: Part) -> str:
    return _(" of %(most)d") % {"most": part.most} if part.most else ""


WHO = (
    _("Person"),
    {"fields": ("name", "phone", "email", "telegram_chat_id", "language", "timezone")},
)
CARE = (None, {"fields": ("treatment_type", "assigned_to")})
STANDING = (
    _("Where they stand"),
    {
        "fields": (
            "pipeline_stage",
            "stage_entered_at",
            "status",
            "lead_score",
            "score_course",
            "why_score",
            "qualification",
            "why_qualification",
            "priority",
            "next_action_at",
            "treatment_type",
            "assigned_to",
        )
    },
)
SAID = (
    _("What is known"),
    {
        "fields": (
            "location",
            "budget_amount",
            "income_amount",
            "debt_amount",
            "dicom_status",
            "source",
            "tags",
            "metadata",
            "notes",
        )
    },
)
PERMISSIONS = (_("What may be sent"), {"fields": ("what_may_be_sent", "what_was_said")})
FACTS = (
    _("Moments and counts"),
    {
        "classes": ("collapse",),
        "fields": (
            "created_at",
            "updated_at",
            "last_activity_at",
            "last_inbound_at",
            "last_contacted_at",
            "last_answered_at",
            "first_touched_at",
            "last_inquiry_at",
            "opted_out_at",
            "unreachable",
            "inbound_count",
            "quick_reply_count",
            "long_call_count",
            "booking_count",
            "call_score",
            "field_sources",
            "import_batch",
        ),
    },
)


class LeadAdmin(MovesLeads, AssignsLeads, MergesLeads, ShowsTimeline):
    """Writes through the verbs only, so that score, sources and history are right whoever edits.

    Registered by messaging.admin: people write to leads from their pages.
    """

    form = LeadForm
    can_delete = True
    verbs = CONSENT_VERBS
    fieldsets: ClassVar[Any] = (WHO, STANDING, SAID, PERMISSIONS, FACTS)
    readonly_fields = tuple(
        name for _title, options in (STANDING, PERMISSIONS, FACTS) for name in options["fields"] if name not in EDITABLE
    )
    list_display = (
        "__str__",
        "phone",
        "email",
        "pipeline_stage",
        "status",
        "lead_score",
        "priority",
        "treatment_type",
        "assigned_to",
        "next_action_at",
        "last_activity_at",
    )
    list_filter = (PriorityFilter, *VOCABULARY, "assigned_to")
    list_select_related = ("assigned_to",)
    search_fields = ("name", "phone", "email")
    actions = ("assign_chosen", "move_chosen")
    inlines = (AssignmentInline,)
    change_form_template = "admin/leads/lead/change_form.html"
    change_list_template = "admin/leads/lead/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lead]:
        return super().get_queryset(request).present().with_priority()  # type: ignore[attr-defined]

    @admin.display(description=_("priority"), ordering="priority")
    def priority(self, lead: Lead) -> str:
        return str(priority_of(lead).label)

    @admin.display(description=_("how the score went"))
    def score_course(self, lead: Lead) -> SafeString | str:
        return sparkline(lead)

    @admin.display(description=_("why this score"))
    def why_score(self, lead: Lead) -> str:
        """A line for each part; as of now, while the stored score is as of its last change."""
        parts = explain_score(ScoreFacts.of(lead), lead.broker.rules.score, self.now())
        lines = ((f"{part.points:+d}" if part.points else "0", _of(part), part.label, part.why) for part in parts)
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}{} – {}: {}</li>", lines))

    @admin.display(description=_("why this qualification"))
    def why_qualification(self, lead: Lead) -> str:
        return " ".join(qualify_lead(lead, lead.broker.rules.qualification).sentences())

    def get_fieldsets(self, request: HttpRequest, obj: Lead | None = None) -> Any:
        """A new lead stands nowhere yet, and nothing has happened to it."""
        if obj is not None:
            return super().get_fieldsets(request, obj)
        shown = [WHO, CARE, SAID]
        if self._shows_broker(request):
            shown.insert(0, (None, {"fields": ("broker",)}))
        return shown

    def save_model(self, request: HttpRequest, obj: Lead, form: Any, change: bool) -> None:
        values = {name: value for name, value in form.cleaned_data.items() if name in EDITABLE}
        if change:
            changes = {name: value for name, value in values.items() if name in form.changed_data}
            edit_lead(lead=obj, now=self.now(), by=who(request), **changes)
            return
        known = {name: value for name, value in values.items() if value not in form.fields[name].empty_values}
        obj.pk = create_lead(broker=obj.broker, now=self.now(), by=who(request), **known).pk

    @admin.display(description=_("now"))
    def what_may_be_sent(self, row: Lead) -> SafeString:
        return standing_table(row)

    @admin.display(description=_("what was said, the newest first"))
    def what_was_said(self, row: Lead) -> SafeString:
        return history_table(row)

    def get_inlines(self, request: HttpRequest, obj: Lead | None) -> Any:
        return super().get_inlines(request, obj) if obj is not None else ()

    # A lead leaves the lists; its rows stay.

    def get_deleted_objects(self, objs: Iterable[Lead], request: HttpRequest) -> Any:
        leads = list(objs)
        meetings = Appointment.objects.live().filter(lead__in=leads, starts_at__gt=self.now()).count()
        counts = {self.opts.verbose_name_plural: len(leads)}
        if meetings:
            counts[_("meetings that are called off without telling the lead")] = meetings
        return [str(lead) for lead in leads], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Lead) -> None:
        delete_lead(lead=obj, now=self.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> None:
        for lead in queryset:
            with suppress(Refused):  # somebody else deleted it meanwhile
                delete_lead(lead=lead, now=self.now())
