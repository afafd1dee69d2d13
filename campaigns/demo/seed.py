"""Who works at Aurora, what they write, and their four campaigns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from brokers.actions import create_user
from brokers.models import Broker, Role, User
from campaigns.actions import activate, create_campaign, save_steps
from campaigns.models import Campaign
from leads.actions.routing import change_seats
from leads.models import Availability, Calendar, IfNobody, RoutingAgent, RoutingRule
from messaging.accounts import open_brokerage
from templates_app.models import MessageTemplate

SLUG = "aurora"

TEMPLATES: tuple[Mapping[str, Any], ...] = (
    {
        "name": "Bienvenida",
        "channel": "whatsapp",
        "content": "Hola {{first_name|qué tal}}, soy {{agent_name|el equipo}} de {{broker_name}}. "
        "Vi que buscas en {{location|Santiago}}. ¿Te cuento qué tenemos?",
    },
    {
        "name": "Bienvenida por correo",
        "channel": "email",
        "subject": "{{first_name|Hola}}, tu búsqueda en {{location|Santiago}}",
        "content": "Hola {{first_name|qué tal}}:\n\nGracias por escribir a {{broker_name}}. Para recomendarte bien, "
        "¿nos cuentas tu presupuesto y para cuándo piensas mudarte?\n\nSaludos,\n{{agent_name|El equipo}}",
    },
    {
        "name": "Guion de perfilamiento",
        "channel": "call",
        "agent_type": "perfilador",
        "content": "Hola {{first_name|qué tal}}, le habla el asistente automático de {{broker_name}}. "
        "¿Sigue buscando en {{location|Santiago}}?",
    },
    {
        "name": "Invitación a visita",
        "channel": "whatsapp",
        "agent_type": "agendador",
        "content": "{{first_name|Hola}}, {{agent_name}} puede mostrarte opciones esta semana. "
        "Elige tu hora aquí: {{booking_link}}",
    },
    {
        "name": "Con tu presupuesto",
        "channel": "email",
        "agent_type": "calificador_financiero",
        "subject": "Opciones con tu presupuesto de {{budget}}",
        "content": "Hola {{first_name|qué tal}}:\n\nCon {{budget}} hay alternativas en {{location|varias comunas}}. "
        "Responde este correo y te enviamos tres.\n\n{{agent_name|El equipo}}, {{broker_name}}",
    },
    {
        "name": "¿Sigues buscando?",
        "channel": "email",
        "agent_type": "seguimiento",
        "subject": "¿Sigues buscando en {{location|Santiago}}?",
        "content": "Hola {{first_name|qué tal}}:\n\nHace unos días que no sabemos de ti. ¿Sigues buscando?\n\n"
        "{{agent_name|El equipo}}, {{broker_name}}\n\nPara no recibir más correos: {{unsubscribe_link}}",
    },
    {
        "name": "Último aviso",
        "channel": "whatsapp",
        "agent_type": "seguimiento",
        "content": "{{first_name|Hola}}, cerramos tu solicitud en {{location|Santiago}} si no te interesa seguir. "
        "Responde y la mantenemos abierta.",
    },
    {
        "name": "Lanzamiento",
        "channel": "telegram",
        "agent_type": "agendador",
        "content": "{{first_name|Hola}}, abrimos la preventa del Edificio Aurora en Ñuñoa. "
        "¿Quieres ver la planta de {{bedrooms|2}} dormitorios?",
    },
)


# When agents can be booked: weekday, from, to.
HOURS = [*((day, 9, 18) for day in range(5)), (5, 10, 14)]


@dataclass(frozen=True, slots=True)
class Aurora:
    """The demo brokerage with its people; the password is that of each of them."""

    broker: Broker
    admin: User
    agents: tuple[User, User]
    password: str


def found_aurora(now: datetime, password: str) -> Aurora:
    """Create the brokerage, an operator, a broker admin, two agents who can be booked and get leads in turn, and eight
    templates."""
    broker = open_brokerage(name="Inmobiliaria Aurora", slug=SLUG, country="CL", timezone="America/Santiago", now=now)
    User.objects.create_superuser("operador", password=password, first_name="Olga", last_name="Rivas")
    admin = _person(broker, "aurora", "Amanda", "Soto", password, Role.ADMIN)
    agents = (
        _person(broker, "camila", "Camila", "Rojas", password, Role.AGENT),
        _person(broker, "diego", "Diego", "Muñoz", password, Role.AGENT),
    )
    for agent in agents:
        _open_calendar(broker, agent)
    _take_turns(broker, agents, now)
    for template in TEMPLATES:
        MessageTemplate.objects.create(broker=broker, updated_at=now, **template)
    return Aurora(broker, admin, agents, password)


def _person(broker: Broker, username: str, first: str, last: str, password: str, role: str) -> User:
    return create_user(
        broker=broker,
        username=username,
        password=password,
        role=role,
        first_name=first,
        last_name=last,
        email=f"{username}@example.com",
        phone="+56220000000",
    )


def _open_calendar(broker: Broker, agent: User) -> None:
    calendar = Calendar.objects.create(broker=broker, agent=agent)
    Availability.objects.bulk_create(
        Availability(broker=broker, calendar=calendar, weekday=day, opens=time(opens), closes=time(closes))
        for day, opens, closes in HOURS
    )


def _take_turns(broker: Broker, agents: Sequence[User], now: datetime) -> None:
    rule = RoutingRule.objects.create(
        broker=broker, name="Por turno", at_work_only=False, if_nobody=IfNobody.LEAVE, created_at=now
    )
    change_seats(rule=rule, seats=[RoutingAgent(rule=rule, agent=agent) for agent in agents])


def start_campaigns(aurora: Aurora, now: datetime, *, has_calls: bool = True) -> list[Campaign]:
    """Four campaigns, one a trigger, all active; what each does stands in docs/demo.md."""
    texts = {row.name: row for row in MessageTemplate.objects.filter(broker=aurora.broker)}
    plans = [_welcome(texts), _hot(texts), _silent(texts), _launch(texts)]
    campaigns = []
    for settings, steps in plans:
        campaign = create_campaign(broker=aurora.broker, now=now, by=aurora.admin, **settings)
        specs = [step for step in steps if has_calls or step["action"] != "make_call"]
        save_steps(campaign=campaign, specs=specs, now=now, by=aurora.admin)
        campaigns.append(activate(campaign=campaign, now=now, by=aurora.admin))
    return campaigns


_Plan = tuple[dict[str, Any], list[dict[str, Any]]]


def _welcome(texts: Mapping[str, MessageTemplate]) -> _Plan:
    settings = {
        "name": "Bienvenida",
        "channel": "whatsapp",
        "triggered_by": "stage_change",
        "trigger_condition": {"stage": "entrada"},
    }
    return settings, [
        {"action": "send_message", "message_template": texts["Bienvenida"]},
        {
            "action": "send_message",
            "delay_hours": 24,
            "channel": "email",
            "message_template": texts["Bienvenida por correo"],
            "conditions": {"has_email": True},
        },
        {
            "action": "update_stage",
            "delay_hours": 24,
            "target_stage": "calificacion_financiera",
            "conditions": {"stage": ["perfilamiento"], "score_min": 35},
        },
    ]


def _hot(texts: Mapping[str, MessageTemplate]) -> _Plan:
    settings = {
        "name": "Leads calientes",
        "channel": "whatsapp",
        "triggered_by": "lead_score",
        "trigger_condition": {"score_min": 40},
        "goal_stage": "agendado",
        "priority": 10,
        "exit_on_reply": False,
    }
    return settings, [
        {"action": "make_call", "delay_hours": 2, "message_template": texts["Guion de perfilamiento"]},
        {"action": "schedule_meeting", "delay_hours": 24, "message_template": texts["Invitación a visita"]},
        {
            "action": "send_message",
            "delay_hours": 48,
            "channel": "email",
            "message_template": texts["Con tu presupuesto"],
            "conditions": {"replied_since_enrolment": False},
        },
    ]


def _silent(texts: Mapping[str, MessageTemplate]) -> _Plan:
    settings = {
        "name": "Reactivación",
        "channel": "email",
        "triggered_by": "inactivity",
        "trigger_condition": {"inactivity_days": 6},
        "holdout_percent": 10,
    }
    return settings, [
        {"action": "send_message", "message_template": texts["¿Sigues buscando?"]},
        {
            "action": "send_message",
            "delay_hours": 72,
            "channel": "whatsapp",
            "message_template": texts["Último aviso"],
        },
        {
            "action": "update_stage",
            "delay_hours": 72,
            "target_stage": "perdido",
            "conditions": {"score_max": 15, "replied_since_enrolment": False},
        },
    ]


def _launch(texts: Mapping[str, MessageTemplate]) -> _Plan:
    settings = {
        "name": "Lanzamiento Edificio Aurora",
        "channel": "telegram",
        "triggered_by": "manual",
        "max_contacts": 150,
    }
    return settings, [
        {"action": "send_message", "message_template": texts["Lanzamiento"]},
        {"action": "make_call", "delay_hours": 26, "message_template": texts["Guion de perfilamiento"]},
        {
            "action": "schedule_meeting",
            "delay_hours": 48,
            "channel": "whatsapp",
            "message_template": texts["Invitación a visita"],
        },
    ]
