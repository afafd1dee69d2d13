"""The kill switch of the whole platform; for operators."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_verbs import HasVerbs, Verb
from brokers.models import Platform
from campaigns.actions import go_on_platform, stop_platform


def _stop(platform: Platform, form: Any, now: datetime, by: Any) -> str:
    stop_platform(now=now, by=by)
    return _("Nothing is sent for anybody until sending goes on.")


def _go_on(platform: Platform, form: Any, now: datetime, by: Any) -> str:
    go_on_platform(now=now, by=by)
    return _("Sending goes on; what was due is due later by the stop.")


@admin.register(Platform)
class PlatformAdmin(HasVerbs):
    """One row, opened at once."""

    verbs = (
        Verb("stop", gettext_lazy("Stop all sending now"), _stop, lambda row: row.sending_paused_at is None),
        Verb("go_on", gettext_lazy("Go on sending"), _go_on, lambda row: row.sending_paused_at is not None),
    )
    fields = readonly_fields = ("sending_paused_at",)
    can_add = False
    ordering = ("id",)

    def _is_admin(self, request: HttpRequest) -> bool:
        return request.user.is_active and request.user.is_superuser

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            return super().changelist_view(request, *args, **kwargs)
        row, _is_new = Platform.objects.get_or_create(pk=1)
        return HttpResponseRedirect(reverse("admin:brokers_platform_change", args=[row.pk]))
