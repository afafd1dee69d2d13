"""The doors of leads: pages that people outside open by a link."""

from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from leads.models import Appointment
from leads.zones import local_zone


@never_cache
@require_safe
def booking(request: HttpRequest, token: str) -> HttpResponse:
    """The proposed or fixed appointment that a lead was sent a link to."""
    appointments = Appointment.objects.select_related("broker", "agent", "lead")
    appointment = appointments.filter(token=token, lead__deleted_at=None).first()
    if appointment is None:
        return render(request, "leads/booking_unknown.html", status=404)
    lead, broker = appointment.lead, appointment.broker
    zone = local_zone(lead_timezone=lead.timezone, phone=lead.phone, broker_timezone=broker.timezone)
    with translation.override(lead.language or broker.language):
        return render(request, "leads/booking.html", {"appointment": appointment, "zone": ZoneInfo(zone)})
