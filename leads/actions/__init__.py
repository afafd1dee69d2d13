"""The verbs about leads. Each is the only way to do its thing, from every door.

All moments are aware datetimes given by the caller; all verbs raise Refused and then have changed nothing.
"""

from leads.actions.appointments import (
    SlotTaken,
    book_appointment,
    cancel_appointment,
    choose_slot,
    complete_appointment,
    confirm_appointment,
    miss_appointment,
    move_appointment,
    propose_appointment,
)
from leads.actions.arrival import receive_lead, record_inquiry
from leads.actions.assigning import assign_lead, assign_leads
from leads.actions.calendars import renew_feed, revoke_feed
from leads.actions.claiming import claim_lead
from leads.actions.consent import leads_with, record_consent
from leads.actions.facts import mark_unreachable, record_call, record_inbound, record_permission, record_written
from leads.actions.lead import EDITABLE, create_lead, delete_lead, edit_lead
from leads.actions.merging import merge_leads, unmerge_leads
from leads.actions.moves import allowed_moves
from leads.actions.previewing import preview_merge
from leads.actions.recalculating import recalculate_scores, would_change
from leads.actions.routing import preview_routing, route_leads, routing_settings
from leads.actions.rules import set_score_rules
from leads.actions.stage import move_stage
from leads.actions.standing import after_fact_change
from leads.actions.suppression import preview_suppression, suppress_addresses
from leads.actions.tasks import TASK_FIELDS, create_task, edit_task, finish_task, snooze_task
from leads.actions.work import write_note

__all__ = [
    "EDITABLE",
    "TASK_FIELDS",
    "SlotTaken",
    "after_fact_change",
    "allowed_moves",
    "assign_lead",
    "assign_leads",
    "book_appointment",
    "cancel_appointment",
    "choose_slot",
    "claim_lead",
    "complete_appointment",
    "confirm_appointment",
    "create_lead",
    "create_task",
    "delete_lead",
    "edit_lead",
    "edit_task",
    "finish_task",
    "leads_with",
    "mark_unreachable",
    "merge_leads",
    "miss_appointment",
    "move_appointment",
    "move_stage",
    "preview_merge",
    "preview_routing",
    "preview_suppression",
    "propose_appointment",
    "recalculate_scores",
    "receive_lead",
    "record_call",
    "record_consent",
    "record_inbound",
    "record_inquiry",
    "record_permission",
    "record_written",
    "renew_feed",
    "revoke_feed",
    "route_leads",
    "routing_settings",
    "set_score_rules",
    "snooze_task",
    "suppress_addresses",
    "unmerge_leads",
    "would_change",
    "write_note",
]
