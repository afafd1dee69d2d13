"""Hours by weekday as people write them: a line a day."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from brokers.admin_base import TenantForm
from brokers.rules import WEEKDAYS, ContactWindow

DAYS = dict(
    zip(
        WEEKDAYS,
        (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday")),
        strict=True,
    )
)


def day_field(label: Any) -> forms.CharField:
    shape = forms.TextInput(attrs={"size": 13})
    return forms.CharField(label=label, required=False, widget=shape, help_text=_("Such as 09:00-19:00; empty: closed"))


class WeekForm(TenantForm):
    """Edits the JSON of `hours_field` by seven texts such as 09:00-19:00; an empty one is a free day."""

    hours_field = ""
    mon, tue, wed, thu, fri, sat, sun = (day_field(label) for label in DAYS.values())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hours: Mapping[str, Any] = getattr(self.instance, self.hours_field) or {}
        for day in WEEKDAYS:
            self.fields[day].initial = "-".join(hours.get(day) or ())

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        hours = {day: self._hours(day) for day in WEEKDAYS}
        if not self.errors and any(day in self.changed_data for day in WEEKDAYS):
            setattr(self.instance, self.hours_field, hours)
        return given

    def _hours(self, day: str) -> list[str] | None:
        text = self.cleaned_data.get(day) or ""
        if not text:
            return None
        times = [part.strip().zfill(5) for part in text.replace("–", "-").split("-")]
        try:
            ContactWindow.parse({day: times})
        except ValueError:
            fault = gettext("%(day)s=%(text)r is not allowed; use two times in order, such as 09:00-19:00, or nothing")
            self.add_error(day, fault % {"day": day, "text": text})
        return times
