"""The buttons of a campaign."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_verbs import Verb, VerbForm
from brokers.refusal import Refused
from brokers.storing import JSONText
from campaigns.actions import (
    ResumePolicy,
    activate,
    backlog,
    complete,
    matching_leads,
    move_enrollments,
    pause,
    preview_move,
    resume,
    versions_in_use,
)
from campaigns.admin.measuring import CompareForm, compare
from campaigns.admin.steps import checked_condition
from campaigns.enrollment import chosen_leads, enroll_leads
from campaigns.explain import explain
from campaigns.models import Campaign, CampaignStatus, Trigger
from campaigns.telling import as_text
from campaigns.validation import activation_warnings
from leads.filters import LeadFilter
from leads.models import Lead

COUNTED = 10_000
# As many versions are offered to move to.
OFFERED = 10


class ActivateForm(VerbForm):
    include_matching = forms.BooleanField(
        label=gettext_lazy("Take in the leads that match already"),
        required=False,
        help_text=gettext_lazy("Otherwise it waits for what happens from now on"),
    )


class EnrolForm(VerbForm):
    """Chosen leads, or a condition; never neither, which would be everybody."""

    leads = forms.CharField(
        label=gettext_lazy("Leads"), required=False, help_text=gettext_lazy("Their numbers, such as 12, 15, 31")
    )
    condition = JSONText(
        label=gettext_lazy("Or all leads with"),
        required=False,
        help_text=gettext_lazy('A condition such as {"score_min": 40}'),
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
    )

    def clean_leads(self) -> list[int]:
        words = self.cleaned_data["leads"].replace(",", " ").split()
        wrong = [word for word in words if not word.isdecimal()]
        if wrong:
            raise forms.ValidationError(_("%(word)s is no number of a lead.") % {"word": wrong[0]})
        return [int(word) for word in words]

    def clean_condition(self) -> Mapping[str, Any]:
        return checked_condition(LeadFilter, self.cleaned_data["condition"], timezone.now())

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if not self.errors and bool(given["leads"]) == bool(given["condition"]):
            raise forms.ValidationError(_("Give either the numbers of leads or a condition."))
        return given

    def chosen(self, campaign: Campaign, now: datetime) -> QuerySet[Lead]:
        """Raises Refused `lead_unknown`."""
        if self.cleaned_data["leads"]:
            return chosen_leads(campaign, self.cleaned_data["leads"])
        leads = Lead.objects.present().filter(broker=campaign.broker_id)
        return LeadFilter.apply(leads, self.cleaned_data["condition"], now=now)


def _activate(campaign: Campaign, form: Any, now: datetime, by: Any) -> str:
    activate(campaign=campaign, now=now, by=by, include_matching=form.cleaned_data["include_matching"])
    return _("%(campaign)s is active.") % {"campaign": campaign}


def _pause(campaign: Campaign, form: Any, now: datetime, by: Any) -> str:
    pause(campaign=campaign, now=now, by=by)
    return _("%(campaign)s is paused; nothing more is decided.") % {"campaign": campaign}


class ResumeForm(VerbForm):
    policy = forms.ChoiceField(
        label=gettext_lazy("What was due meanwhile"),
        choices=ResumePolicy.choices,
        initial=ResumePolicy.SHIFT,
        required=False,
        widget=forms.RadioSelect,
    )
    collect = forms.BooleanField(
        label=gettext_lazy("Take in the leads that qualified meanwhile"),
        required=False,
        help_text=gettext_lazy("Otherwise it waits for what happens from now on"),
    )


def _resume(campaign: Campaign, form: Any, now: datetime, by: Any) -> str:
    given = form.cleaned_data
    policy = given["policy"] or ResumePolicy.SHIFT
    resume(campaign=campaign, now=now, by=by, policy=policy, collect=given["collect"])
    return {
        ResumePolicy.SHIFT: _("%(campaign)s goes on; what was due is due later by the pause."),
        ResumePolicy.SEND: _("%(campaign)s goes on; what is overdue goes out from now on."),
        ResumePolicy.SKIP: _("%(campaign)s goes on; overdue steps were skipped."),
    }[ResumePolicy(policy)] % {"campaign": campaign}


def _backlog(campaign: Campaign, now: datetime) -> list[str]:
    """What each way to resume would do, in numbers."""
    try:
        found = backlog(campaign, now)
    except Refused as refusal:
        return refusal.faults or [str(refusal)]
    counts = {"waiting": found.waiting, "overdue": found.overdue}
    lines = [
        _("%(waiting)s steps wait; %(overdue)s of them are overdue.") % counts,
        _("Shift: all %(waiting)s are due later by the pause.") % counts,
        _("Send: the %(overdue)s overdue ones go out from now on, as fast as the accounts allow.") % counts,
        _("Skip: the %(overdue)s overdue ones are skipped, and the steps after them follow.") % counts,
    ]
    if found.qualified is not None:
        lines.append(_("Leads that qualified meanwhile: %(count)s") % {"count": found.qualified})
    return lines


def _complete(campaign: Campaign, form: Any, now: datetime, by: Any) -> str:
    complete(campaign=campaign, now=now, by=by)
    return _("%(campaign)s is completed.") % {"campaign": campaign}


def _enrol(campaign: Campaign, form: Any, now: datetime, by: Any) -> str:
    leads = form.chosen(campaign, now)
    intake = enroll_leads(campaign=campaign, leads=leads, trigger=Trigger.MANUAL, now=now)
    return _("%(enrolled)d enrolled, %(held_out)d held out, %(left_out)d left out.") % {
        "enrolled": intake.enrolled,
        "held_out": intake.held_out,
        "left_out": intake.left_out,
    }


def _matching(campaign: Campaign, now: datetime) -> list[str]:
    """How many leads match the trigger's condition now; counts to 10,000."""
    try:
        leads = matching_leads(campaign, now)
    except Refused as refusal:
        return refusal.faults
    count = leads.order_by()[: COUNTED + 1].count()
    number = f"> {COUNTED}" if count > COUNTED else str(count)
    return [_("Leads that match the trigger's condition now: %(number)s") % {"number": number}]


def _before_activating(campaign: Campaign, now: datetime) -> list[str]:
    return [*activation_warnings(campaign), *_matching(campaign, now)]


class MoveForm(VerbForm):
    to = forms.TypedChoiceField(label=gettext_lazy("To version"), coerce=int)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        numbers = self.row.versions.order_by("-number").values_list("number", flat=True)[:OFFERED]
        self.fields["to"].choices = [(number, number) for number in numbers]  # type: ignore[attr-defined]


def _move(campaign: Campaign, form: Any, now: datetime, by: Any) -> str:
    done = move_enrollments(campaign=campaign, to=form.cleaned_data["to"], now=now, by=by)
    return _("%(moved)d enrolments moved, %(completed)d ended, %(in_flight)d stay: their step is being sent.") % {
        "moved": done.moved,
        "completed": done.completed,
        "in_flight": done.in_flight,
    }


def _versions(campaign: Campaign, now: datetime) -> list[str]:
    """Who is on which version, and what moving everybody there would do."""
    lines = []
    for version in versions_in_use(campaign)[:OFFERED]:
        move = preview_move(campaign=campaign, to=version.number)
        lines.append(
            _(
                "Version %(number)s of %(at)s, %(steps)s steps: %(under_way)s under way of %(enrolled)s. "
                "Moving the others here: %(moved)s go on, %(completed)s end, %(in_flight)s stay."
            )
            % {
                "number": version.number,
                "at": f"{timezone.localtime(version.at):%Y-%m-%d %H:%M}",
                "steps": version.steps,
                "under_way": version.under_way,
                "enrolled": version.enrolled,
                "moved": move.moved,
                "completed": move.completed,
                "in_flight": move.in_flight,
            }
        )
    return lines


class ExplainForm(VerbForm):
    lead = forms.ModelChoiceField(
        queryset=Lead.objects.none(),
        label=gettext_lazy("Lead"),
        widget=forms.NumberInput(attrs={"class": "vIntegerField"}),
        help_text=gettext_lazy("The lead's number"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lead"].queryset = Lead.objects.filter(broker=self.row.broker_id)  # type: ignore[attr-defined]


def _explained(campaign: Campaign, form: Any, now: datetime, by: Any) -> str:
    return as_text(explain(campaign, form.cleaned_data["lead"], now))


def _is(*states: str) -> Any:
    return lambda campaign: campaign.status in states


DRAFT, ACTIVE, PAUSED = CampaignStatus.DRAFT, CampaignStatus.ACTIVE, CampaignStatus.PAUSED
VERBS = (
    Verb("activate", gettext_lazy("Activate"), _activate, _is(DRAFT), ActivateForm, _before_activating),
    Verb("pause", gettext_lazy("Pause"), _pause, _is(ACTIVE)),
    Verb("resume", gettext_lazy("Resume"), _resume, _is(PAUSED), ResumeForm, _backlog),
    Verb("complete", gettext_lazy("Complete"), _complete, _is(ACTIVE, PAUSED)),
    Verb("enrol", gettext_lazy("Enrol leads"), _enrol, _is(ACTIVE), EnrolForm),
    Verb("explain", gettext_lazy("Why?"), _explained, form=ExplainForm, is_question=True),
    Verb(
        "compare",
        gettext_lazy("Compare"),
        compare,
        lambda campaign: campaign.activated_at is not None,
        CompareForm,
        is_question=True,
    ),
    Verb("move", gettext_lazy("Versions"), _move, _is(ACTIVE, PAUSED), MoveForm, _versions),
)
