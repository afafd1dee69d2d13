from leads.models.history import (
    Assignment,
    Cause,
    ImportBatch,
    Inquiry,
    ScoreChange,
    StageTransition,
)
from leads.models.lead import (
    Dicom,
    Lead,
    LeadQuerySet,
    Qualification,
    Status,
    Treatment,
)
from leads.models.permission import ContactPermission, PermissionKind, PermissionPurpose, Suppression
from leads.models.stage import Stage
from leads.models.work import Appointment, Availability, Note, Task

__all__ = [
    "Appointment",
    "Assignment",
    "Availability",
    "Cause",
    "ContactPermission",
    "Dicom",
    "ImportBatch",
    "Inquiry",
    "Lead",
    "LeadQuerySet",
    "Note",
    "PermissionKind",
    "PermissionPurpose",
    "Qualification",
    "ScoreChange",
    "Stage",
    "StageTransition",
    "Status",
    "Suppression",
    "Task",
    "Treatment",
]
