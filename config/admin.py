from functools import update_wrapper
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils.translation import gettext_lazy as _


class EmbudoAdminSite(AdminSite):
    site_header = site_title = "Embudo"
    index_title = _("Brokerage")

    def has_permission(self, request: HttpRequest) -> bool:
        """Agents work on their own pages, also one whom somebody made staff."""
        return super().has_permission(request) and getattr(request.user, "is_broker_admin", False)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Refuses a query with a NUL, which no column can hold: the filters of lists hand it to the database."""
        shown = super().admin_view(view, cacheable)

        def without_nul(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if "%00" in request.META.get("QUERY_STRING", ""):
                return HttpResponseBadRequest()
            answer: HttpResponse = shown(request, *args, **kwargs)
            return answer

        return update_wrapper(without_nul, shown)
