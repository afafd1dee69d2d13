from django.contrib.admin.apps import AdminConfig


class EmbudoAdminConfig(AdminConfig):
    default_site = "config.admin.EmbudoAdminSite"
