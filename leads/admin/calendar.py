"""When agents can be booked: one page an agent, with their hours and the address of their feed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import combinations
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import HistoryAdmin, ScopedChoices, TenantForm
from brokers.admin_verbs import HasVerbs, Verb
from brokers.models import User
from leads.actions import renew_feed, revoke_feed
from leads.links import feed_url
from leads.models import Availability, Calendar


class HoursForm(forms.ModelForm):
    """Two times in order, said by field, value and what is allowed."""

    both = ("opens", "closes")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        first, second = (given.get(name) for name in self.both)
        if (first is None) != (second is None) and not self.errors:
            missing = self.both[first is not None]
            self.add_error(missing, _("%(field)s is missing; give both, or neither") % {"field": self._label(missing)})
        if first is not None and second is not None and first >= second:
            says = _("%(field)s=%(value)s is not allowed; use one after %(first)s")
            values = {"field": self._label(self.both[1]), "value": _shown(second), "first": _shown(first)}
            self.add_error(self.both[1], says % values)
        return given

    def _label(self, name: str) -> str:
        return str(self.fields[name].label).lower()


class WeeklyForm(HoursForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("weekday", "opens", "closes"):
            self.fields[name].required = True


class DateForm(HoursForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["on"].required = True


class BlockForm(HoursForm):
    both = ("starts_at", "ends_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.both:
            self.fields[name].required = True


def _shown(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else f"{value:%H:%M}"


class HoursFormSet(BaseInlineFormSet):
    """Rows of one kind; those of one day must not overlap."""

    kind: ClassVar[str]
    day: ClassVar[str] = ""

    def clean(self) -> None:
        super().clean()
        days: dict[Any, list[forms.ModelForm]] = defaultdict(list)
        for form in self._kept():
            days[form.cleaned_data.get(self.day)].append(form)
        for rows in days.values() if self.day else ():
            for one, other in combinations(rows, 2):
                if _overlap(one.cleaned_data, other.cleaned_data):
                    values = {"value": _times(other), "other": _times(one)}
                    says = _("%(value)s is not allowed: it overlaps with %(other)s of the same day")
                    other.add_error("opens", says % values)

    def save_new(self, form: Any, commit: bool = True) -> Any:
        form.instance.broker_id, form.instance.kind = self.instance.broker_id, self.kind
        return super().save_new(form, commit=commit)

    def _kept(self) -> Iterator[forms.ModelForm]:
        for form in self.forms:
            if form.is_valid() and form.cleaned_data and not form.cleaned_data.get("DELETE"):
                yield form


def _overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """A row without times closes its day, so no other may stand beside it."""
    if one.get("opens") is None or other.get("opens") is None:
        return True
    return one["opens"] < other["closes"] and other["opens"] < one["closes"]


def _times(form: forms.ModelForm) -> str:
    opens, closes = form.cleaned_data.get("opens"), form.cleaned_data.get("closes")
    return f"{opens:%H:%M}–{closes:%H:%M}" if opens and closes else str(_("no hours"))


class WeeklyFormSet(HoursFormSet):
    kind, day = Availability.WEEKLY, "weekday"


class DateFormSet(HoursFormSet):
    kind, day = Availability.DATE, "on"


class BlockFormSet(HoursFormSet):
    kind = Availability.BLOCK


class Clock(forms.TimeInput):
    """The browser's own; the admin's would tell of the server's clock, which means nothing here."""

    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class Day(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class HoursInline(ScopedChoices, admin.TabularInline):
    model = Availability
    formfield_overrides: ClassVar[Any] = {models.TimeField: {"widget": Clock}, models.DateField: {"widget": Day}}
    formset: type[HoursFormSet]
    extra = 1

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(kind=self.formset.kind)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    has_change_permission = has_delete_permission = has_view_permission


class WeeklyInline(HoursInline):
    form, formset = WeeklyForm, WeeklyFormSet
    fields = ("weekday", "opens", "closes")
    ordering = ("weekday", "opens")
    verbose_name, verbose_name_plural = gettext_lazy("hours"), gettext_lazy("weekly hours")


class DateInline(HoursInline):
    form, formset = DateForm, DateFormSet
    fields = ("on", "opens", "closes")
    ordering = ("on", "opens")
    verbose_name = gettext_lazy("date")
    verbose_name_plural = gettext_lazy("other hours on a date (no times: no hours that day)")


class BlockInline(HoursInline):
    form, formset = BlockForm, BlockFormSet
    fields = ("starts_at", "ends_at")
    ordering = ("starts_at",)
    verbose_name, verbose_name_plural = gettext_lazy("stretch"), gettext_lazy("not available")


def _renew(calendar: Calendar, form: Any, now: datetime, by: User) -> str:
    return _("The feed is at %(url)s") % {"url": feed_url(renew_feed(calendar=calendar).feed_token)}


def _revoke(calendar: Calendar, form: Any, now: datetime, by: User) -> str:
    revoke_feed(calendar=calendar)
    return _("The address of the feed leads nowhere any more.")


def _warns(calendar: Calendar, now: datetime) -> list[str]:
    if calendar.feed_token:
        return [_("The address that is in use now will lead nowhere.")]
    return [_("Whoever knows the address reads the appointments of this agent. Give it to them only.")]


class CalendarForm(TenantForm):
    def clean_agent(self) -> User:
        agent: User = self.cleaned_data["agent"]
        if agent.broker_id is None:
            raise forms.ValidationError(
                _("agent=%(agent)s is not allowed; use a person of a brokerage") % {"agent": agent}
            )
        return agent


@admin.register(Calendar)
class CalendarAdmin(HasVerbs):
    form = CalendarForm
    inlines = (WeeklyInline, DateInline, BlockInline)
    verbs = (
        Verb("feed", gettext_lazy("New feed address"), _renew, tells=_warns),
        Verb("revoke", gettext_lazy("Revoke the feed address"), _revoke, lambda calendar: bool(calendar.feed_token)),
    )
    fields = ("agent", "slot_minutes", "buffer_minutes", "notice_minutes", "days_ahead", "feed")
    readonly_fields = ("feed",)
    list_display = ("agent", "slot_minutes", "buffer_minutes", "days_ahead", "has_hours")
    list_select_related = ("agent",)
    search_fields = ("agent__username", "agent__first_name", "agent__last_name")
    ordering = ("agent__username",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).prefetch_related("hours")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if obj is None else (*fields, "agent")

    @admin.display(description=gettext_lazy("Can be booked"), boolean=True)
    def has_hours(self, calendar: Calendar) -> bool:
        rows: Iterable[Availability] = calendar.hours.all()
        return any(row.opens is not None for row in rows)

    @admin.display(description=gettext_lazy("Calendar feed"))
    def feed(self, calendar: Calendar) -> str:
        if calendar.pk is None or not calendar.feed_token:
            return _("None yet: press “New feed address” above.")
        return feed_url(calendar.feed_token)


@admin.register(Availability)
class AvailabilityAdmin(HistoryAdmin):
    """All hours of all agents, to look through; they are edited on the page of their calendar."""

    list_display = ("calendar", "kind", "weekday", "on", "opens", "closes", "starts_at", "ends_at")
    list_filter = ("kind", "weekday")
    list_select_related = ("calendar__agent",)
    search_fields = ("calendar__agent__username",)
