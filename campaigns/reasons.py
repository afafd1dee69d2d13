"""Every reason code with what it means and what to do about it, in the reader's language."""

from django.utils.translation import gettext_lazy as _

from messaging.reasons import CHECKS as CHECKED_BELOW
from messaging.reasons import REASONS as SAID_BELOW
from messaging.reasons import Reason, sentence

REASONS = {
    **SAID_BELOW,
    # the enrolment ended
    "replied": Reason(_("The lead replied."), _("Nothing: somebody should answer them.")),
    "booked": Reason(_("The lead booked a meeting."), _("Nothing: the meeting is what matters now.")),
    "goal_reached": Reason(_("The lead reached the campaign's goal."), _("Nothing.")),
    "closed": Reason(_("The lead was won or lost."), _("Enrol the lead again once it is open.")),
    "went_live": Reason(
        _("The brokerage left the sandbox, and this was played there."), _("Enrol the lead again, for real.")
    ),
    "merged": Reason(
        _("The lead was merged with another one, who is further in this campaign, or had this step already."),
        _("Nothing: the campaign goes on once."),
    ),
    "stopped": Reason(_("Somebody stopped this enrolment."), _("Enrol the lead again if that was wrong.")),
    # the step was skipped
    "late": Reason(_("The engine was down for more than 48 hours."), _("Keep the engine running.")),
    "postponed_too_long": Reason(
        _("The step was postponed for more than 14 days."), _("Look at the contact window and the caps.")
    ),
    "handed_to_agent": Reason(_("An agent follows this lead up; the step became a task."), _("Do the task.")),
    "condition": Reason(_("A condition of the step does not hold."), _("The lead would have to meet the condition.")),
    "treatment": Reason(_("The lead is not to be called automatically."), _("Set the treatment to calls.")),
    "skipped_on_resume": Reason(
        _("It was overdue when the campaign was resumed without its overdue steps."), _("Nothing: somebody chose so.")
    ),
    "not_in_version": Reason(
        _("The enrolment was moved to a version that has no step of this number."), _("Nothing: somebody chose so.")
    ),
    "no_agent": Reason(_("Nobody is assigned to the lead, so nobody can meet them."), _("Assign an agent.")),
    "move_refused": Reason(_("The pipeline does not allow this move."), _("Look at the stages of the campaign.")),
    # the step failed
    "outcome_unknown": Reason(
        _("Nobody can know whether this was sent; it is not sent again by itself."),
        _("Ask the provider, then say what happened."),
    ),
    "left_unknown": Reason(
        _("Nobody can know whether this was sent, and somebody left it at that."),
        _("Nothing; the provider may still tell."),
    ),
    "resending": Reason(_("Somebody has it sent again just now."), _("Nothing: its outcome follows.")),
    "not_resent": Reason(
        _("Somebody wanted it sent again, but the provider could not take it just then."),
        _("Send it again, or leave it."),
    ),
    "gave_up": Reason(_("The provider refused five times."), _("Look at the account; enrol the lead again.")),
    "key_conflict": Reason(_("This step was sent already."), _("Nothing: it is not sent twice.")),
    "busy": Reason(_("The phone was busy three times."), _("Call by hand.")),
    "no_answer": Reason(_("Nobody picked up three times."), _("Call by hand.")),
    "failed": Reason(_("The call could not be made."), _("Read the message's error.")),
    # the step waits
    "campaign_paused": Reason(_("The campaign does not run."), _("Resume the campaign.")),
    "platform_stopped": Reason(_("All sending of the platform is stopped."), _("The operator lets sending go on.")),
    "paused_until": Reason(_("Somebody paused this enrolment until a date."), _("It goes on at that date.")),
    "yields_to_priority": Reason(
        _("A campaign of a higher priority wants to contact the lead, and the caps leave room for one only."),
        _("It goes out when that one is done and the caps allow."),
    ),
    "human_in_contact": Reason(_("A person is in contact with the lead."), _("It goes on some days after.")),
    "internal_error": Reason(
        _("Something stored with this lead, campaign or brokerage cannot be read."),
        _("Look at the server's log; it is tried again every hour."),
    ),
}

CHECKS = {
    **CHECKED_BELOW,
    "exits": _("Nothing has ended the enrolment"),
    "in_time": _("It is in time"),
    "automation": _("Automation may act"),
    "human_in_contact": _("No person is in contact with the lead"),
    "condition": _("The condition of the step holds"),
    "ready": _("There is a text, an account and an agent"),
    "fallback": _("The step's other channel takes its place"),
    "variables": _("Every variable has a value"),
    "campaign_active": _("The campaign is active"),
    "lead_present": _("The lead is there"),
    "may_enter": _("The lead may enter (again)"),
    "room": _("There is room in the campaign"),
    "not_held_out": _("The lead is not held out"),
    "trigger": _("The trigger's condition holds"),
    "became_true": _("The trigger happened while the campaign was collecting"),
}


# What would have to change where a check of entering says no.
ENTRY_REMEDIES = {
    "campaign_active": _("Activate or resume the campaign."),
    "lead_present": _("The lead would have to come again."),
    "may_enter": _("The campaign's re-entry days must be over, or the rule allow another entry."),
    "room": _("Raise the number of leads the campaign takes in."),
    "not_held_out": _("Nothing: held-out leads show what happens without the campaign."),
    "trigger": _("The lead would have to meet the condition."),
    "became_true": _("It has to happen while the campaign is active; or enrol the lead by hand."),
}


def explained(code: str) -> str:
    """A sentence for a code such as `condition:score_min`; unknown codes (a provider's own) stand for themselves."""
    return sentence(code, REASONS)


def remedy(code: str) -> str:
    reason = REASONS.get(code.partition(":")[0])
    return str(reason.remedy) if reason else ""
