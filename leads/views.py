"""The doors of leads: pages that people outside open by a link."""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from brokers.refusal import Refused
from leads import booking as page
from leads import ics
from leads.actions import SlotTaken, cancel_appointment, choose_slot, confirm_appointment
from leads.links import chosen_language
from leads.models import Appointment, Calendar

# How far back a calendar program is told of meetings, and for how many seconds it may keep what it read.
FEED_SINCE, FEED_KEPT = timedelta(days=30), 300


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def booking(request: HttpRequest, token: str) -> HttpResponse:
    """An appointment that a lead was sent a link to: choose a time, confirm, move, call off. Looking changes nothing.

    The link is the key: no login, no cookie, and so nothing that another site's form could make use of.
    """
    appointment = _of_token(token)
    if appointment is None:
        return render(request, "leads/booking_unknown.html", status=404)
    with translation.override(_language_of(request, appointment)):
        if request.method != "POST":
            return _shown(request, appointment)
        return _answered(request, appointment)


@never_cache
@require_safe
def booking_file(request: HttpRequest, token: str) -> HttpResponse:
    """The same for a calendar program."""
    appointment = _of_token(token)
    if appointment is None or not appointment.is_live:
        return render(request, "leads/booking_unknown.html", status=404)
    with translation.override(_language_of(request, appointment)):
        return _calendar_file(ics.download(appointment), "appointment.ics")


@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponseBase:
    """An agent's appointments, for whoever knows the address: the agent's own calendar program."""
    calendars = Calendar.objects.select_related("agent", "broker")
    calendar = calendars.filter(feed_token=token, agent__is_active=True, broker__is_active=True).first()
    if calendar is None:
        return HttpResponse(_("There is no such feed."), content_type="text/plain; charset=utf-8", status=404)
    rows = Appointment.objects.live().filter(
        agent=calendar.agent, starts_at__gte=timezone.now() - FEED_SINCE, lead__deleted_at=None
    )
    with translation.override(calendar.broker.language):
        name = f"{calendar.agent} · {calendar.broker.name}"
        content = ics.feed(rows.select_related("lead", "broker").order_by("starts_at", "pk"), name)
    response = _calendar_file(content, "calendar.ics")
    response["ETag"] = f'"{sha256(content).hexdigest()[:32]}"'
    patch_cache_control(response, private=True, max_age=FEED_KEPT)
    return get_conditional_response(request, etag=response["ETag"], response=response) or response


def _of_token(token: str) -> Appointment | None:
    if "\x00" in token:
        return None  # which no column can hold
    rows = Appointment.objects.select_related("broker", "agent", "lead__broker")
    return rows.filter(token=token, lead__deleted_at=None, broker__is_active=True).first()


def _language_of(request: HttpRequest, appointment: Appointment) -> str:
    """The one they switched to, else the lead's, else the brokerage's."""
    return chosen_language(request.GET) or appointment.lead.language or appointment.broker.language


def _here(request: HttpRequest) -> str:
    """The address of the page in the language to which they switched; what else it shall say is put behind it."""
    chosen = chosen_language(request.GET)
    return f"{request.path}?lang={chosen}&" if chosen else f"{request.path}?"


def _calendar_file(content: bytes, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type="text/calendar; charset=utf-8", headers=headers)


def _shown(
    request: HttpRequest, appointment: Appointment, *, error: str = "", offers: Any = (), status: int = 200
) -> HttpResponse:
    """The page as it is now."""
    now, asked = timezone.now(), request.GET
    state, zone = page.state_of(appointment, now), page.zone_of(appointment)
    theirs = ZoneInfo(appointment.broker.timezone)
    is_choosing = state == page.State.OPEN or (state == page.State.BOOKED and ("change" in asked or bool(offers)))
    wanted = page.moment_of(asked.get("slot", "")) if is_choosing and not error else None
    context = {
        "here": _here(request),
        "appointment": appointment,
        "state": state,
        "zone": zone,
        "city": page.city(zone),
        "their_zone": theirs,
        "their_city": page.city(theirs),
        "is_elsewhere": _differ(appointment.starts_at or wanted or now, zone, theirs),
        "is_choosing": is_choosing,
        "is_cancelling": state == page.State.BOOKED and "cancel" in asked,
        "wanted": wanted,
        "value": page.value_of(wanted) if wanted else "",
        "done": asked.get("done", "") if not error else "",
        "error": error,
        "offers": page.times_of(offers, zone, theirs),
    }
    if is_choosing and wanted is None:
        context["choice"] = page.choice_for(appointment, now=now, first=page.day_of(asked.get("from", "")))
    return render(request, "leads/booking.html", context, status=status)


def _differ(moment: datetime, zone: ZoneInfo, theirs: ZoneInfo) -> bool:
    return moment.astimezone(zone).utcoffset() != moment.astimezone(theirs).utcoffset()


def _answered(request: HttpRequest, appointment: Appointment) -> HttpResponse:
    """Do what the lead asks for; what cannot be done is said on the page, with the next free times."""
    verb = VERBS.get(request.POST.get("action", ""))
    try:
        if verb is None:
            raise Refused("action_unknown", _("This button is not known; please try again."))
        if page.state_of(appointment, timezone.now()) == page.State.EXPIRED:
            raise Refused("expired", _("This invitation is too old."))
        done = verb(appointment, request)
    except SlotTaken as taken:
        return _shown(request, appointment, error=str(taken), offers=taken.free, status=409)
    except Refused as refused:
        fresh = _of_token(appointment.token) or appointment
        return _shown(request, fresh, error=str(refused), status=409)
    response = redirect(f"{_here(request)}done={done}")
    response.status_code = 303
    return response


def _choose(appointment: Appointment, request: HttpRequest) -> str:
    starts_at = page.moment_of(request.POST.get("slot", ""))
    if starts_at is None:
        raise Refused("time_missing", _("Choose one of the times."))
    is_move = appointment.is_live and appointment.starts_at != starts_at
    choose_slot(appointment=appointment, starts_at=starts_at, now=timezone.now())
    return "moved" if is_move else "booked"


def _confirm(appointment: Appointment, request: HttpRequest) -> str:
    confirm_appointment(appointment=appointment, now=timezone.now())
    return "confirmed"


def _cancel(appointment: Appointment, request: HttpRequest) -> str:
    cancel_appointment(appointment=appointment, now=timezone.now())
    return "cancelled"


VERBS: dict[str, Callable[[Appointment, HttpRequest], str]] = {
    "choose": _choose,
    "confirm": _confirm,
    "cancel": _cancel,
}
