"""List filters that speak LeadFilter's vocabulary: the names of the API, of triggers and of conditions."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from brokers.refusal import Refused
from leads.filters import LeadFilter
from leads.models import Qualification, Stage, Status, Treatment
from leads.priority import Priority

Choices = Sequence[tuple[Any, Any]]
YES_NO: Choices = (("true", _("Yes")), ("false", _("No")))


class VocabularyFilter(admin.SimpleListFilter):
    """One condition, with the values that are worth a click; others may be written into the address."""

    offered: Choices

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[Any, Any]]:
        return [(str(value), label) for value, label in self.offered]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        try:
            return LeadFilter.apply(queryset, {str(self.parameter_name): self.value()}, now=timezone.now())
        except Refused as refusal:
            raise IncorrectLookupParameters(str(refusal)) from refusal


class PriorityFilter(admin.SimpleListFilter):
    """Whom to turn to first."""

    title = _("priority")
    parameter_name = "priority"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, Any]]:
        return [(str(value), label) for value, label in Priority.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        known = {str(value) for value in Priority.values}
        return queryset.filter(priority=int(str(self.value()))) if self.value() in known else queryset


def _filter(key: str, offered: Choices) -> type[VocabularyFilter]:
    attributes: dict[str, Any] = {
        "parameter_name": key,
        "title": LeadFilter.base_filters[key].label,
        "offered": offered,
    }
    return type(f"{key}_filter", (VocabularyFilter,), attributes)


def _numbers(*values: int) -> Choices:
    return [(value, value) for value in values]


VOCABULARY = (
    _filter("stage", Stage.choices),
    _filter("status", Status.choices),
    _filter("qualification", Qualification.choices),
    _filter("treatment", Treatment.choices),
    _filter("score_min", _numbers(20, 40, 60, 80)),
    _filter("inactivity_days", _numbers(7, 14, 30, 60, 90)),
    _filter("in_stage_days", _numbers(7, 14, 30, 60, 90)),
    _filter("never_contacted", YES_NO),
    _filter("has_email", YES_NO),
    _filter("has_phone", YES_NO),
    _filter("has_telegram", YES_NO),
)
