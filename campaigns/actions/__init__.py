"""The verbs about campaigns: their life, their steps, who is in them. Who raises Refused has changed nothing."""

from campaigns.actions.campaign import SETTINGS, activate, complete, create_campaign, edit_campaign, matching_leads
from campaigns.actions.enrollment import enroll_again, pause_enrollment, stop_enrollment
from campaigns.actions.golive import Launch, go_live, launch_preview
from campaigns.actions.running import (
    Backlog,
    ResumePolicy,
    backlog,
    go_on_platform,
    go_on_sending,
    pause,
    resume,
    stop_platform,
    stop_sending,
)
from campaigns.actions.unknowns import confirm_delivered, leave_unknown, send_again
from campaigns.actions.versions import (
    Move,
    VersionInUse,
    fingerprint,
    move_enrollments,
    preview_move,
    save_steps,
    versions_in_use,
)

__all__ = [
    "SETTINGS",
    "Backlog",
    "Launch",
    "Move",
    "ResumePolicy",
    "VersionInUse",
    "activate",
    "backlog",
    "complete",
    "confirm_delivered",
    "create_campaign",
    "edit_campaign",
    "enroll_again",
    "fingerprint",
    "go_live",
    "go_on_platform",
    "go_on_sending",
    "launch_preview",
    "leave_unknown",
    "matching_leads",
    "move_enrollments",
    "pause",
    "pause_enrollment",
    "preview_move",
    "resume",
    "save_steps",
    "send_again",
    "stop_enrollment",
    "stop_platform",
    "stop_sending",
    "versions_in_use",
]
