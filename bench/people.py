"""Brokerages with leads as brokers have them, and campaigns that write to them. Seeded: the same on every run."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Model

from bench.copying import copy_rows
from bench.counting import NEAR
from bench.database import tidy
from brokers.models import Broker, User
from brokers.rules import WEEKDAYS
from campaigns.actions import activate, create_campaign, save_steps
from campaigns.models import Campaign
from leads.models import Assignment, ContactPermission, Inquiry, Lead, ScoreChange, StageTransition
from messaging.accounts import open_brokerage
from messaging.models import ChannelAccount
from templates_app.models import MessageTemplate

# A Wednesday, noon in Santiago.
NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
DAY = timedelta(days=1)
MADE = 5_000
FIRST_PHONE, FIRST_CHAT = 50_000_000, 100_000_000

FIRST_NAMES = (
    "Agustín", "Andrea", "Antonia", "Benjamín", "Camila", "Carlos", "Constanza", "Cristóbal", "Daniela", "Felipe",
    "Francisca", "Ignacia", "Joaquín", "José", "Macarena", "Martín", "Matías", "Sofía", "Tomás", "Valentina",
)  # fmt: skip
LAST_NAMES = (
    "Araya", "Cáceres", "Contreras", "Díaz", "Fernández", "Flores", "González", "Herrera", "Ibáñez", "López",
    "Martínez", "Muñoz", "Núñez", "Pérez", "Ramírez", "Rojas", "Sepúlveda", "Silva", "Soto", "Zúñiga",
)  # fmt: skip
AREAS = ("Ñuñoa", "Providencia", "Las Condes", "La Florida", "Maipú", "Macul", "Peñalolén", "Vitacura")
TIMELINES = ("este mes", "1 a 3 meses", "3 a 6 meses", "este año", "sin apuro")
SOURCES = ("Portal Inmobiliario", "TocToc", "Instagram", "Referido", "Sitio web")

TELEGRAM_TEXT = {
    "es": "Hola {{first_name|amigo}}, soy {{agent_name|su asesora}} de {{broker_name}}. Hay proyectos nuevos en "
    "{{location|su comuna}} que calzan con lo que busca. ¿Le cuento?",
    "en": "Hi {{first_name|there}}, this is {{agent_name|your agent}} at {{broker_name}}. New projects in "
    "{{location|your area}} match what you are looking for. Shall I tell you more?",
}
EMAIL_TEXT = {
    "es": "Hola {{first_name|amigo}}:\n\nGracias por escribir a {{broker_name}}. Con un presupuesto de "
    "{{budget|su rango}} y un plazo de {{timeline|los próximos meses}} tenemos tres opciones para visitar esta "
    "semana. Responda este correo y se las enviamos con planos y gastos comunes.\n\nUn saludo",
    "en": "Hi {{first_name|there}},\n\nThank you for writing to {{broker_name}}. With a budget of "
    "{{budget|your range}} and a horizon of {{timeline|the next months}} there are three options to visit this "
    "week. Answer this mail and we send them with plans and common charges.\n\nKind regards",
}
# Everybody generated here meets them, so that no step ends without its message.
CONDITIONS: dict[str, Any] = {"stage": ["entrada", "perfilamiento"], "score_min": 5}


def a_brokerage(slug: str, leads: int, provider: str = NEAR) -> Broker:
    """With agents, leads, and an account for Telegram and for e-mail that takes all; open every day."""
    broker = open_brokerage(
        name=f"Inmobiliaria {slug.title()}",
        slug=slug,
        country="CL",
        timezone="America/Santiago",
        cap_7d=20,
        contact_window={day: ["09:00", "20:00"] for day in WEEKDAYS},
        now=NOW,
    )
    ChannelAccount.objects.filter(broker=broker).update(is_default=False)
    for channel in ("telegram", "email"):
        ChannelAccount.objects.create(
            broker=broker, channel=channel, provider=provider, is_default=True, created_at=NOW
        )
    agents = [
        User.objects.create(
            broker=broker, username=f"{slug}-{name}", first_name=name, last_name="Rojas", phone="+56222222222"
        )
        for name in ("Carla", "Diego", "Elena")
    ]
    _take_in(broker, agents, leads)
    return broker


def _take_in(broker: Broker, agents: list[User], count: int) -> None:
    """The first ones are made one by one, the others copied from them with addresses of their own."""
    dice = random.Random(broker.slug)
    leads = Lead.objects.bulk_create(a_lead(broker, agents, dice, number) for number in range(min(count, MADE)))
    pasts = _pasts(broker, leads, dice)
    for model, rows in pasts.items():
        model.objects.bulk_create(rows)
    if count > MADE:
        _copy(broker, leads[-1].pk, count)
        tidy("leads_lead")  # without statistics their pasts are looked for lead by lead
        for model in pasts:
            _copy_past(model, broker, leads[-1].pk)


def _copy(broker: Broker, last: int, count: int) -> None:
    number = f"(o.telegram_chat_id::int - {FIRST_CHAT} + i * {MADE})"
    copy_rows(
        Lead,
        f"FROM leads_lead o, generate_series(1, {count // MADE}) i WHERE o.broker_id = {broker.pk} AND o.id <= {last} "
        f"ORDER BY i, o.id LIMIT {count - MADE}",
        phone=f"'+569' || {FIRST_PHONE} + {number} * 7",
        email=f"'lead' || {number} || '@example.com'",
        telegram_chat_id=f"({FIRST_CHAT} + {number})::text",
    )


def _copy_past(model: type[Model], broker: Broker, last: int) -> None:
    copy_rows(
        model,
        f"FROM {model._meta.db_table} o JOIN leads_lead m ON m.id = o.lead_id JOIN leads_lead d "
        f"ON d.broker_id = o.broker_id AND (d.telegram_chat_id::int - {FIRST_CHAT}) % {MADE} "
        f"= m.telegram_chat_id::int - {FIRST_CHAT} "
        f"WHERE o.broker_id = {broker.pk} AND o.lead_id <= {last} AND d.id > {last} ORDER BY d.id",
        lead_id="d.id",
        address="d.email",
    )


def a_lead(broker: Broker, agents: list[User], dice: random.Random, number: int) -> Lead:
    name = f"{dice.choice(FIRST_NAMES)} {dice.choice(LAST_NAMES)} {dice.choice(LAST_NAMES)}"
    arrived_at = NOW - timedelta(minutes=dice.randrange(1, 90 * 24 * 60))
    budget, location = dice.randrange(1_500, 9_000, 100), dice.choice(AREAS)
    return Lead(
        broker=broker,
        name=name,
        phone=f"+569{FIRST_PHONE + number * 7}",
        email=f"lead{number}@example.com",
        telegram_chat_id=str(FIRST_CHAT + number),
        lead_score=dice.randrange(5, 80),
        score_components={"name": 5, "phone": 5, "email": 5, "budget": 10, "location": 5},
        pipeline_stage=dice.choice(("entrada", "perfilamiento")),
        stage_entered_at=arrived_at,
        assigned_to=dice.choice((*agents, None)),
        tags=dice.sample(("primera vivienda", "inversionista", "urgente", "subsidio"), dice.randrange(3)),
        metadata={
            "budget": f"{budget} UF",
            "location": location,
            "timeline": dice.choice(TIMELINES),
            "property_type": dice.choice(("departamento", "casa")),
            "bedrooms": str(dice.randrange(1, 5)),
        },
        budget_amount=Decimal(budget) * 39_000,
        location=location,
        field_sources={key: {"by": "import", "at": NOW.isoformat()} for key in ("name", "phone", "email", "budget")},
        source=dice.choice(SOURCES),
        language="en" if number % 10 == 0 else "",
        last_activity_at=arrived_at,
        created_at=arrived_at,
        updated_at=arrived_at,
    )


def _pasts(broker: Broker, leads: list[Lead], dice: random.Random) -> dict[type[Model], list[Any]]:
    """Birth, first score and inquiry of each; a fifth has given a permission."""
    return {
        StageTransition: [
            StageTransition(broker=broker, lead=one, to_stage=one.pipeline_stage, at=one.created_at, cause="import")
            for one in leads
        ],
        ScoreChange: [
            ScoreChange(broker=broker, lead=one, to_score=one.lead_score, at=one.created_at, cause="import")
            for one in leads
        ],
        Assignment: [
            Assignment(
                broker=broker, lead=one, to_user_id=one.assigned_to_id, cause="rule", rule="todos", at=one.created_at
            )
            for one in leads
            if one.assigned_to_id is not None
        ],
        Inquiry: [
            Inquiry(broker=broker, lead=one, source=one.source, text="Más información", at=one.created_at)
            for one in leads
        ],
        ContactPermission: [
            ContactPermission(
                broker=broker, lead=one, address=one.email, kind="granted", source="form", at=one.created_at
            )
            for one in leads
            if dice.random() < 0.2
        ],
    }


def a_campaign(broker: Broker, channel: str, steps: int, *, conditional: int, **settings: Any) -> Campaign:
    """Active, a step a day; every second step has conditions: the odd ones (1) or the even ones (0)."""
    text = TELEGRAM_TEXT if channel == "telegram" else EMAIL_TEXT
    templates = [a_template(broker, channel, language, content) for language, content in text.items()]
    campaign = create_campaign(broker=broker, now=NOW, name=f"{channel} {conditional}", channel=channel, **settings)
    specs = [
        {
            "action": "send_message",
            "message_template": templates[0],
            "delay_hours": 0 if number == 1 else 24,
            "conditions": CONDITIONS if number % 2 == conditional else {},
        }
        for number in range(1, steps + 1)
    ]
    save_steps(campaign=campaign, specs=specs, now=NOW)
    return activate(campaign=campaign, now=NOW)


def a_template(broker: Broker, channel: str, language: str, content: str) -> MessageTemplate:
    subject = "{{first_name|Hola}}: tres opciones" if channel == "email" else ""
    template, _is_new = MessageTemplate.objects.get_or_create(
        broker=broker,
        channel=channel,
        language=language,
        name=f"{channel} bench",
        defaults={"content": content, "subject": subject},
    )
    return template
