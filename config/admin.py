from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _


class EmbudoAdminSite(AdminSite):
    site_header = site_title = "Embudo"
    index_title = _("Brokerage")

    def has_permission(self, request: HttpRequest) -> bool:
        """Agents work on their own pages, also one whom somebody made staff."""
        return super().has_permission(request) and getattr(request.user, "is_broker_admin", False)
