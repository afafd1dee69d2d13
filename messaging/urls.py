from django.urls import path

from messaging import views, webhooks

app_name = "messaging"
urlpatterns = [
    path("u/<str:token>/", views.unsubscribe_page, name="unsubscribe"),
    path("preferences/<str:token>/", views.preferences_page, name="preferences"),
    path("webhooks/<slug:provider>/<str:token>/", webhooks.webhook, name="webhook"),
    path("sandbox/", views.sandbox_list, name="sandbox-list"),
    path("sandbox/<int:lead_id>/", views.sandbox_phone, name="sandbox-phone"),
    path("sandbox/<int:lead_id>/answer/", views.sandbox_answer, name="sandbox-answer"),
]
