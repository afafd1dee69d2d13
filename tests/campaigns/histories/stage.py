"""What every history begins with: a brokerage, its templates, and a provider that does what it is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from brokers.models import Broker, User
from messaging.models import ChannelAccount
from templates_app.models import MessageTemplate
from tests.building import a_broker, a_template, an_admin
from tests.campaigns.histories import stories

TEXTS = {"plain": "Hola {{first_name|amigo}}", "area": "En {{location}}", "visit": "Agende: {{booking_link}}"}
SAID = {
    "": lambda lead: "",
    "plain": lambda lead: f"Hola {lead.name.split()[0] if lead.name else 'amigo'}",
    "area": lambda lead: f"En {lead.location}",
    "visit": lambda lead: "Agende: (link)",
}
COUNTED_FROM_ONE = ("leads_lead", "campaigns_campaign", "campaigns_enrollment", "campaigns_campaignlog")


@contextmanager
def owner() -> Iterator[psycopg.Connection]:
    """Who may count the ids from one again."""
    where = connection.settings_dict
    role = {"user": settings.DATABASE_OWNER["USER"], "password": settings.DATABASE_OWNER["PASSWORD"]}
    place = {"dbname": where["NAME"], "host": where["HOST"], "port": where["PORT"] or None}
    with psycopg.connect(**role, **place, autocommit=True) as connected:
        yield connected


@dataclass
class Stage:
    """What every history begins with, and the door through which the ids are counted from one again."""

    broker: Broker
    agent: User
    templates: dict[tuple[str, str], MessageTemplate]
    sent_file: Path
    owner: psycopg.Connection


def a_stage(sent_file: Path, connected: psycopg.Connection) -> Stage:
    broker = a_broker()
    provide(ChannelAccount.objects.all(), sent_file, {})
    texts = [(channel, name) for channel in stories.CHANNELS for name in TEXTS]
    templates = {(channel, name): a_template(broker, TEXTS[name], channel=channel) for channel, name in texts}
    return Stage(broker, an_admin(broker), templates, sent_file, connected)


def provide(accounts: QuerySet[ChannelAccount], file: Path, script: dict[str, list[str]]) -> None:
    for account in accounts:
        account.credentials = {"file": str(file), "script": script, "otherwise": "accept"}
        account.save(update_fields=["credentials"])


def count_from_one(stage: Stage) -> None:
    """Which leads are held out, and when a contact is tried again, depends on ids."""
    for table in COUNTED_FROM_ONE:
        stage.owner.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 1, false)", [table])
