"""verify_ledger over 1,000,000 rows of the log and all that belongs to them.

A small brokerage is played by the engine for twelve days, then the database copies what its leads went through, each
copy with ids and keys of its own: the big brokerage keeps every promise that the small one does.
"""

from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any

from django.db import models

from bench.database import as_owner_execute, execute, tidy, value
from bench.measuring import Goal, Line
from bench.people import CONDITIONS, DAY, NOW, a_brokerage, a_template
from bench.weighing import resident_mb
from brokers.models import Broker
from campaigns import engine
from campaigns.actions import activate, create_campaign, save_steps
from campaigns.enrollment import enroll_leads
from campaigns.ledger import invariants, verify
from campaigns.models import Campaign, CampaignLog, Enrollment
from leads.actions import record_inbound, record_permission
from leads.models import Appointment, Assignment, ContactPermission, Inquiry, Lead, ScoreChange, StageTransition, Task
from messaging.clock import VirtualClock
from messaging.models import Message
from templates_app.models import MessageTemplate
from voice.models import VoiceCall

LEADS = 500
COPIES = 200
DAYS = 12
HOUR = DAY / 24
# Parents first.
COPIED: tuple[type[models.Model], ...] = (
    Lead,
    StageTransition,
    ScoreChange,
    Inquiry,
    Assignment,
    ContactPermission,
    Task,
    Appointment,
    Message,
    VoiceCall,
    Enrollment,
    CampaignLog,
)
TABLES = [model._meta.db_table for model in COPIED]
# Half of the leads do not meet it.
SELDOM: dict[str, Any] = {"score_min": 40}

Bounds = dict[type[models.Model], tuple[int, int]]


def measure(scale: float) -> list[Line]:
    broker = a_brokerage("aurora", LEADS)
    play(broker)
    multiply(int(COPIES * scale))
    hold_some_out(broker)
    tidy(*TABLES)
    rows, before = CampaignLog.objects.count(), resident_mb()
    together = _seconds(_check_all)
    return [
        Line("ledger: minutes a million rows", rows, together, together / 60 / rows * 1e6, Goal("≤", 1)),
        Line("ledger: MB more after so many", rows, value=resident_mb() - before),
        Line("ledger: counting the rows of its tables", rows, _seconds(_count_all)),
        *_each(rows),
    ]


def _seconds(work: Callable[[], None]) -> float:
    begin = perf_counter()
    work()
    return perf_counter() - begin


def _check_all() -> None:
    _check(invariants())


def _check(names: list[str]) -> None:
    for finding in verify(names):
        assert not finding.count, f"{finding.invariant}: {finding.rows[:3]}"


def _count_all() -> None:
    for table in TABLES:
        value(f"SELECT count(*) FROM {table}")


def _each(rows: int) -> Iterator[Line]:
    """Each invariant alone; together they share what they read."""
    for name in invariants():
        yield Line(f"ledger: {name}", rows, _seconds(partial(_check, [name])))


def play(broker: Broker) -> None:
    """Messages, steps left out, moves, calls that are tried again, re-entries, replies, opt-outs; some wait still."""
    leads = Lead.objects.filter(broker=broker)
    some = leads.filter(pk__in=[pk for pk in leads.values_list("pk", flat=True) if pk % 3])
    some.update(treatment_type="automated_call")
    chats, mails, calls = _campaigns(broker)
    for campaign in (chats, mails):
        enroll_leads(campaign=campaign, leads=leads, trigger="manual", now=NOW)
    for day in range(DAYS):
        now = NOW + day * DAY
        if day in (1, 6):
            called = leads.filter(pk__in=leads.order_by("pk").values("pk")[: LEADS * 2 // 5])
            enroll_leads(campaign=calls, leads=called, trigger="manual", now=now)
        for hours in range(0, 10, 3):
            engine.run(clock=VirtualClock(now + hours * HOUR))
        for lead in leads.select_related("broker").order_by("pk")[day : LEADS : 4 * DAYS]:
            record_inbound(lead=lead, now=now + 12 * HOUR, answers=None)
            if lead.pk % 2:
                record_permission(broker=broker, lead=lead, kind="revoked", source="bench", now=now + 12 * HOUR)


def _campaigns(broker: Broker) -> tuple[Campaign, Campaign, Campaign]:
    chat = {"action": "send_message", "message_template": _text(broker, "telegram")}
    mail = {"action": "send_message", "message_template": _text(broker, "email")}
    move = {"action": "update_stage", "target_stage": "calificacion_financiera"}
    return (
        _campaign(broker, "telegram", [chat, chat | {"conditions": SELDOM}, move, chat, chat]),
        _campaign(broker, "email", [mail, mail | {"conditions": CONDITIONS}, mail]),
        _campaign(broker, "call", [{"action": "make_call"}, {"action": "make_call"}], reentry_after_days=2),
    )


def _campaign(broker: Broker, channel: str, steps: list[dict[str, Any]], **settings: Any) -> Campaign:
    campaign = create_campaign(broker=broker, now=NOW, name=channel, channel=channel, **settings)
    specs = [{"delay_hours": 48 if number else 0} | step for number, step in enumerate(steps)]
    save_steps(campaign=campaign, specs=specs, now=NOW)
    return activate(campaign=campaign, now=NOW)


def _text(broker: Broker, channel: str) -> MessageTemplate:
    return a_template(broker, channel, "es", "Hola {{first_name|amigo}}, hay novedades en {{location|su comuna}}.")


def hold_some_out(broker: Broker) -> None:
    """A campaign over everybody, a tenth of them held out; its first step is not due yet."""
    step = {"action": "send_message", "message_template": _text(broker, "telegram"), "delay_hours": 24}
    campaign = _campaign(broker, "telegram", [step], holdout_percent=10)
    enroll_leads(campaign=campaign, leads=Lead.objects.all(), trigger="manual", now=NOW + DAYS * DAY)


def multiply(copies: int) -> None:
    """So many copies of all that the leads of the database have been through, beside the first."""
    bounds: Bounds = {model: _bounds(model) for model in COPIED}
    for model, table in zip(COPIED, TABLES, strict=True):
        fields = [field for field in model._meta.local_concrete_fields if not field.generated]
        columns = ", ".join(str(field.column) for field in fields)
        values = ", ".join(_copied(field, bounds, copies) for field in fields)
        execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table} o, generate_series(1, {copies}) k "
            "ORDER BY o.id, k"
        )
    execute(
        "UPDATE campaigns_campaign c SET enrolled_count = (SELECT count(*) FROM campaigns_enrollment e "
        "WHERE e.campaign_id = c.id AND e.status <> 'held_out')"
    )
    as_owner_execute(
        *(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}" for table in TABLES)
    )


def _bounds(model: type[models.Model]) -> tuple[int, int]:
    table = model._meta.db_table
    return value(f"SELECT coalesce(min(id), 1) FROM {table}"), value(f"SELECT coalesce(max(id), 0) FROM {table}")


def _copied(field: Any, bounds: Bounds, copies: int) -> str:
    """What stands in a column of copy `k`: where the first names a row that is copied too, that row's copy."""
    target = field.model if field.primary_key else field.related_model
    if target in bounds:
        return _moved(f"o.{field.column}", bounds[target], copies)
    mine = _moved("o.id", bounds[field.model], copies)
    enrollment = _moved("split_part(o.dedupe_key, ':', 2)::bigint", bounds[Enrollment], copies)
    of_their_own = {
        "phone": f"'+56' || {mine} || right(o.phone, 1)",
        "telegram_chat_id": f"'7' || {mine}",
        "dedupe_key": f"'step:' || {enrollment} || substr(o.dedupe_key, strpos(substr(o.dedupe_key, 6), ':') + 5)",
        "token": "o.token || k",
    }
    # A rule binds everybody who shares the address.
    if field.model is ContactPermission and field.column == "address":
        return f"o.address || '.' || {mine}"
    return of_their_own.get(field.column, f"o.{field.column}")


def _moved(column: str, bounds: tuple[int, int], copies: int) -> str:
    """An id of copy `k`: beyond all that there were, those of one first row side by side."""
    lowest, highest = bounds
    return f"({highest} + ({column} - {lowest}) * {copies} + k)"
