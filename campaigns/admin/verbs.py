"""The verbs of a campaign as pages: what will happen, a button, and what was refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import TenantAdmin, who
from brokers.refusal import Refused
from campaigns.actions import activate, complete, matching_leads, pause, resume
from campaigns.admin.steps import checked_condition
from campaigns.enrollment import chosen_leads, enroll_leads
from campaigns.models import Campaign, CampaignStatus, Trigger
from leads.filters import LeadFilter
from leads.models import Lead

COUNTED = 10_000


class ActivateForm(forms.Form):
    include_matching = forms.BooleanField(
        label=gettext_lazy("Take in the leads that match already"),
        required=False,
        help_text=gettext_lazy("Otherwise it waits for what happens from now on"),
    )


class EnrolForm(forms.Form):
    """Chosen leads, or a condition; never neither, which would be everybody."""

    leads = forms.CharField(
        label=gettext_lazy("Leads"), required=False, help_text=gettext_lazy("Their numbers, such as 12, 15, 31")
    )
    condition = forms.JSONField(
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


def _resume(campaign: Campaign, form: Any, now: datetime, by: Any) -> str:
    resume(campaign=campaign, now=now, by=by)
    return _("%(campaign)s goes on; what was due is due later by the pause.") % {"campaign": campaign}


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


def _nothing(campaign: Campaign, now: datetime) -> list[str]:
    return []


@dataclass(frozen=True, slots=True)
class Verb:
    """A button: in which states it is offered, what it asks, tells and does."""

    name: str
    title: Any
    states: frozenset[str]
    run: Callable[[Campaign, Any, datetime, Any], str]
    form: type[forms.Form] = forms.Form
    tells: Callable[[Campaign, datetime], list[str]] = _nothing

    @property
    def url_name(self) -> str:
        return f"campaigns_campaign_{self.name}"


DRAFT, ACTIVE, PAUSED = CampaignStatus.DRAFT, CampaignStatus.ACTIVE, CampaignStatus.PAUSED
VERBS = (
    Verb("activate", gettext_lazy("Activate"), frozenset({DRAFT}), _activate, ActivateForm, _matching),
    Verb("pause", gettext_lazy("Pause"), frozenset({ACTIVE}), _pause),
    Verb("resume", gettext_lazy("Resume"), frozenset({PAUSED}), _resume),
    Verb("complete", gettext_lazy("Complete"), frozenset({ACTIVE, PAUSED}), _complete),
    Verb("enrol", gettext_lazy("Enrol leads"), frozenset({ACTIVE}), _enrol, EnrolForm),
)


class HasVerbs(TenantAdmin):
    """The part of CampaignAdmin that shows the buttons and serves their pages."""

    def get_urls(self) -> list[Any]:
        pages = [
            path(
                f"<path:object_id>/{verb.name}/",
                self.admin_site.admin_view(partial(self.verb_view, verb=verb)),
                name=verb.url_name,
            )
            for verb in VERBS
        ]
        return [*pages, *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        campaign = self.get_object(request, object_id)
        offered = [verb for verb in VERBS if campaign is not None and campaign.status in verb.states]
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), "verbs": offered}
        return super().change_view(request, object_id, *args, **kwargs)

    def verb_view(self, request: HttpRequest, object_id: str, *, verb: Verb) -> HttpResponse:
        campaign = self.row_or_404(request, object_id)
        form = verb.form(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            self._run(request, campaign, verb, form)
            return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
        lines = verb.tells(campaign, self.now())
        return self.verb_page(request, title=verb.title, form=form, row=campaign, lines=lines)

    def _run(self, request: HttpRequest, campaign: Campaign, verb: Verb, form: forms.Form) -> None:
        try:
            done = verb.run(campaign, form, self.now(), who(request))
        except Refused as refusal:
            for fault in refusal.faults or [str(refusal)]:
                self.message_user(request, fault, messages.ERROR)
        else:
            self.message_user(request, done, messages.SUCCESS)
