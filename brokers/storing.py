"""What people write, kept away from the database where that cannot hold it."""

from datetime import date
from math import isfinite
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django.utils.translation import gettext as _

FIRST_YEAR, LAST_YEAR = 2000, 2200


def is_storable(value: Any) -> bool:
    """Whether PostgreSQL holds a text, or JSON: neither NUL nor half a sign is in it, and its numbers are numbers."""
    if isinstance(value, str):
        return "\x00" not in value and not any("\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, dict):
        return all(is_storable(key) and is_storable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(is_storable, value))
    return not isinstance(value, float) or isfinite(value)


class JSONText(forms.JSONField):
    """JSON that can be stored; Django's own breaks on what is nested very deep, or has a number of 5,000 digits."""

    def to_python(self, value: Any) -> Any:
        try:
            given = super().to_python(value)
            if is_storable(given):
                return given
        except (ValueError, RecursionError):
            pass
        raise forms.ValidationError(self.error_messages["invalid"], code="invalid")

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            given = super().bound_data(data, initial)
            return given if is_storable(given) else InvalidJSONInput(data)
        except (ValueError, RecursionError):
            return InvalidJSONInput(data)


def check_year(moment: date) -> None:
    """Near the ends of what a date can hold, another time zone or a day more makes it one that cannot be read again."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        says = _("year=%(year)d is not allowed; use one from %(first)d to %(last)d")
        raise ValidationError(says % {"year": moment.year, "first": FIRST_YEAR, "last": LAST_YEAR}, code="year_invalid")


def keep_years(field: forms.Field | None) -> None:
    """Let a field of days or moments take those of our time only."""
    if isinstance(field, forms.DateField | forms.DateTimeField | forms.SplitDateTimeField):
        field.validators = [*field.validators, check_year]
