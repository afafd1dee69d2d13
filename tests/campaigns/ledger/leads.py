"""Leads, and what belongs to whom."""

from brokers.models import User
from leads.models import Appointment, Assignment, Inquiry, Lead, ScoreChange, StageTransition
from templates_app.models import MessageTemplate
from tests.campaigns.ledger.corrupting import Row, breaks, campaign, change, log, message


@breaks("stage_matches_history")
def stage_without_a_move() -> Row:
    return change(Lead.objects.order_by("id")[0], pipeline_stage="seguimiento")


@breaks("stage_history_has_no_gap")
def move_from_elsewhere() -> Row:
    return change(StageTransition.objects.filter(cause="campaign").order_by("id")[0], from_stage="seguimiento")


@breaks("score_matches_history")
def score_without_a_change() -> Row:
    return change(Lead.objects.order_by("id")[0], lead_score=99)


@breaks("score_history_has_no_gap")
def change_from_elsewhere() -> Row:
    return change(ScoreChange.objects.exclude(from_score=None).order_by("id")[0], from_score=99)


@breaks("assignee_matches_history")
def assignee_without_an_assignment() -> Row:
    return change(Lead.objects.exclude(assigned_to=None).order_by("id")[0], assigned_to=None)


@breaks("assignment_history_has_no_gap")
def assignment_from_elsewhere() -> Row:
    row = Assignment.objects.exclude(to_user=None).order_by("id")[0]
    return change(row, from_user=row.to_user_id)


@breaks("merged_lead_is_gone")
def merged_lead_that_came_back() -> Row:
    return change(Lead.objects.get(name="parted"), deleted_at=None, phone="", telegram_chat_id="")


@breaks("merged_lead_is_gone")
def merged_into_nobody_knows_whom() -> Row:
    return change(Lead.objects.get(name="parted"), merged_into=None)


@breaks("merge_left_nothing_behind")
def inquiry_that_stayed_behind() -> Row:
    gone = Lead.objects.get(name="parted")
    change(Inquiry.objects.get(text="moved"), lead=gone)
    return gone


@breaks("one_broker")
def template_of_the_neighbour() -> Row:
    return change(message(), template=MessageTemplate.objects.get(broker__slug="boreal"))


@breaks("one_broker")
def made_by_the_neighbour() -> Row:
    return change(campaign("held"), created_by=User.objects.get(broker__slug="boreal"))


@breaks("one_broker")
def appointment_of_the_neighbour() -> Row:
    row = Appointment.objects.order_by("id")[0]
    return change(row, agent=User.objects.get(broker__slug="boreal"))


@breaks("references_resolve")
def template_that_is_gone() -> Row:
    return change(message(), template=99_999_999)


@breaks("references_resolve")
def mover_who_is_gone() -> Row:
    return change(StageTransition.objects.order_by("id")[0], by=99_999_999)


@breaks("references_resolve")
def step_that_is_gone() -> Row:
    return change(log(status="skipped", reason="condition:has_email"), step=99_999_999)
