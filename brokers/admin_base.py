"""The admin of a tenant: a broker admin lists, finds, chooses and changes rows of their own brokerage only.

`TenantAdmin.get_queryset` is the one gate: pages, choices, filters, autocompletion and bulk actions go through
it. A foreign row does not exist. An operator (superuser) sees every brokerage, and still joins no two of them.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.contrib.admin.widgets import AdminTextareaWidget, AutocompleteSelect
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from brokers.models import User
from brokers.refusal import Refused
from brokers.storing import JSONText, keep_years

BROKER = "broker"
FORM_FIELDS: dict[type[models.Field], dict[str, Any]] = {
    models.URLField: {"assume_scheme": "https"},
    models.JSONField: {"form_class": JSONText, "widget": AdminTextareaWidget(attrs={"rows": 3})},
}


def visible_rows(site: admin.AdminSite, model: type[models.Model], request: HttpRequest) -> models.QuerySet:
    """What this user may see of a model: the rows that its own admin would list."""
    return site.get_model_admin(model).get_queryset(request)


def who(request: HttpRequest) -> User:
    """Who works here; the admin lets in nobody who is not signed in."""
    return cast(User, request.user)


def has_field(model: type[models.Model], name: str) -> bool:
    return any(field.name == name for field in model._meta.fields)


def is_relation(model: type[models.Model], name: str) -> bool:
    try:
        return bool(model._meta.get_field(name).is_relation)
    except FieldDoesNotExist:
        return False


def refuse_foreign_choices(form: forms.BaseForm, broker_id: int | None) -> None:
    """An error at each field whose chosen row belongs to another brokerage than `broker_id`."""
    for name, value in list(form.cleaned_data.items()):
        if getattr(value, "broker_id", broker_id) != broker_id:
            form.add_error(name, _("This belongs to another brokerage."))


class CappedPaginator(Paginator):
    """Counts 10,000 rows at most, so that no list counts a million; filters and search find the others."""

    limit = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows.order_by()[: self.limit].count()


class ScopedRelatedFilter(admin.RelatedFieldListFilter):
    """Offers visible rows only; Django's own offers every row of the related table."""

    offered = 200

    def field_choices(self, field: Any, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[Any]:
        rows = visible_rows(model_admin.admin_site, field.remote_field.model, request)
        return [(row.pk, str(row)) for row in rows[: self.offered]]


class SearchedChoice(AutocompleteSelect):
    """Shows a refused form again whatever was posted; Django's own asks the database for it."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [one for one in value if str(one).isdecimal()], attr)


class ScopedChoices:
    """Fields of forms that point at other rows offer, and accept, visible ones only; moments are of our time."""

    admin_site: admin.AdminSite

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):  # type: ignore[attr-defined]
            kwargs["widget"] = SearchedChoice(db_field, self.admin_site)
        kwargs["queryset"] = visible_rows(self.admin_site, db_field.remote_field.model, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        keep_years(field)
        return field

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = visible_rows(self.admin_site, db_field.remote_field.model, request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)


class TenantForm(forms.ModelForm):
    """A form that joins no two brokerages and shows what a verb refused.

    A fault is shown at the field that it names, or that `refusal_fields` has for its reason, else on top.
    """

    refusal_fields: dict[str, str] = {}
    # Set per request by TenantAdmin.get_form.
    user: User
    refusal: Refused | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_field(self._meta.model, BROKER):
            return
        if not self.instance.pk and not self.user.is_superuser:
            self.instance.broker_id = self.user.broker_id
        self._offer_own_rows()

    def _offer_own_rows(self) -> None:
        for name, field in self.fields.items():
            if isinstance(field, forms.ModelChoiceField) and name != BROKER and self.instance.broker_id:
                rows: Any = field.queryset
                field.queryset = rows.filter(broker=self.instance.broker_id)

    def _get_validation_exclusions(self) -> set[str]:
        """The broker is checked although its field is hidden: most uniqueness counts within it."""
        return super()._get_validation_exclusions() - {BROKER}

    def _post_clean(self) -> None:
        """Without a broker there is nothing to check the row against."""
        if BROKER not in self.errors:
            super()._post_clean()

    def clean(self) -> dict[str, Any]:
        super().clean()
        self._fill_empty_json()
        if has_field(self._meta.model, BROKER):
            chosen = self.cleaned_data.get(BROKER)
            refuse_foreign_choices(self, chosen.pk if chosen else self.instance.broker_id)
        if self.refusal is not None:
            for fault in self.refusal.faults or [str(self.refusal)]:
                self.add_error(self._field_of(fault, self.refusal.reason), fault)
        return self.cleaned_data

    def _field_of(self, fault: str, reason: str) -> str | None:
        """Faults begin with the field they are about (`phone='12' is …`), or their reason tells."""
        field = self.refusal_fields.get(reason) or re.split(r"[=:]", fault, maxsplit=1)[0]
        return field if field in self.fields else None

    def _fill_empty_json(self) -> None:
        for field in self._meta.model._meta.fields:
            if isinstance(field, models.JSONField) and self.cleaned_data.get(field.name, "") is None:
                self.cleaned_data[field.name] = field.get_default()


class TenantAdmin(ScopedChoices, admin.ModelAdmin):
    """The admin of a model with a broker. `fieldsets` leave the broker out: it is added for operators.

    A verb called from `save_model` may raise Refused: the form comes back with its faults, nothing is saved.
    """

    form = TenantForm
    formfield_overrides = FORM_FIELDS
    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 200
    fieldsets: ClassVar[Any] = None
    list_select_related: ClassVar[tuple[str, ...]] = ()
    ordering: ClassVar[tuple[str, ...]] = ("-id",)

    can_add = can_change = True
    can_delete = False
    # The column that holds the moment at which a row was made, where no verb sets it.
    born = ""
    # Columns that are saved with those that were edited.
    derived: Sequence[str] = ()

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        rows: Any = super().get_queryset(request)
        return rows.visible_to(request.user)

    # Permissions follow the role; Django's own permission tables are not asked.

    def _is_admin(self, request: HttpRequest) -> bool:
        return request.user.is_active and getattr(request.user, "is_broker_admin", False)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._is_admin(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._is_admin(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.can_add and self._is_admin(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_change and self._is_admin(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.can_delete and self._is_admin(request)

    # The broker: chosen once by an operator, never seen by a broker admin.

    def _shows_broker(self, request: HttpRequest) -> bool:
        return request.user.is_superuser and has_field(self.model, BROKER)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if not self._shows_broker(request) or BROKER in flatten_fieldsets(fieldsets):
            return fieldsets
        title, options = fieldsets[0]
        return [(title, {**options, "fields": (BROKER, *options["fields"])}), *fieldsets[1:]]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = tuple(super().get_readonly_fields(request, obj))
        return (*fields, BROKER) if obj is not None and self._shows_broker(request) else fields

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = tuple(super().get_list_display(request))
        return (*columns, BROKER) if self._shows_broker(request) else columns

    def get_list_select_related(self, request: HttpRequest) -> Any:
        return (*self.list_select_related, *([BROKER] if self._shows_broker(request) else []))

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = [*super().get_list_filter(request), *([BROKER] if self._shows_broker(request) else [])]
        return [
            (item, ScopedRelatedFilter) if isinstance(item, str) and is_relation(self.model, item) else item
            for item in filters
        ]

    # Forms and saving.

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.user, form.refusal = request.user, getattr(request, "refusal", None)
        return form

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """When a verb refuses, its transaction is rolled back and the form is checked again with the refusal."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except Refused as refusal:
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Writes the edited columns only: the engine moves others of the same row meanwhile."""
        if change:
            edited = [name for name in form.changed_data if has_field(self.model, name)]
            obj.save(update_fields=[*edited, *self.derived])
            return
        if self.born:
            setattr(obj, self.born, self.now())
        obj.save(force_insert=True)

    def now(self) -> datetime:
        return timezone.now()

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ticks that are no ids of rows are nobody's; Django would hand them to the database."""
        if not all(map(self._may_be_id, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            raise Http404
        return super().changelist_view(request, *args, **kwargs)

    def _may_be_id(self, ticked: str) -> bool:
        try:
            self.opts.pk.to_python(ticked)
        except ValidationError:
            return False
        return True

    # Pages of their own under a row.

    def row_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """The row, when this user may see and change it."""
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.has_change_permission(request, row):
            raise Http404
        return row

    def verb_page(
        self, request: HttpRequest, *, title: Any, form: forms.BaseForm, row: Any = None, **context: Any
    ) -> HttpResponse:
        """A page that asks what a verb needs to know; the form is posted back to the same address."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": title,
            "form": form,
            "media": self.media + form.media,
            **context,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, context.get("template", "admin/verb.html"), context)


class HistoryAdmin(TenantAdmin):
    """Rows that are written by verbs only: seen by people, never changed or deleted by them."""

    can_add = can_change = can_delete = False
    hidden: Sequence[str] = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        unseen = {"id", BROKER, *self.hidden}
        return [field.name for field in self.model._meta.concrete_fields if field.name not in unseen]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*self.get_fields(request, obj), BROKER]


class HistoryInline(ScopedChoices, admin.TabularInline):
    """Rows below another one, only to be seen."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission
