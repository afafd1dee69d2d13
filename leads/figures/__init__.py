"""Figures about leads and their pipeline, computed in SQL, each in one query. Definitions: docs/figures.md."""

from leads.figures.history import Spread
from leads.figures.passages import Passage, SourceConversion, conversion_by_source, funnel
from leads.figures.priorities import PriorityCount, contact_priorities
from leads.figures.scope import Scope, day_begins, scope_for, scope_of
from leads.figures.stays import (
    StageTime,
    StagnantLead,
    Stagnation,
    stagnant_leads,
    stagnation,
    time_in_stage,
)

__all__ = [
    "Passage",
    "PriorityCount",
    "Scope",
    "SourceConversion",
    "Spread",
    "StageTime",
    "StagnantLead",
    "Stagnation",
    "contact_priorities",
    "conversion_by_source",
    "day_begins",
    "funnel",
    "scope_for",
    "scope_of",
    "stagnant_leads",
    "stagnation",
    "time_in_stage",
]
