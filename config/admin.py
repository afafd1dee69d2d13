from django.contrib.admin import AdminSite
from django.utils.translation import gettext_lazy as _


class EmbudoAdminSite(AdminSite):
    site_header = site_title = "Embudo"
    index_title = _("Brokerage")
