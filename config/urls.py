from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("brokers.urls")),
    path("", include("leads.urls")),
    path("", include("messaging.urls")),
    path("admin/", admin.site.urls),
]
