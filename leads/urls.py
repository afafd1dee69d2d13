from django.urls import path

from leads import views

app_name = "leads"
urlpatterns = [
    path("book/<str:token>/", views.booking, name="booking"),
]
