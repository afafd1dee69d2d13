from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from brokers.admin_base import HistoryAdmin, TenantAdmin, TenantForm
from brokers.models import ApiKey, OutboxEvent, Role, User


class BrokerAdmin(TenantAdmin):
    """Operators open brokerages; a broker admin sets the rules of their own.

    Registered by campaigns.admin, with what messaging.admin adds: a new brokerage gets its accounts.
    """

    list_display = ("name", "slug", "country", "timezone", "is_active", "sending_paused_at")
    list_filter = ("is_active", "country")
    search_fields = ("name", "slug")
    ordering = ("name",)
    readonly_fields = ("sending_paused_at",)
    fieldsets = (
        (None, {"fields": ("name", "slug", "is_active", "sending_paused_at")}),
        (_("Place"), {"fields": ("country", "timezone", "language", "currency")}),
        (_("Contact rules"), {"fields": ("contact_window", "cap_24h", "cap_7d", "human_contact_days")}),
        (_("Scores"), {"fields": ("score_thresholds", "score_weights", "qualification_rules")}),
        (_("Figures"), {"fields": ("stage_limits",)}),
        (_("Lead fields"), {"fields": ("custom_fields",)}),
    )
    # Numbers and amounts that are stored already were read by these.
    only_operators = ("slug", "is_active", "country", "currency")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else (*fields, *self.only_operators)


class UserForm(TenantForm, UserChangeForm):
    pass


class NewUserForm(TenantForm, AdminUserCreationForm):
    pass


@admin.register(User)
class UserAdmin(TenantAdmin, DjangoUserAdmin):
    """Rights follow the role: groups and single permissions are offered to nobody."""

    form = UserForm
    add_form = NewUserForm
    derived = ("is_staff",)
    list_display = ("username", "first_name", "last_name", "email", "role", "is_active", "last_login")
    list_filter = ("role", "is_active")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("username", "password", "role", "is_active")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email", "phone")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2", "role")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email", "phone")}),
    )
    for_operators = (_("Platform"), {"fields": ("is_superuser",)})

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """An operator with a brokerage is still none of its admins' business: they could set a password."""
        rows = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(is_superuser=False)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        return [*fieldsets, self.for_operators] if request.user.is_superuser else fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Nobody takes away their own rights by mistake."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return (*fields, "role", "is_active", "is_superuser") if obj == request.user else fields

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        obj.is_staff = obj.is_superuser or obj.role == Role.ADMIN
        super().save_model(request, obj, form, change)


@admin.register(ApiKey)
class ApiKeyAdmin(HistoryAdmin):
    hidden = ("digest",)
    list_display = ("name", "prefix", "created_at", "last_used_at", "revoked_at")
    search_fields = ("name", "prefix")


@admin.register(OutboxEvent)
class OutboxEventAdmin(HistoryAdmin):
    list_display = ("kind", "created_at", "due_at", "attempts", "delivered_at")
    list_filter = ("kind",)
    search_fields = ("kind",)
