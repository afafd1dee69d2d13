from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Where a person goes from: the admin for those who run a brokerage, the sandbox for everybody."""
    return render(request, "brokers/home.html")
