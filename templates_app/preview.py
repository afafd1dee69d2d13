"""What a template says to one lead, now."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _

from brokers.refusal import Refused
from leads.inquiries import latest_properties
from leads.models import Lead
from leads.zones import local_zone
from templates_app.merge import CompiledText, MissingVariable
from templates_app.models import MessageTemplate
from templates_app.variables import Surroundings, values_for
from templates_app.variants import Template, compiled

# Links that are made for one dispatch only; here they lead nowhere.
SAMPLE_LINK = f"{settings.PUBLIC_URL}/…"
LINKS = ("booking_link", "unsubscribe_link", "preferences_link", "telegram_link")


@dataclass(frozen=True, slots=True)
class Preview:
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Rendered(Preview):
    """`variables` is what the variables of the text became, each once, in their order."""

    variables: tuple[str, ...] = ()


def preview(*, template: MessageTemplate, lead: Lead, now: datetime) -> Preview:
    """The subject and text that this lead would get at `now`; links are samples.

    Raises Refused `other_broker`, or as `rendered` does.
    """
    if template.broker_id != lead.broker_id:
        raise Refused("other_broker", _("The lead and the template belong to different brokerages."))
    said = rendered(compiled(template), lead, surroundings_of(lead, template.language, now))
    return Preview(said.subject, said.body)


def rendered(template: Template, lead: Lead, around: Surroundings) -> Rendered:
    """The subject and text for this lead.

    Raises Refused `missing_variable:<name>` with a fault for each variable that has neither a value nor a default: such
    a message is not sent.
    """
    values = values_for(lead, around, template.variables)
    missing = list(_missing(template.subject, values) | _missing(template.body, values))
    if missing:
        says = _("%(lead)s has no %(name)s, and the text has no default for it.")
        faults = [says % {"lead": lead, "name": name} for name in missing]
        raise Refused(f"missing_variable:{missing[0]}", faults=faults)
    return Rendered(template.subject.render(values), template.body.render(values), template.body.filled(values))


def _missing(text: CompiledText, values: dict[str, str]) -> dict[str, None]:
    """The variables that leave a hole in this text, in order of appearance."""
    holes: dict[str, None] = {}
    while True:
        try:
            text.render(values | dict.fromkeys(holes, "?"))
        except MissingVariable as error:
            holes[error.name] = None
        else:
            return holes


def surroundings_of(lead: Lead, language: str, now: datetime, **links: str) -> Surroundings:
    """What a text for this one lead can speak of; `links` are those that are more than samples."""
    agent, broker = lead.assigned_to, lead.broker
    next_meeting = lead.appointments.live().filter(starts_at__gte=now).order_by("starts_at").first()
    return Surroundings(
        broker_name=broker.name,
        timezone=local_zone(lead_timezone=lead.timezone, phone=lead.phone, broker_timezone=broker.timezone),
        language=language,
        now=now,
        agent_name=str(agent) if agent else "",
        agent_phone=agent.phone if agent else "",
        property_ref=latest_properties([lead.pk]).get(lead.pk, ""),
        appointment_at=next_meeting.starts_at if next_meeting else None,
        **{name: links.get(name, SAMPLE_LINK) for name in LINKS},
    )
