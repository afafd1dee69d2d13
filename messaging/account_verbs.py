"""The buttons of an account: check it, connect it, have it write to you."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_verbs import Verb, VerbForm
from brokers.refusal import Refused
from leads.models import ContactPermission
from messaging.base import Envelope, OutcomeKind
from messaging.inbound import normalised
from messaging.models import ChannelAccount
from messaging.providers import adapter_for
from messaging.webhooks import webhook_url


class RecipientForm(VerbForm):
    address = forms.CharField(
        label=gettext_lazy("To"), help_text=gettext_lazy("Your own address on this channel: phone, e-mail or chat id")
    )


def send_test(*, account: ChannelAccount, address: str) -> str:
    """Send one message to a colleague's own address. Raises Refused `opted_out`, or with what the provider said."""
    to = normalised(account.channel, address)
    newest = (
        ContactPermission.objects.real().filter(broker=account.broker_id, address=to).order_by("-at", "-id").first()
    )
    if newest is not None and newest.kind == "revoked":
        raise Refused("opted_out", _("%(address)s asked not to be contacted.") % {"address": to})
    outcome = adapter_for(account).send(
        Envelope(
            message_id=0,
            key=f"test:{uuid4()}",
            channel=account.channel,
            address=to,
            subject=_("A test from Embudo"),
            body=_("This is a test message from Embudo. The account works."),
            purpose="transactional",
        )
    )
    if outcome.kind == OutcomeKind.ACCEPTED:
        return _("Sent to %(address)s.") % {"address": to}
    reason = outcome.error or outcome.code or outcome.kind
    raise Refused("not_sent", _("Not sent: %(reason)s") % {"reason": reason})


def _test(account: ChannelAccount, form: Any, now: datetime, by: Any) -> str:
    return send_test(account=account, address=form.cleaned_data["address"])


def _check(account: ChannelAccount, form: Any, now: datetime, by: Any) -> str:
    return adapter_for(account).check()


def _connect(account: ChannelAccount, form: Any, now: datetime, by: Any) -> str:
    return adapter_for(account).connect(webhook_url(account))


def _is_real(account: ChannelAccount) -> bool:
    return not account.sandbox


VERBS = (
    Verb("check", gettext_lazy("Check the connection"), _check, _is_real),
    Verb("connect", gettext_lazy("Set the webhook"), _connect, lambda row: _is_real(row) and row.provider != "smtp"),
    Verb("test", gettext_lazy("Send me a test message"), _test, _is_real, RecipientForm),
)
