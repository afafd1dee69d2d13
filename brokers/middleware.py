"""What every request of a person shares."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone


def brokerage_time(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Times are shown and typed as the clocks at the person's brokerage show them; an operator's are in UTC."""

    def on_their_clock(request: HttpRequest) -> HttpResponse:
        broker = request.user.broker if request.user.is_authenticated else None
        with timezone.override(broker.timezone if broker else None):
            return get_response(request)

    return on_their_clock
