"""The steps of a campaign, edited inline and saved as one whole set."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from brokers.admin_base import FORM_FIELDS, ScopedChoices, refuse_foreign_choices
from brokers.refusal import Refused
from campaigns.filters import StepFilter
from campaigns.models import CampaignStep
from leads.filters import LeadFilter

SPEC_FIELDS = (
    "action",
    "delay_hours",
    "conditions",
    "message_template",
    "target_stage",
    "channel",
    "fallback_channel",
    "fallback_template",
)


def checked_condition(vocabulary: type[LeadFilter], data: Any, now: datetime) -> Mapping[str, Any]:
    """A condition as it was given. Raises ValidationError with a line for each thing that is wrong."""
    try:
        vocabulary.checked(data or {}, now=now)
    except Refused as refusal:
        raise forms.ValidationError(refusal.faults or [str(refusal)]) from refusal
    return data or {}


def condition_help(vocabulary: type[LeadFilter]) -> Any:
    names = ", ".join(vocabulary.base_filters)
    return _('A JSON object such as {"score_min": 40}. Known are: %(names)s') % {"names": names}


class StepForm(forms.ModelForm):
    """`step_number` is the place where a step is wanted; the set is numbered anew, without gaps."""

    step_number = forms.IntegerField(
        label=_("Step"), required=False, min_value=1, widget=forms.NumberInput(attrs={"class": "vIntegerField"})
    )

    def clean_conditions(self) -> Mapping[str, Any]:
        return checked_condition(StepFilter, self.cleaned_data["conditions"], timezone.now())

    def spec(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in SPEC_FIELDS}

    def place(self) -> tuple[float, int]:
        """Sorts a step by its number; one that was put on another's number pushes that one aside."""
        wanted, before = self.cleaned_data.get("step_number"), self.initial.get("step_number")
        if wanted is None:
            return float("inf"), 0
        if before is None or wanted < before:
            return wanted, -1
        return wanted, int(wanted > before)


class StepFormSet(BaseInlineFormSet):
    @cached_property
    def template_choices(self) -> list[tuple[Any, str]]:
        """Read once for all steps: the templates of the campaign's brokerage."""
        field: Any = self.form.base_fields["message_template"]
        templates = field.queryset
        if self.instance.broker_id:
            templates = templates.filter(broker=self.instance.broker_id)
        return [("", "---------"), *((row.pk, str(row)) for row in templates)]

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        for name in ("message_template", "fallback_template"):
            if name in form.fields:
                form.fields[name].choices = self.template_choices

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            if hasattr(form, "cleaned_data"):
                refuse_foreign_choices(form, self.instance.broker_id)

    def specs(self) -> list[dict[str, Any]]:
        """The steps that remain, in their order, as `save_steps` takes them."""
        kept: list[Any] = [form for form in self.forms if form not in self.deleted_forms and self._is_step(form)]
        places = sorted((form.place(), index) for index, form in enumerate(kept))
        return [kept[index].spec() for _place, index in places]

    def _is_step(self, form: Any) -> bool:
        return bool(form.instance.pk) or form.has_changed()


class StepInline(ScopedChoices, admin.StackedInline):
    """The steps of the campaign's current version."""

    model = CampaignStep
    form = StepForm
    formset = StepFormSet
    extra = 0
    formfield_overrides = FORM_FIELDS
    ordering = ("step_number",)
    fields = (
        ("step_number", "action", "delay_hours"),
        ("message_template", "channel", "target_stage"),
        ("fallback_channel", "fallback_template"),
        "conditions",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CampaignStep]:
        return super().get_queryset(request).filter(version=F("campaign__version"))

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        if "conditions" in formset.form.base_fields:
            formset.form.base_fields["conditions"].help_text = condition_help(StepFilter)
        return formset

    # Whoever may see or change the campaign may see or change its steps; the campaign's page decides.

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    has_delete_permission = has_change_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True
