from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from django.views.i18n import set_language

from brokers import views

app_name = "brokers"
urlpatterns = [
    path("", views.home, name="home"),
    path("login/", LoginView.as_view(template_name="brokers/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("language/", set_language, name="language"),
]
