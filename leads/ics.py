"""Appointments as calendar programs read them (RFC 5545, RFC 5546). Moments are in UTC: no table of zones can be wrong.

The UID of an appointment stays, its SEQUENCE grows with every change, so that programs change what they have.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from icalendar import Calendar, Event, vCalAddress, vText

from leads.models import Appointment

PRODUCT = "-//Embudo//Embudo//EN"
REQUEST, CANCEL, PUBLISH = "REQUEST", "CANCEL", "PUBLISH"


def uid(appointment: Appointment) -> str:
    return f"appointment-{appointment.pk}@{urlsplit(settings.PUBLIC_URL).hostname}"


def invitation(appointment: Appointment, *, method: str, organizer: str, organizer_name: str = "") -> bytes:
    """What goes to the lead by mail; in the language that is active."""
    event = _event(appointment, _title(appointment))
    host = vCalAddress(f"mailto:{organizer}")
    guest = vCalAddress(f"mailto:{appointment.lead.email}")
    if organizer_name:
        host.params["CN"] = vText(organizer_name)
    guest.params["CN"] = vText(str(appointment.lead))
    # The answer is asked on our own page: what a program sends back would come as a message of the lead.
    guest.params["RSVP"] = vText("FALSE")
    guest.params["PARTSTAT"] = vText("ACCEPTED")
    event.add("organizer", host, encode=False)
    event.add("attendee", guest, encode=False)
    return _file([event], method)


def download(appointment: Appointment) -> bytes:
    """What a lead takes from the page of their appointment."""
    return _file([_event(appointment, _title(appointment))], PUBLISH)


def feed(appointments: Iterable[Appointment], name: str) -> bytes:
    """An agent's appointments: whom they meet, how to call them, when and where; nothing else of the lead."""
    events = []
    for appointment in appointments:
        lead = appointment.lead
        event = _event(appointment, f"{str(appointment.get_kind_display()).capitalize()}: {lead}")
        if lead.phone:
            event.add("description", lead.phone)
        events.append(event)
    return _file(events, PUBLISH, name)


def _title(appointment: Appointment) -> str:
    kind = str(appointment.get_kind_display()).capitalize()
    return _("%(kind)s with %(broker)s") % {"kind": kind, "broker": appointment.broker.name}


def _event(appointment: Appointment, title: str) -> Event:
    event = Event()
    event.add("uid", uid(appointment))
    event.add("sequence", appointment.sequence)
    event.add("dtstamp", _utc(appointment.changed_at or appointment.created_at))
    event.add("dtstart", _utc(appointment.starts_at))
    event.add("dtend", _utc(appointment.ends_at))
    event.add("summary", title)
    event.add("status", "CANCELLED" if appointment.status == "cancelled" else "CONFIRMED")
    if appointment.location:
        event.add("location", appointment.location)
    if appointment.meeting_url:
        event.add("url", appointment.meeting_url)
    return event


def _file(events: Iterable[Event], method: str, name: str = "") -> bytes:
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    if name:
        calendar.add("name", name)
        calendar.add("x-wr-calname", name)
        calendar.add("refresh-interval", timedelta(minutes=15), parameters={"VALUE": "DURATION"})
    for event in events:
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _utc(moment: datetime | None) -> datetime:
    assert moment is not None, "an appointment without a time is in no calendar"
    return moment.astimezone(UTC).replace(microsecond=0)
