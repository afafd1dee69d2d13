"""What a campaign brought about, on its page and by a button."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_verbs import VerbForm
from campaigns.figures import BOOKING, DAYS, hold_out
from campaigns.figures_told import compared
from campaigns.models import Campaign
from campaigns.plans import is_sandbox
from leads.figures import scope_of
from leads.models import Stage


class CompareForm(VerbForm):
    days = forms.IntegerField(
        label=gettext_lazy("Days to reach the goal"),
        initial=DAYS,
        min_value=1,
        max_value=365,
        help_text=gettext_lazy("Who was taken in later than so many days ago does not count yet"),
    )
    goal = forms.ChoiceField(label=gettext_lazy("Goal"), choices=Stage.choices)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["goal"].initial = self.row.goal_stage or BOOKING


def compare(campaign: Campaign, form: Any, now: datetime, by: Any) -> str:
    return comparison(campaign, now, within_days=form.cleaned_data["days"], goal=form.cleaned_data["goal"])


def comparison(campaign: Campaign, now: datetime, **how: Any) -> str:
    """The sentence about the side, sandbox or real, on which the campaign works now."""
    sandbox = is_sandbox(campaign)
    said = compared(hold_out(scope_of(broker=campaign.broker, now=now), campaign, sandbox=sandbox, **how))
    return _("Played on the sandbox: %(said)s") % {"said": said} if sandbox else said
