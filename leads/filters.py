"""The one vocabulary of conditions about leads.

The same names filter the agents' list, the admin, the API, a campaign's trigger and a step's conditions. A condition
is stored as plain data ({"score_min": 40, "tags_any": ["vip"]}), validated by `LeadFilter`, and each of its clauses
is a Q over the lead's own columns: no joins, no casts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import django_filters as filters
from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from brokers.refusal import Refused
from brokers.storing import is_storable
from leads.models import Lead, Qualification, Stage, Status, Treatment

ClauseBuilder = Callable[[str, Any, datetime], Q]
# What says nothing: an empty input of a form.
EMPTY: tuple[Any, ...] = (None, "", [])


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition: its name, the value as it was stored, and the Q that decides it."""

    key: str
    value: Any
    q: Q


def _column(lookup: str) -> ClauseBuilder:
    return lambda prefix, value, now: Q(**{f"{prefix}{lookup}": value})


def _one_of(column: str) -> ClauseBuilder:
    return lambda prefix, value, now: Q(**{f"{prefix}{column}__in": value})


def _present(column: str) -> ClauseBuilder:
    return lambda prefix, value, now: ~Q(**{f"{prefix}{column}": ""}) if value else Q(**{f"{prefix}{column}": ""})


def _days_ago(column: str) -> ClauseBuilder:
    return lambda prefix, days, now: Q(**{f"{prefix}{column}__lte": now - timedelta(days=days)})


def _tags_all(prefix: str, tags: list[str], now: datetime) -> Q:
    return Q(**{f"{prefix}tags__contains": tags})


def _tags_any(prefix: str, tags: list[str], now: datetime) -> Q:
    return Q(**{f"{prefix}tags__has_any_keys": tags})


def _assigned(prefix: str, value: str, now: datetime) -> Q:
    if value in ("yes", "no"):
        return Q(**{f"{prefix}assigned_to__isnull": value == "no"})
    return Q(**{f"{prefix}assigned_to": int(value)})


def _any_contained(column: str) -> ClauseBuilder:
    def any_of(prefix: str, words: list[str], now: datetime) -> Q:
        either = Q(**{f"{prefix}{column}__icontains": words[0]})
        for word in words[1:]:
            either |= Q(**{f"{prefix}{column}__icontains": word})
        return either

    return any_of


def _isnull(column: str) -> ClauseBuilder:
    return lambda prefix, value, now: Q(**{f"{prefix}{column}__isnull": value})


def _is_text(item: Any) -> bool:
    return isinstance(item, str) and item != "" and is_storable(item)


class TextListField(forms.Field):
    """A list of texts; one text counts as a list of one."""

    default_error_messages = {"invalid": _("Use a list of texts.")}

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        if value in (None, "", []):
            return []
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(map(_is_text, items)):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return list(items)


class OneOrMoreField(TextListField):
    """A list of texts out of the allowed ones."""

    def __init__(self, *, choices: list[str], **kwargs: Any) -> None:
        self.allowed = choices
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> list[str]:
        items = super().to_python(value)
        wrong = [item for item in items if item not in self.allowed]
        if wrong:
            raise forms.ValidationError(
                _("%(value)s is not allowed; use one of %(allowed)s"),
                code="invalid_choice",
                params={"value": wrong[0], "allowed": ", ".join(self.allowed)},
            )
        return items


class YesNoSelect(forms.NullBooleanSelect):
    """Hands on what came, so that the field can refuse what it does not know."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.get(name)


class YesNoField(forms.NullBooleanField):
    """true or false; anything else is refused instead of read as "unknown"."""

    widget = YesNoSelect

    def to_python(self, value: Any) -> bool | None:  # type: ignore[override]
        words = {True: True, False: False, "true": True, "false": False, "on": True, "1": True, "0": False}
        if value in (None, "", "unknown"):
            return None
        if isinstance(value, bool | str) and value in words:
            return words[value]
        raise forms.ValidationError(_("Use true or false."), code="invalid")


class StrictIntegerField(forms.IntegerField):
    def to_python(self, value: Any) -> int | None:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, bool | float):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class StrictTextField(forms.CharField):
    default_error_messages = {"invalid": _("Use a text.")}

    def to_python(self, value: Any) -> str | None:
        if value is not None and not isinstance(value, str):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class StrictMomentField(forms.DateTimeField):
    def to_python(self, value: Any) -> datetime | None:
        if value is not None and not isinstance(value, str | date):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


class ClauseFilter(filters.Filter):
    """A filter that knows its clause; `clause` is a function of (prefix to the lead, value, now)."""

    def __init__(self, clause: ClauseBuilder, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clause = clause

    def filter(self, qs: QuerySet, value: Any) -> QuerySet:
        if value in EMPTY:
            return qs
        return qs.filter(self.clause("", value, self.parent.now))


class NumberClause(ClauseFilter):
    field_class = StrictIntegerField


class AmountClause(ClauseFilter):
    field_class = forms.DecimalField


class ChoiceClause(ClauseFilter):
    field_class = OneOrMoreField


class TextListClause(ClauseFilter):
    field_class = TextListField


class YesNoClause(ClauseFilter):
    field_class = YesNoField


class TextClause(ClauseFilter):
    field_class = StrictTextField


class MomentClause(ClauseFilter):
    field_class = StrictMomentField


class AssignedClause(ClauseFilter):
    """`yes`, `no`, or an agent's id."""

    field_class = forms.RegexField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(_assigned, regex=r"^(yes|no|\d+)$", **kwargs)


class LeadFilter(filters.FilterSet):
    """Conditions about a lead. `now` is the moment that ages are counted from."""

    score_min = NumberClause(_column("lead_score__gte"), label=_("score at least"), min_value=0, max_value=100)
    score_max = NumberClause(_column("lead_score__lte"), label=_("score at most"), min_value=0, max_value=100)
    stage = ChoiceClause(_one_of("pipeline_stage"), label=_("stage"), choices=Stage.values)
    status = ChoiceClause(_one_of("status"), label=_("status"), choices=Status.values)
    qualification = ChoiceClause(_one_of("qualification"), label=_("qualification"), choices=Qualification.values)
    treatment = ChoiceClause(_one_of("treatment_type"), label=_("treatment"), choices=Treatment.values)
    inactivity_days = NumberClause(
        _days_ago("last_activity_at"), label=_("no sign of life for days"), min_value=1, max_value=3650
    )
    in_stage_days = NumberClause(
        _days_ago("stage_entered_at"), label=_("days in this stage"), min_value=1, max_value=3650
    )
    tags_any = TextListClause(_tags_any, label=_("any of these tags"))
    tags_all = TextListClause(_tags_all, label=_("all of these tags"))
    assigned = AssignedClause(label=_("assigned (yes, no or a user's id)"))
    source = TextListClause(_one_of("source"), label=_("source"))
    language = TextListClause(_one_of("language"), label=_("language"))
    location = TextClause(_column("location__icontains"), label=_("area contains"))
    location_any = TextListClause(_any_contained("location"), label=_("area contains any of"))
    property_type = TextListClause(
        _any_contained("metadata__property_type"), label=_("kind of property contains any of")
    )
    has_email = YesNoClause(_present("email"), label=_("has an e-mail address"))
    has_phone = YesNoClause(_present("phone"), label=_("has a phone"))
    has_telegram = YesNoClause(_present("telegram_chat_id"), label=_("has Telegram"))
    budget_min = AmountClause(_column("budget_amount__gte"), label=_("budget at least"), min_value=0)
    budget_max = AmountClause(_column("budget_amount__lte"), label=_("budget at most"), min_value=0)
    never_contacted = YesNoClause(_isnull("last_contacted_at"), label=_("never contacted"))
    created_after = MomentClause(_column("created_at__gte"), label=_("arrived after"))
    created_before = MomentClause(_column("created_at__lt"), label=_("arrived before"))

    class Meta:
        model = Lead
        fields: list[str] = []

    def __init__(self, data: Any = None, *args: Any, now: datetime, **kwargs: Any) -> None:
        self.now = now
        super().__init__(data, *args, **kwargs)

    @classmethod
    def clauses(cls, data: Mapping[str, Any], *, now: datetime, prefix: str = "") -> list[Clause]:
        """The clauses of a stored condition, each with its Q. `prefix` leads to the lead (`lead__`).

        Raises Refused `condition_invalid` with a fault for every unknown key and wrong value.
        """
        filterset = cls.checked(data, now=now)
        cleaned = filterset.form.cleaned_data
        return [
            Clause(key, value, filterset.filters[key].clause(prefix, cleaned[key], now)) for key, value in data.items()
        ]

    @classmethod
    def canonical(cls, data: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
        """The condition in the one form in which it is stored: lists, whole numbers, moments with their zone.

        Raises Refused `condition_invalid`.
        """
        cleaned = cls.checked(data, now=now).form.cleaned_data
        return {key: _stored(value, cleaned[key]) for key, value in data.items()}

    @classmethod
    def checked(cls, data: Mapping[str, Any], *, now: datetime) -> "LeadFilter":
        """The filter over this data, valid and without empty values, which would choose everybody.

        Raises Refused `condition_invalid`.
        """
        if not isinstance(data, Mapping):
            raise Refused("condition_invalid", f'{data!r} is no condition; use an object such as {{"score_min": 40}}')
        filterset = cls(dict(data), queryset=Lead.objects.none(), now=now)
        faults = [
            f"{key} is no condition; allowed are {', '.join(filterset.filters)}"
            for key in data
            if key not in filterset.filters
        ]
        faults += [
            f"{key}={data.get(key)!r}: {' '.join(str(error) for error in errors)}"
            for key, errors in filterset.form.errors.items()
        ]
        faults += [
            gettext("%(key)s=%(value)r says nothing; give a value or leave it out") % {"key": key, "value": data[key]}
            for key, value in filterset.form.cleaned_data.items()
            if key in data and value in EMPTY
        ]
        if faults:
            raise Refused("condition_invalid", faults=faults)
        return filterset

    @classmethod
    def apply(cls, leads: QuerySet, data: Mapping[str, Any], *, now: datetime) -> QuerySet:
        """The leads for which every clause holds. Raises Refused `condition_invalid`."""
        for clause in cls.clauses(data, now=now):
            leads = leads.filter(clause.q)
        return leads


def _stored(given: Any, cleaned: Any) -> Any:
    """A value as JSON. An amount stays the whole number that it was given as, else it is text."""
    if isinstance(cleaned, Decimal):
        return given if isinstance(given, int) else str(cleaned)
    return cleaned.isoformat() if isinstance(cleaned, datetime) else cleaned


# The column that each key looks at, to show what it found there.
COLUMNS = {
    "score_min": "lead_score",
    "score_max": "lead_score",
    "stage": "pipeline_stage",
    "status": "status",
    "qualification": "qualification",
    "treatment": "treatment_type",
    "inactivity_days": "last_activity_at",
    "in_stage_days": "stage_entered_at",
    "tags_any": "tags",
    "tags_all": "tags",
    "assigned": "assigned_to_id",
    "source": "source",
    "language": "language",
    "location": "location",
    "location_any": "location",
    "has_email": "email",
    "has_phone": "phone",
    "has_telegram": "telegram_chat_id",
    "budget_min": "budget_amount",
    "budget_max": "budget_amount",
    "never_contacted": "last_contacted_at",
    "created_after": "created_at",
    "created_before": "created_at",
}


def found_by(lead: Any, key: str) -> dict[str, Any]:
    """What a condition's key finds on a lead, as `{"found": …}` in JSON; empty where `lead` does not carry it."""
    value = getattr(lead, COLUMNS.get(key, ""), EMPTY)
    if value is EMPTY:
        return {}
    if isinstance(value, datetime):
        return {"found": value.isoformat()}
    return {"found": str(value) if isinstance(value, Decimal) else value}
