"""What the policy, accounts and providers say of a contact, by code, in the reader's language."""

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Reason(NamedTuple):
    """`means` says what happened, `remedy` what would have to change."""

    means: Promise
    remedy: Promise


REASONS = {
    "opted_out": Reason(_("The lead asked not to be contacted."), _("Only the lead can give permission again.")),
    "hold": Reason(_("The lead is on hold."), _("Change the treatment of the lead, then enrol it again.")),
    "deleted": Reason(_("The lead was deleted."), _("Nothing.")),
    "no_address": Reason(_("The lead has no address for this channel."), _("Add the address.")),
    "address_invalid": Reason(_("The address for this channel is not valid."), _("Correct the address.")),
    "unreachable": Reason(_("A provider said that this address reaches nobody."), _("Correct the address.")),
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
    "template_inactive": Reason(_("The template is not active."), _("Activate the template.")),
    "no_account": Reason(_("There is no account for this channel."), _("Add an account for the channel.")),
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
    "broker_inactive": Reason(_("The brokerage is not active."), _("Activate the brokerage.")),
    "sending_stopped": Reason(_("All sending of the brokerage is stopped."), _("Let sending go on.")),
    "one_channel_a_week": Reason(
        _("The law where the lead is allows one channel only for some days after a contact."),
        _("It goes out when they are over."),
    ),
    "outside_hours": Reason(_("It is outside the contact hours."), _("It goes out when they begin.")),
    "frequency_cap": Reason(_("The lead was contacted often enough lately."), _("It goes out when the cap allows.")),
    "chat_busy": Reason(
        _("Telegram takes one message a second for a chat, and has just got another one."),
        _("It goes out right after."),
    ),
    "paced": Reason(_("The account may not send more just now."), _("It goes out in the account's next slot.")),
    "cancelled": Reason(_("The worker was too late to send it."), _("It is decided anew at once.")),
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
    "address": _("The lead can be reached"),
    "permission": _("The lead has not objected"),
    "treatment": _("The treatment allows it"),
    "whatsapp": _("WhatsApp takes it"),
    "window": _("It is within the contact hours"),
    "chat": _("Telegram takes another message for the chat"),
    "one_channel": _("No other channel was used lately"),
    "caps": _("The lead was not contacted too often"),
    "answer": _("It answers the lead's last message"),
    "law": _("The law where the lead is allows it"),
}


def sentence(code: str, among: Mapping[str, Reason] = REASONS) -> str:
    """What a code such as `missing_variable:budget` means; unknown ones (a provider's own) stand for themselves."""
    kind, _colon, detail = code.partition(":")
    reason = among.get(kind)
    if reason is None:
        return gettext("The provider said: %(code)s") % {"code": code}
    return f"{reason.means} ({detail})" if detail else str(reason.means)


# What a person who writes to a lead can do, where it is something else than what a campaign waits for.
FOR_PEOPLE = {
    "opted_out": _("Nobody writes to them; only the lead can give permission again."),
    "hold": _("Change the treatment of the lead first."),
    "needs_template": _(
        "Choose a template that is approved there, use another channel, or wait until the lead writes."
    ),
    "outside_hours": _("Say why it cannot wait, or write when they begin."),
    "window_never_opens": _("Say why it cannot wait, or correct the brokerage's contact window."),
    "frequency_cap": _("The law where the lead is allows another contact later."),
    "one_channel_a_week": _("Use the channel of the last contact, or wait."),
    "missing_variable": _("Fill it in, or write in your own words."),
    "template_inactive": _("Choose another one."),
    "paced": _("Try again then."),
    "chat_busy": _("Try again in a moment."),
    "cancelled": _("Nobody got it; send it again."),
    "too_long": _("Shorten the text."),
    "refused": "",
    "too_many": _("Nobody got it; try again in a moment."),
    "marketing_limit": _("Nobody got it; try again after some days."),
    "not_configured": _("Nobody got it; correct the account, then send it again."),
    "connection_lost": _("Nobody got it; send it again."),
    "refused_for_now": _("Nobody got it; send it again."),
}


def remedy_for_people(code: str) -> str:
    """What a person can do who wants to write; '' for words that are the provider's own."""
    kind = code.partition(":")[0]
    if kind in FOR_PEOPLE:
        return str(FOR_PEOPLE[kind])
    return str(REASONS[kind].remedy) if kind in REASONS else ""
