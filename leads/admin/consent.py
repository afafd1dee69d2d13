"""What people told somebody at the brokerage about being contacted, and what is known of it, on the lead's own page."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_verbs import Verb, VerbForm
from leads.actions import record_consent
from leads.consents import ANY_CHANNEL, CHANNELS, MARKETING, TRANSACTIONAL, newest_permission
from leads.models import ContactPermission, Lead, PermissionKind, PermissionPurpose
from leads.suppression import REACH_NAMES

SHOWN = 50
CHANNEL_CHOICES = [(channel, REACH_NAMES[channel]) for channel in (ANY_CHANNEL, *CHANNELS)]
WAYS = [
    ("told_by_phone", gettext_lazy("by phone")),
    ("told_in_person", gettext_lazy("in person")),
    ("told_in_writing", gettext_lazy("in writing")),
    ("told_by_form", gettext_lazy("on a signed form")),
]


class ToldForm(VerbForm):
    """What somebody was told, and how."""

    channel = forms.ChoiceField(label=gettext_lazy("Channel"), choices=CHANNEL_CHOICES)
    purpose = forms.ChoiceField(label=gettext_lazy("Purpose"), choices=PermissionPurpose.choices)
    way = forms.ChoiceField(label=gettext_lazy("Told"), choices=WAYS)
    wording = forms.CharField(
        label=gettext_lazy("Wording"),
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        required=False,
        help_text=gettext_lazy("What the person said, word by word where you can"),
    )
    at = forms.DateTimeField(
        label=gettext_lazy("When"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=gettext_lazy("Empty: now"),
    )

    def clean_at(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["at"]
        if at is not None and at > timezone.now():
            raise forms.ValidationError(_("This lies in the future; give the moment at which it was said."))
        return at

    def told(self) -> dict[str, Any]:
        """For `record_consent`."""
        given = self.cleaned_data
        return {**{name: given[name] for name in ("wording", "at")}, "source": given["way"]}


class ConsentForm(ToldForm):
    """A consent needs its proof."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["wording"].required = True
        self.fields["wording"].help_text = _("The sentence that the person agreed to: it is the proof")


def record_told(kind: str, lead: Lead, form: Any, now: datetime, by: Any) -> str:
    given = form.cleaned_data
    about = {"channel": given["channel"], "purpose": given["purpose"]}
    evidence = {"by": by.get_username()}
    record_consent(broker=lead.broker, lead=lead, kind=kind, now=now, evidence=evidence, **about, **form.told())
    return _("Recorded for %(lead)s.") % {"lead": lead}


def _consent(lead: Lead, form: Any, now: datetime, by: Any) -> str:
    return record_told(PermissionKind.GRANTED, lead, form, now, by)


def _opt_out(lead: Lead, form: Any, now: datetime, by: Any) -> str:
    return record_told(PermissionKind.REVOKED, lead, form, now, by)


CONSENT_VERBS = (
    Verb("consent", gettext_lazy("Record a consent"), _consent, form=ConsentForm),
    Verb("opt_out", gettext_lazy("Record an opt-out"), _opt_out, form=ToldForm),
)


def standing_table(lead: Lead) -> SafeString:
    """Channel by channel, what was said last."""
    rules = list(ContactPermission.objects.real().about(lead))
    rows = [
        (REACH_NAMES[channel], *(_said(newest_permission(rules, channel, each)) for each in (MARKETING, TRANSACTIONAL)))
        for channel in CHANNELS
    ]
    head = format_html("<tr><th>{}</th><th>{}</th><th>{}</th></tr>", _("Channel"), _("Advertising"), _("Appointments"))
    body = format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", rows)
    return format_html('<table class="said">{}{}</table>', head, body)


def _said(rule: ContactPermission | None) -> str:
    return _("nothing was said") if rule is None else rule.get_kind_display()


def history_table(lead: Lead) -> SafeString:
    """The newest first: of the lead itself, and of its addresses whoever they were said for."""
    rules = ContactPermission.objects.about(lead).order_by("-at", "-id")[:SHOWN]
    rows = [(_when(rule), _what(rule), rule.address, _proof(rule)) for rule in rules]
    if not rows:
        return format_html("<p>{}</p>", _("Nothing yet. Record what the person tells you with the buttons above."))
    titles = (_("When"), _("What"), _("Address"), _("Source and wording"))
    head = format_html_join("", "<th>{}</th>", [(title,) for title in titles])
    cells = [(format_html_join("", "<td>{}</td>", [(cell,) for cell in row]),) for row in rows]
    body = format_html_join("", "<tr>{}</tr>", cells)
    return format_html('<div class="said-frame"><table class="said"><tr>{}</tr>{}</table></div>', head, body)


def _when(rule: ContactPermission) -> str:
    return timezone.localtime(rule.at).strftime("%Y-%m-%d %H:%M")


def _what(rule: ContactPermission) -> str:
    channel = REACH_NAMES.get(rule.channel, rule.channel)
    return f"{rule.get_kind_display()}: {rule.get_purpose_display()}, {channel}"


def _proof(rule: ContactPermission) -> str:
    """Where it comes from, who wrote it down, and what was said."""
    where = [rule.source, str(rule.evidence.get("by", "")), _("sandbox") if rule.evidence.get("sandbox") else ""]
    told = ", ".join(filter(None, where))
    return f"{told}: “{rule.wording}”" if rule.wording else told
