"""Every reason code with what it means and what to do about it, in the reader's language."""

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Reason(NamedTuple):
    """`means` says what happened, `remedy` what would have to change."""

    means: Promise
    remedy: Promise


REASONS = {
    # the enrolment ended
    "replied": Reason(_("The lead replied."), _("Nothing: somebody should answer them.")),
    "booked": Reason(_("The lead booked a meeting."), _("Nothing: the meeting is what matters now.")),
    "goal_reached": Reason(_("The lead reached the campaign's goal."), _("Nothing.")),
    "closed": Reason(_("The lead was won or lost."), _("Enrol the lead again once it is open.")),
    "opted_out": Reason(_("The lead asked not to be contacted."), _("Only the lead can give permission again.")),
    "went_live": Reason(
        _("The brokerage left the sandbox, and this was played there."), _("Enrol the lead again, for real.")
    ),
    "hold": Reason(_("The lead is on hold."), _("Change the treatment of the lead, then enrol it again.")),
    "deleted": Reason(_("The lead was deleted."), _("Nothing.")),
    "stopped": Reason(_("Somebody stopped this enrolment."), _("Enrol the lead again if that was wrong.")),
    # the step was skipped
    "late": Reason(_("The engine was down for more than 48 hours."), _("Keep the engine running.")),
    "postponed_too_long": Reason(
        _("The step was postponed for more than 14 days."), _("Look at the contact window and the caps.")
    ),
    "handed_to_agent": Reason(_("An agent follows this lead up; the step became a task."), _("Do the task.")),
    "condition": Reason(_("A condition of the step does not hold."), _("The lead would have to meet the condition.")),
    "no_address": Reason(_("The lead has no address for this channel."), _("Add the address.")),
    "address_invalid": Reason(_("The address for this channel is not valid."), _("Correct the address.")),
    "unreachable": Reason(_("A provider said that this address reaches nobody."), _("Correct the address.")),
    "treatment": Reason(_("The lead is not to be called automatically."), _("Set the treatment to calls.")),
    "needs_template": Reason(
        _("WhatsApp takes one's own words within 24 hours of the lead's last message only."),
        _("Give the template the id of an approved one, or wait until the lead writes."),
    ),
    "us_marketing": Reason(
        _("WhatsApp delivers no marketing to numbers of the United States."), _("Use another channel.")
    ),
    "no_consent": Reason(
        _("The law where the lead is asks for a permission that was never given."), _("Ask for it, and record it.")
    ),
    "window_never_opens": Reason(_("The contact window never opens."), _("Correct the brokerage's contact window.")),
    "missing_variable": Reason(
        _("The template speaks of something that is not known of this lead."),
        _("Fill it in, or give the variable a default."),
    ),
    "skipped_on_resume": Reason(
        _("It was overdue when the campaign was resumed without its overdue steps."), _("Nothing: somebody chose so.")
    ),
    "not_in_version": Reason(
        _("The enrolment was moved to a version that has no step of this number."), _("Nothing: somebody chose so.")
    ),
    "no_agent": Reason(_("Nobody is assigned to the lead, so nobody can meet them."), _("Assign an agent.")),
    "move_refused": Reason(_("The pipeline does not allow this move."), _("Look at the stages of the campaign.")),
    # the step failed
    "template_inactive": Reason(_("The template is not active."), _("Activate the template.")),
    "no_account": Reason(_("There is no account for this channel."), _("Add an account for the channel.")),
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
    "refused": Reason(_("The provider refused for good."), _("Read the message's error.")),
    "invalid_address": Reason(_("The provider knows nobody at this address."), _("Correct the address.")),
    "never_started": Reason(
        _("The lead never started our bot, so Telegram lets it not write to them."),
        _("Give them the link of {{telegram_link}} over another channel."),
    ),
    "too_long": Reason(_("The text is longer than the provider takes."), _("Shorten the template.")),
    "unsubscribed": Reason(
        _("The provider said that the lead unsubscribed there."), _("Only the lead can give permission again.")
    ),
    "blocked": Reason(_("The lead blocked us, or reported us as spam."), _("Only the lead can give permission again.")),
    "key_conflict": Reason(_("This step was sent already."), _("Nothing: it is not sent twice.")),
    "busy": Reason(_("The phone was busy three times."), _("Call by hand.")),
    "no_answer": Reason(_("Nobody picked up three times."), _("Call by hand.")),
    "failed": Reason(_("The call could not be made."), _("Read the message's error.")),
    # the step waits
    "campaign_paused": Reason(_("The campaign does not run."), _("Resume the campaign.")),
    "broker_inactive": Reason(_("The brokerage is not active."), _("Activate the brokerage.")),
    "sending_stopped": Reason(_("All sending of the brokerage is stopped."), _("Let sending go on.")),
    "platform_stopped": Reason(_("All sending of the platform is stopped."), _("The operator lets sending go on.")),
    "paused_until": Reason(_("Somebody paused this enrolment until a date."), _("It goes on at that date.")),
    "one_channel_a_week": Reason(
        _("The law where the lead is allows one channel only for some days after a contact."),
        _("It goes out when they are over."),
    ),
    "yields_to_priority": Reason(
        _("A campaign of a higher priority wants to contact the lead, and the caps leave room for one only."),
        _("It goes out when that one is done and the caps allow."),
    ),
    "outside_hours": Reason(_("It is outside the contact hours."), _("It goes out when they begin.")),
    "frequency_cap": Reason(_("The lead was contacted often enough lately."), _("It goes out when the cap allows.")),
    "human_in_contact": Reason(_("A person is in contact with the lead."), _("It goes on some days after.")),
    "paced": Reason(_("The account may not send more just now."), _("It goes out in the account's next slot.")),
    "cancelled": Reason(_("The worker was too late to send it."), _("It is decided anew at once.")),
    "internal_error": Reason(
        _("Something stored with this lead, campaign or brokerage cannot be read."),
        _("Look at the server's log; it is tried again every hour."),
    ),
    "too_many": Reason(
        _("The provider takes no more just now."), _("It is tried again; a lower rate of the account avoids it.")
    ),
    "marketing_limit": Reason(
        _("WhatsApp spares the lead further marketing for now."), _("It is tried again after some days.")
    ),
    "not_configured": Reason(
        _("The account lacks something, or the provider does not accept its credentials."),
        _("Correct the account; it is tried again."),
    ),
    "connection_lost": Reason(_("The provider could not be reached."), _("It is tried again.")),
    "refused_for_now": Reason(_("The provider could not take it just then."), _("It is tried again.")),
}

CHECKS = {
    "exits": _("Nothing has ended the enrolment"),
    "in_time": _("It is in time"),
    "automation": _("Automation may act"),
    "human_in_contact": _("No person is in contact with the lead"),
    "condition": _("The condition of the step holds"),
    "ready": _("There is a text, an account and an agent"),
    "address": _("The lead can be reached"),
    "permission": _("The lead has not objected"),
    "treatment": _("The treatment allows it"),
    "whatsapp": _("WhatsApp takes it"),
    "window": _("It is within the contact hours"),
    "one_channel": _("No other channel was used lately"),
    "caps": _("The lead was not contacted too often"),
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
    kind, _colon, detail = code.partition(":")
    reason = REASONS.get(kind)
    if reason is None:
        return gettext("The provider said: %(code)s") % {"code": code}
    return f"{reason.means} ({detail})" if detail else str(reason.means)


def remedy(code: str) -> str:
    reason = REASONS.get(code.partition(":")[0])
    return str(reason.remedy) if reason else ""
