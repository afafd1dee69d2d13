"""What every request of a person shares."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils import timezone


def brokerage_time(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Times are shown and typed as the clocks at the person's brokerage show them; an operator's are in UTC."""

    def on_their_clock(request: HttpRequest) -> HttpResponse:
        broker = request.user.broker if request.user.is_authenticated else None
        with timezone.override(broker.timezone if broker else None):
            return get_response(request)

    return on_their_clock


def storable_queries(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Refuses a query with a NUL, which no column can hold: filters of lists hand what is asked for to the database."""

    def without_nul(request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", ""):
            return HttpResponseBadRequest()
        return get_response(request)

    return without_nul
