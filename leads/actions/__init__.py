"""The verbs about leads. Each is the only way to do its thing, from every door.

All moments are aware datetimes given by the caller; all verbs raise Refused and then have changed nothing.
"""

from leads.actions.assigning import assign_lead, assign_leads
from leads.actions.facts import mark_unreachable, record_call, record_inbound, record_permission
from leads.actions.lead import EDITABLE, create_lead, delete_lead, edit_lead, rescore
from leads.actions.offers import claim_lead
from leads.actions.routing import preview_routing, route_leads, routing_settings
from leads.actions.stage import allowed_moves, move_stage
from leads.actions.work import TASK_FIELDS, book_appointment, create_task, edit_task, propose_appointment, write_note

__all__ = [
    "EDITABLE",
    "TASK_FIELDS",
    "allowed_moves",
    "assign_lead",
    "assign_leads",
    "book_appointment",
    "claim_lead",
    "create_lead",
    "create_task",
    "delete_lead",
    "edit_lead",
    "edit_task",
    "mark_unreachable",
    "move_stage",
    "preview_routing",
    "propose_appointment",
    "record_call",
    "record_inbound",
    "record_permission",
    "rescore",
    "route_leads",
    "routing_settings",
    "write_note",
]
