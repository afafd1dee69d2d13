"""Who gets which lead: rules in order, their agents, working hours and absences."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import HistoryAdmin, ScopedChoices, TenantAdmin, TenantForm, refuse_foreign_choices
from brokers.admin_verbs import HasVerbs, Verb
from brokers.models import User
from brokers.refusal import Refused
from brokers.rules import WEEKDAYS
from leads.actions.routing import change_seats, preview_routing, routing_settings, why
from leads.admin.week import WeekForm
from leads.filters import LeadFilter, TextListClause
from leads.models import (
    Absence,
    Lead,
    Notice,
    Offer,
    RoutingAgent,
    RoutingRule,
    RoutingSettings,
    SpeedClock,
    WorkingHours,
)
from leads.routing import Decision, Given, Offered

PREVIEWED = 20
# What a rule asks of a lead, by the names of LeadFilter; the form has a text for each.
ASKED = (
    "location_any",
    "property_type",
    "budget_min",
    "budget_max",
    "source",
    "language",
    "tags_any",
    "score_min",
    "score_max",
)
EXAMPLES = {
    "location_any": "Ñuñoa, Providencia",
    "property_type": "departamento, casa",
    "budget_min": "100000000",
    "budget_max": "250000000",
    "source": "portal, web",
    "language": "es",
    "tags_any": "vip",
    "score_min": "40",
    "score_max": "100",
}


def condition_field(key: str) -> forms.CharField:
    shape = forms.TextInput(attrs={"class": "vTextField", "placeholder": EXAMPLES[key]})
    return forms.CharField(label=capfirst(LeadFilter.base_filters[key].label), required=False, widget=shape)


class RuleForm(TenantForm):
    """Each condition is a field; what a rule asks beyond them (by another door) stays as it is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for key in ASKED:
            said = self.instance.conditions.get(key)
            if key in self.fields:
                self.fields[key].initial = ", ".join(said) if isinstance(said, list) else said

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if any(key in self.changed_data for key in ASKED):
            self.instance.conditions = self._checked(given)
        return given

    def _checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        beyond = {key: value for key, value in self.instance.conditions.items() if key not in ASKED}
        asked = beyond | {key: given[key] for key in ASKED if given.get(key)}
        try:
            conditions = LeadFilter.canonical(_lists(asked), now=timezone.now())
        except Refused as refusal:
            for fault in refusal.faults:
                self.add_error(self._field_of(fault, ""), fault)
            return self.instance.conditions
        for low, high in (("budget_min", "budget_max"), ("score_min", "score_max")):
            if low in conditions and high in conditions and float(conditions[low]) > float(conditions[high]):
                fault = _("%(low)s=%(least)s is more than %(high)s=%(most)s: no lead can be both")
                words = {"low": low, "least": conditions[low], "high": high, "most": conditions[high]}
                self.add_error(low, fault % words)
        return conditions


for _key in ASKED:
    RuleForm.base_fields[_key] = RuleForm.declared_fields[_key] = condition_field(_key)


def _lists(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Texts with commas as the lists in which they are stored."""
    return {
        key: _split(value) if isinstance(LeadFilter.base_filters[key], TextListClause) else value
        for key, value in asked.items()
    }


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class SeatFormSet(BaseInlineFormSet):
    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            if hasattr(form, "cleaned_data"):
                refuse_foreign_choices(form, self.instance.broker_id)


class SeatInline(ScopedChoices, admin.TabularInline):
    model = RoutingAgent
    formset = SeatFormSet
    fields = ("agent", "weight", "max_open")
    extra = 0

    # Whoever may see or change the rule may see or change its agents; the rule's page decides.

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    has_delete_permission = has_change_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "agent":
            field.queryset = field.queryset.filter(broker__isnull=False)
        return field


def preview(rule: RoutingRule, form: Any, now: datetime, by: User) -> str:
    """The newest leads, as if they arrived now, by all active rules and this one."""
    settings = routing_settings(rule.broker)
    newest = Lead.objects.present().filter(broker=rule.broker).select_related("broker").order_by("-id")[:PREVIEWED]
    leads = list(newest)
    if not leads:
        return _("There is no lead yet. Take one in, and see here who would get it.")
    decisions = preview_routing(settings=settings, leads=leads, now=now, also=rule)
    first = _("Who would get the newest leads if they arrived now; nothing is changed.")
    return "\n".join([first, "", *(_line(lead, decisions[lead.pk]) for lead in leads)])


def _line(lead: Lead, decision: Decision) -> str:
    who = _("nobody")
    if isinstance(decision, Given):
        who = decision.agent.name
    elif isinstance(decision, Offered):
        who = _("offered to %(agents)s") % {"agents": ", ".join(agent.name for agent in decision.agents)}
    rule = decision.rule.name if decision.rule else ""
    known = ", ".join(part for part in (lead.location, str(lead.metadata.get("budget", ""))) if part)
    about = f"{lead} ({known})" if known else str(lead)
    told = f"[{rule}: {why(decision)}]" if rule else f"[{why(decision)}]"
    return f"{about} → {who} {told}"


VERBS = (Verb(name="preview", title=gettext_lazy("Who would get these leads?"), run=preview, is_question=True),)


@admin.register(RoutingRule)
class RoutingRuleAdmin(HasVerbs):
    form = RuleForm
    inlines = (SeatInline,)
    verbs = VERBS
    born = "created_at"
    derived = ("conditions",)
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("name", "position", "is_active")}),
        (
            gettext_lazy("Which leads"),
            {
                "fields": ASKED,
                "description": gettext_lazy("All of these must hold; an empty one asks nothing. Commas mean or."),
            },
        ),
        (gettext_lazy("Who gets them"), {"fields": ("strategy", "claim_minutes", "fallback")}),
        (gettext_lazy("Who is passed over"), {"fields": ("at_work_only", "if_nobody")}),
    )
    list_display = ("name", "position", "is_active", "strategy", "if_nobody")
    list_filter = ("is_active", "strategy")
    search_fields = ("name",)
    ordering = ("position", "id")

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        seats = formset.save(commit=False)
        if formset.has_changed() or "strategy" in form.changed_data:
            change_seats(rule=form.instance, seats=seats, gone=formset.deleted_objects)


class SettingsForm(WeekForm):
    hours_field = "business_hours"


@admin.register(RoutingSettings)
class RoutingSettingsAdmin(TenantAdmin):
    """One row a brokerage."""

    form = SettingsForm
    derived = ("business_hours",)
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("default_agent",)}),
        (gettext_lazy("Business hours"), {"fields": (*WEEKDAYS, "closed_on_holidays")}),
        (gettext_lazy("Speed to lead"), {"fields": ("touch_within_minutes", "reassigns")}),
    )
    list_display = ("__str__", "default_agent", "touch_within_minutes", "reassigns")
    list_select_related = ("broker", "default_agent")

    def has_add_permission(self, request: HttpRequest) -> bool:
        can = super().has_add_permission(request)
        return can and (request.user.is_superuser or not self.get_queryset(request).exists())


class HoursForm(WeekForm):
    hours_field = "hours"


@admin.register(WorkingHours)
class WorkingHoursAdmin(TenantAdmin):
    form = HoursForm
    derived = ("hours",)
    can_delete = True
    fieldsets: ClassVar[Any] = (
        (
            None,
            {
                "fields": ("agent", *WEEKDAYS),
                "description": gettext_lazy("Whoever has none works in the business hours of the brokerage."),
            },
        ),
    )
    list_display = ("agent", "hours")
    list_select_related = ("agent",)
    search_fields = ("agent__username", "agent__first_name", "agent__last_name")


@admin.register(Absence)
class AbsenceAdmin(TenantAdmin):
    can_delete = True
    fieldsets: ClassVar[Any] = ((None, {"fields": ("agent", "starts_at", "ends_at", "reason")}),)
    list_display = ("agent", "starts_at", "ends_at", "reason")
    list_filter = ("agent",)
    list_select_related = ("agent",)
    search_fields = ("agent__username", "agent__first_name", "agent__last_name", "reason")


@admin.register(RoutingAgent)
class RoutingAgentAdmin(HistoryAdmin):
    hidden = ("lag",)
    list_display = ("rule", "agent", "weight", "max_open")
    list_select_related = ("rule", "agent")


@admin.register(Offer)
class OfferAdmin(HistoryAdmin):
    list_display = ("lead", "agent", "rule", "offered_at", "expires_at", "outcome", "closed_at")
    list_filter = ("outcome", "agent")
    list_select_related = ("lead", "agent", "rule")
    search_fields = ("lead__name", "lead__phone", "lead__email")


@admin.register(SpeedClock)
class SpeedClockAdmin(HistoryAdmin):
    list_display = ("lead", "started_at", "due_at", "outcome", "ended_at")
    list_filter = ("outcome",)
    list_select_related = ("lead",)
    search_fields = ("lead__name", "lead__phone", "lead__email")


@admin.register(Notice)
class NoticeAdmin(HistoryAdmin):
    hidden = ("key",)
    list_display = ("subject", "user", "created_at", "sent_at", "attempts", "error")
    list_select_related = ("user",)
    search_fields = ("subject", "user__username")
