from django.urls import path

from leads import offer_pages, views

app_name = "leads"
urlpatterns = [
    path("offers/", offer_pages.offers, name="offers"),
    path("offers/<int:lead_id>/claim/", offer_pages.claim, name="claim"),
    path("book/<str:token>/", views.booking, name="booking"),
    path("book/<str:token>/appointment.ics", views.booking_file, name="booking-file"),
    path("calendar/<slug:token>.ics", views.feed, name="feed"),
]
