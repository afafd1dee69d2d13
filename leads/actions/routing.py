"""Routing: a broker's rules and agents are loaded, decided over, and what was decided is written.

A batch of leads costs the same statements as one. All routing of a broker takes turns under an advisory lock, which
is taken after the leads' own locks; so turns are fair and nobody gets one lead more than they may.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import BooleanField, Count, Exists, Expression, ExpressionWrapper, OuterRef, Q, QuerySet, Value
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.actions.assigning import Handing, check_at_home, hand_out
from leads.actions.offers import make_offers
from leads.actions.telling import broker_admins, give_tasks, lead_lines, tell_outside, write_notices
from leads.filters import LeadFilter
from leads.hours import is_at_work
from leads.models import Absence, AssignmentCause, Lead, RoutingAgent, RoutingRule, RoutingSettings, Strategy
from leads.models.lead import OPEN_STAGES
from leads.routing import (
    ABSENT,
    FULL,
    HAD_IT,
    INACTIVE,
    NOT_AT_WORK,
    Agent,
    Decision,
    Given,
    Left,
    Offered,
    Office,
    Rule,
    Seat,
    route,
)

logger = logging.getLogger(__name__)

LOCK_ROUTING = "SELECT pg_advisory_xact_lock(hashtextextended('embudo:routing', %s))"
NOBODY: Mapping[int, Collection[int]] = {}


def routing_settings(broker: Broker) -> RoutingSettings:
    """The broker's own, or the defaults."""
    own = RoutingSettings.objects.filter(broker=broker).select_related("default_agent").first()
    settings: RoutingSettings = own or RoutingSettings(broker=broker)
    settings.broker = broker
    return settings


@transaction.atomic
def route_leads(
    *,
    settings: RoutingSettings,
    lead_ids: Sequence[int],
    now: datetime,
    cause: str = AssignmentCause.RULE,
    without: Mapping[int, Collection[int]] = NOBODY,
    tells: bool = True,
) -> dict[int, Decision]:
    """Give these leads of one broker to agents, by its rules, and say what became of each.

    `without` names who does not get a lead, by its id; `tells` whether the broker admin hears of leads that found
    nobody. A broker with neither rules nor a default agent routes nothing.
    """
    rules = list(RoutingRule.objects.filter(broker=settings.broker, is_active=True).in_order())
    if not lead_ids or not (rules or settings.default_agent):
        return {}
    lock_routing(settings.broker.pk)
    desks = load_desks(settings, rules, now)
    decisions = decide_all(desks, rules, lead_ids, without)
    carry_out(settings, desks, decisions, cause=cause, tells=tells)
    return decisions


def preview_routing(
    *, settings: RoutingSettings, leads: Sequence[Lead], now: datetime, also: RoutingRule | None = None
) -> dict[int, Decision]:
    """What would become of these leads if they arrived now, one after the other. Nothing is written.

    `also` is a rule that counts as active here although it may not be.
    """
    known = RoutingRule.objects.filter(Q(is_active=True) | Q(pk=also.pk if also else None), broker=settings.broker)
    rules = list(known.in_order())
    return decide_all(load_desks(settings, rules, now), rules, [lead.pk for lead in leads], NOBODY)


@transaction.atomic
def change_seats(*, rule: RoutingRule, seats: Sequence[RoutingAgent], gone: Sequence[RoutingAgent] = ()) -> None:
    """Write these agents of a rule and take the others off; with other shares all turns begin anew.

    Raises Refused `agent_foreign`.
    """
    check_at_home(rule.broker_id, [seat.agent for seat in seats])
    lock_routing(rule.broker_id)
    for seat in seats:
        seat.broker_id = rule.broker_id
        seat.save()
    rule.seats.filter(pk__in=[seat.pk for seat in gone]).delete()
    rule.seats.update(lag=0)


def lock_routing(broker_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOCK_ROUTING, [broker_id])


@dataclass(frozen=True, slots=True)
class Desks:
    """A broker's rules with their agents as values, and the rows that their turns are written back to."""

    office: Office
    rules: dict[int, Rule]
    seats: Sequence[tuple[RoutingAgent, Seat]]

    def save_turns(self) -> None:
        moved = [(row, seat) for row, seat in self.seats if row.lag != seat.lag]
        for row, seat in moved:
            row.lag = seat.lag
        RoutingAgent.objects.bulk_update([row for row, _seat in moved], ["lag"])


def load_desks(settings: RoutingSettings, rules: Sequence[RoutingRule], now: datetime) -> Desks:
    """In two statements, one more for a default agent, and one where it matters who has how many leads."""
    away = Absence.objects.filter(agent=OuterRef("agent"), starts_at__lte=now, ends_at__gt=now)
    known = RoutingAgent.objects.filter(rule__in=rules).select_related("agent__working_hours").order_by("id")
    rows = list(known.annotate(is_absent=Exists(away)))
    agents = {row.agent_id: _agent(row.agent, row.is_absent, settings, now) for row in rows}
    seats = [(row, Seat(agents[row.agent_id], row.weight, row.max_open, row.lag)) for row in rows]
    facts = {rule.pk: _rule(rule, [seat for row, seat in seats if row.rule_id == rule.pk]) for rule in rules}
    office = Office(now, _default_agent(settings, now))
    if any(_counts(rule) for rule in facts.values()):
        office.open_leads = open_leads(settings.broker.pk, agents)
    return Desks(office, facts, seats)


def _agent(user: User, is_absent: bool, settings: RoutingSettings, now: datetime) -> Agent:
    own = getattr(user, "working_hours", None)
    office = settings.hours
    hours = replace(own.window, holidays=office.holidays) if own else office
    works = is_at_work(now, hours, settings.broker.timezone)
    return Agent(user.pk, str(user), user.is_active, is_absent, works)


def _default_agent(settings: RoutingSettings, now: datetime) -> Agent | None:
    user = settings.default_agent
    if user is None:
        return None
    is_absent = user.absences.filter(starts_at__lte=now, ends_at__gt=now).exists()
    return Agent(user.pk, str(user), user.is_active, is_absent)


def _rule(row: RoutingRule, seats: Iterable[Seat]) -> Rule:
    return Rule(
        name=row.name,
        strategy=row.strategy,
        seats=tuple(seats),
        id=row.pk,
        if_nobody=row.if_nobody,
        fallback=row.fallback,
        at_work_only=row.at_work_only,
        claim_within=timedelta(minutes=row.claim_minutes),
    )


def _counts(rule: Rule) -> bool:
    is_by_load = Strategy.LEAST_LOADED in (rule.strategy, rule.fallback)
    return is_by_load or any(seat.max_open is not None for seat in rule.seats)


def open_leads(broker_id: int, agents: Iterable[int]) -> dict[int, int]:
    """How many open leads each of these agents has."""
    leads = Lead.objects.present().filter(
        broker=broker_id, assigned_to__in=list(agents), pipeline_stage__in=OPEN_STAGES
    )
    return dict(leads.order_by().values("assigned_to").annotate(count=Count("id")).values_list("assigned_to", "count"))


def decide_all(
    desks: Desks,
    rules: Sequence[RoutingRule],
    lead_ids: Sequence[int],
    without: Mapping[int, Collection[int]],
) -> dict[int, Decision]:
    """In the order of the leads as given; one statement asks which conditions hold for whom."""
    holding = _holding(rules, lead_ids, desks.office.now)
    return {
        lead_id: route(
            [desks.rules[rule_id] for rule_id in holding[lead_id]], desks.office, without=without.get(lead_id, ())
        )
        for lead_id in lead_ids
        if lead_id in holding
    }


def _holding(rules: Sequence[RoutingRule], lead_ids: Sequence[int], now: datetime) -> dict[int, list[int]]:
    """The ids of the rules whose conditions hold, in their order, by lead."""
    holds = {f"rule_{rule.pk}": _condition(rule, now) for rule in rules}
    rows = Lead.objects.filter(pk__in=lead_ids).annotate(**holds).values_list("pk", *holds)
    return {
        lead_id: [rule.pk for rule, is_true in zip(rules, found, strict=True) if is_true] for lead_id, *found in rows
    }


def _condition(rule: RoutingRule, now: datetime) -> Expression:
    try:
        clauses = LeadFilter.clauses(rule.conditions, now=now)
    except Refused as refused:
        # Changed past its check: it holds for nobody, and the other rules go on.
        logger.warning("Routing rule %s was left out: %s", rule.pk, refused)
        return Value(False, output_field=BooleanField())
    every = Q()
    for clause in clauses:
        every &= clause.q
    return ExpressionWrapper(every, BooleanField()) if clauses else Value(True, output_field=BooleanField())


def carry_out(
    settings: RoutingSettings, desks: Desks, decisions: Mapping[int, Decision], *, cause: str, tells: bool
) -> None:
    """Write what was decided; the leads are locked by `hand_out`, or by whoever decided."""
    broker, now = settings.broker, desks.office.now
    with translation.override(broker.language):
        handings = [
            Handing(lead_id, made.agent.id, made.rule.name if made.rule else "", why(made))
            for lead_id, made in decisions.items()
            if isinstance(made, Given)
        ]
    hand_out(handings, cause=cause, now=now)
    desks.save_turns()
    make_offers(broker, {lead: made for lead, made in decisions.items() if isinstance(made, Offered)}, now)
    left = [lead for lead, made in decisions.items() if isinstance(made, Left)]
    if left and tells:
        tell_of_left(broker, Lead.objects.filter(pk__in=left), now)


def why(decision: Decision) -> str:
    """In a few words, for people; in the language that is active."""
    words = {
        INACTIVE: _("does not work here any more"),
        ABSENT: _("absent"),
        NOT_AT_WORK: _("not at work"),
        FULL: _("has enough leads"),
        HAD_IT: _("had it before"),
    }
    if isinstance(decision, Offered):
        return str(Strategy.FIRST_TO_CLAIM.label)
    if isinstance(decision, Left):
        said = [_("nobody is available") if decision.rule else _("no rule fits")]
    else:
        said = [str(Strategy(decision.strategy).label) if decision.strategy else _("default agent")]
    over = ", ".join(f"{agent.name} ({words[because]})" for agent, because in decision.passed_over)
    return "; ".join([*said, *([_("passed over: %(agents)s") % {"agents": over}] if over else [])])


def tell_of_left(broker: Broker, leads: QuerySet[Lead], now: datetime) -> None:
    """One task, one event and one mail for all of them: a file of leads may be among them."""
    found = list(leads.order_by("id"))
    admins, count, ids = broker_admins(broker.pk), len(found), [lead.pk for lead in found]
    with translation.override(broker.language):
        title = ngettext(
            "No agent was available for this lead: assign it",
            "No agent was available for %(count)d leads, this one among them: assign them",
            count,
        ) % {"count": count}
        subject = ngettext("A lead has no agent", "%(count)d leads have no agent", count) % {"count": count}
        body = _("No routing rule found anybody for:") + "\n\n" + lead_lines(found)
    origin = f"unrouted:{ids[0]}"
    give_tasks(leads=found[:1], assignee=next(iter(admins), None), title=title, origins=[origin], now=now)
    tell_outside(broker_id=broker.pk, kind="lead.unrouted", payloads=[{"leads": ids}], now=now)
    key = f"{origin}:{now.isoformat()}"
    write_notices(broker=broker, users=admins, key=key, subject=subject, body=body, now=now)
