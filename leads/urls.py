from django.urls import path

from leads import views

app_name = "leads"
urlpatterns = [
    path("book/<str:token>/", views.booking, name="booking"),
    path("book/<str:token>/appointment.ics", views.booking_file, name="booking-file"),
    path("calendar/<slug:token>.ics", views.feed, name="feed"),
]
