"""What a lead reads about a meeting: a template of the brokerage's own, else our words in the lead's language."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.utils import formats, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from leads.inquiries import latest_properties
from leads.links import booking_url
from leads.models import Appointment
from leads.zones import local_zone
from messaging.reminders import BOOKED, CANCELLED, DAY_BEFORE, HOUR_BEFORE, INVITATION, MOVED, WITHDRAWAL
from templates_app.merge import MissingVariable, compile_text
from templates_app.models import MessageTemplate, Purpose
from templates_app.variables import Surroundings, values_for

# The names under which a brokerage's own templates take the place of our words (docs/appointments.md).
TEMPLATE_NAMES = {
    BOOKED: "appointment_booked",
    MOVED: "appointment_moved",
    CANCELLED: "appointment_cancelled",
    DAY_BEFORE: "appointment_reminder_24h",
    HOUR_BEFORE: "appointment_reminder_1h",
    INVITATION: "appointment_invitation",
    WITHDRAWAL: "appointment_withdrawal",
}
SUBJECTS = {
    BOOKED: gettext_noop("Your appointment on %(date)s at %(time)s"),
    MOVED: gettext_noop("Your appointment is now on %(date)s at %(time)s"),
    CANCELLED: gettext_noop("Your appointment on %(date)s was called off"),
}
SUBJECTS |= dict.fromkeys((INVITATION, DAY_BEFORE, HOUR_BEFORE), SUBJECTS[BOOKED]) | {WITHDRAWAL: SUBJECTS[CANCELLED]}
BODIES = {
    BOOKED: gettext_noop(
        "%(hello)s Your appointment with %(agent)s of %(broker)s is booked for %(date)s at %(time)s (%(city)s time)."
        "%(where)s To confirm, change or call it off: %(link)s"
    ),
    MOVED: gettext_noop(
        "%(hello)s Your appointment with %(agent)s of %(broker)s is now on %(date)s at %(time)s (%(city)s time)."
        "%(where)s To confirm, change or call it off: %(link)s"
    ),
    CANCELLED: gettext_noop(
        "%(hello)s Your appointment with %(agent)s of %(broker)s on %(date)s at %(time)s (%(city)s time) was called "
        "off. To choose another time: %(link)s"
    ),
    DAY_BEFORE: gettext_noop(
        "%(hello)s We remind you of your appointment with %(agent)s of %(broker)s on %(date)s at %(time)s (%(city)s "
        "time).%(where)s To confirm, change or call it off: %(link)s"
    ),
    HOUR_BEFORE: gettext_noop(
        "%(hello)s Your appointment with %(agent)s of %(broker)s begins soon: %(date)s at %(time)s (%(city)s time)."
        "%(where)s If something has come up: %(link)s"
    ),
}
BODIES |= {INVITATION: BODIES[BOOKED], WITHDRAWAL: BODIES[CANCELLED]}


class Text(NamedTuple):
    """`template` is whose words these are; '' and no variables where they are ours."""

    subject: str
    body: str
    language: str
    template: MessageTemplate | None = None
    variables: tuple[str, ...] = ()

    @property
    def provider_template_id(self) -> str:
        return self.template.provider_template_id if self.template else ""


@dataclass(frozen=True, slots=True)
class Wordings:
    """The brokerages' own templates, by broker, name, channel and language; and the property that each lead asked for
    last, where one of them speaks of it."""

    templates: Mapping[tuple[int, str, str, str], MessageTemplate]
    properties: Mapping[int, str]

    @classmethod
    def load(cls, appointments: Collection[Appointment]) -> "Wordings":
        rows = MessageTemplate.objects.active().filter(
            broker__in={one.broker_id for one in appointments},
            purpose=Purpose.TRANSACTIONAL,
            name__in=set(TEMPLATE_NAMES.values()),
        )
        templates = {(row.broker_id, row.name, row.channel, row.language): row for row in rows}
        speaks_of_it = any("property" in row.variables for row in templates.values())
        return cls(templates, latest_properties({one.lead_id for one in appointments}) if speaks_of_it else {})

    def text(self, kind: str, appointment: Appointment, channel: str, now: datetime) -> Text:
        """In the lead's language; a template that has a hole for this lead gives way to our words."""
        language = appointment.lead.language or appointment.broker.language
        key = (appointment.broker_id, TEMPLATE_NAMES[kind], channel)
        variants = (self.templates.get((*key, one)) for one in (language, "es", "en"))
        template = next((variant for variant in variants if variant is not None), None)
        if template is not None:
            try:
                return _by_template(template, appointment, self.properties.get(appointment.lead_id, ""), now)
            except MissingVariable:
                pass
        with translation.override(language):
            return _ours(kind, appointment, language)


def _zone(appointment: Appointment) -> str:
    lead = appointment.lead
    return local_zone(lead_timezone=lead.timezone, phone=lead.phone, broker_timezone=appointment.broker.timezone)


def _by_template(template: MessageTemplate, appointment: Appointment, property_ref: str, now: datetime) -> Text:
    agent = appointment.agent
    around = Surroundings(
        broker_name=appointment.broker.name,
        timezone=_zone(appointment),
        language=template.language,
        now=now,
        agent_name=str(agent) if agent else "",
        agent_phone=agent.phone if agent else "",
        booking_link=booking_url(appointment.token),
        property_ref=property_ref,
        appointment_at=appointment.starts_at,
    )
    subject, body = compile_text(template.subject), compile_text(template.content)
    values = values_for(appointment.lead, around, {*subject.variables, *body.variables})
    variables = body.filled(values) if template.provider_template_id else ()
    return Text(subject.render(values), body.render(values), template.language, template, variables)


def _ours(kind: str, appointment: Appointment, language: str) -> Text:
    assert appointment.starts_at is not None
    zone = _zone(appointment)
    local = appointment.starts_at.astimezone(ZoneInfo(zone))
    name = appointment.lead.first_name
    where = appointment.meeting_url or appointment.location
    words = {
        "hello": _("Hello %(name)s.") % {"name": name} if name else _("Hello."),
        "agent": appointment.agent,
        "broker": appointment.broker.name,
        "date": f"{formats.date_format(local, 'l')} {formats.date_format(local, 'DATE_FORMAT')}",
        "time": f"{local:%H:%M}",
        "city": zone.rpartition("/")[2].replace("_", " "),
        "where": " " + _("Where: %(where)s.") % {"where": where} if where else "",
        "link": booking_url(appointment.token),
    }
    return Text(_(SUBJECTS[kind]) % words, _(BODIES[kind]) % words, language)
