"""Moving leads through the pipeline from the admin: one form, for one lead or for the chosen ones."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from brokers.admin_base import who
from brokers.admin_verbs import HasVerbs
from brokers.refusal import Refused
from leads.actions import allowed_moves, move_stage
from leads.models import CLOSE_REASONS, Cause, Lead, Stage

MOST_AT_ONCE = 500
REFUSALS_SHOWN = 20


ASK_WHY = {
    Stage.PERDIDO: gettext_lazy("Say why: one of the reasons to be lost."),
    Stage.GANADO: gettext_lazy("Say how: one of the reasons to be won."),
}


def close_reasons() -> list[tuple[Any, Any]]:
    """Grouped by the stage that they close with; `otro` is of both."""
    groups = [(Stage(stage).label, reasons.choices) for stage, reasons in CLOSE_REASONS.items()]
    return [("", "–"), *groups]


class MoveForm(forms.Form):
    to = forms.ChoiceField(label=gettext_lazy("Move to"), choices=Stage.choices)
    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"),
        choices=close_reasons,
        required=False,
        help_text=gettext_lazy("Needed for Won and for Lost"),
    )
    is_correction = forms.BooleanField(
        label=gettext_lazy("Correct a mistake"),
        required=False,
        help_text=gettext_lazy("Any stage may be chosen; no campaign is started by it"),
    )
    words = forms.CharField(
        label=gettext_lazy("What was wrong"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Needed for a correction"),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        to, reason = given.get("to"), given.get("reason")
        if given.get("is_correction"):
            if not given.get("words") and "words" not in self.errors:
                self.add_error("words", _("Say what was wrong."))
        elif to in CLOSE_REASONS and reason not in CLOSE_REASONS[to].values:
            self.add_error("reason", ASK_WHY[to])
        return given

    def move(self, *, lead: Lead, by: Any, now: Any) -> Lead:
        """Raises Refused as `move_stage` does."""
        cause = Cause.CORRECTION if self.cleaned_data["is_correction"] else Cause.AGENT
        to = self.cleaned_data["to"]
        closing = self.cleaned_data["reason"] if to in CLOSE_REASONS else ""
        reason = self.cleaned_data["words"] if cause == Cause.CORRECTION else closing
        return move_stage(lead=lead, to=to, now=now, cause=cause, by=by, reason=reason)


class SeenMoveForm(MoveForm):
    """For one lead: `seen` is the stage it was in when the person decided to move it."""

    seen = forms.ChoiceField(choices=Stage.choices, widget=forms.HiddenInput)

    def __init__(self, *args: Any, lead: Lead, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lead, self.fields["seen"].initial = lead, lead.pipeline_stage
        moves = ", ".join(str(Stage(stage).label) for stage in allowed_moves(lead)) or "–"
        self.fields["to"].help_text = _("Allowed now: %(moves)s") % {"moves": moves}

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("seen", self.lead.pipeline_stage) != self.lead.pipeline_stage:
            raise forms.ValidationError(
                _("Somebody moved this lead to %(stage)s meanwhile; look again before you move it.")
                % {"stage": self.lead.get_pipeline_stage_display()}
            )
        return super().clean()


class MovesLeads(HasVerbs):
    """The part of LeadAdmin that moves leads."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.move_view)
        return [path("<path:object_id>/move/", view, name="leads_lead_move"), *super().get_urls()]

    def move_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        lead = self.row_or_404(request, object_id)
        form = SeenMoveForm(request.POST if request.method == "POST" else None, lead=lead)
        if form.is_bound and form.is_valid() and self._moved(request, form, lead):
            return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[lead.pk]))
        title = _("Move to another stage")
        lines = [_("Stage now: %(stage)s") % {"stage": lead.get_pipeline_stage_display()}]
        return self.verb_page(request, title=title, form=form, row=lead, lines=lines)

    def _moved(self, request: HttpRequest, form: MoveForm, lead: Lead) -> bool:
        try:
            moved = form.move(lead=lead, by=who(request), now=self.now())
        except Refused as refusal:
            form.add_error(None, str(refusal))
            return False
        stage = moved.get_pipeline_stage_display()
        self.message_user(request, _("%(lead)s is in %(stage)s now.") % {"lead": moved, "stage": stage})
        return True

    @admin.action(description=gettext_lazy("Move to another stage"), permissions=["change"])
    def move_chosen(self, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse | None:
        form = MoveForm(request.POST if "to" in request.POST else None)
        leads = list(queryset.order_by("id")[: MOST_AT_ONCE + 1])
        if len(leads) > MOST_AT_ONCE:
            message = _("Choose %(most)d leads at most.") % {"most": MOST_AT_ONCE}
            self.message_user(request, message, messages.ERROR)
            return None
        if form.is_bound and form.is_valid():
            self._move_all(request, form, leads)
            return None
        hidden = [("action", "move_chosen"), *(("_selected_action", str(lead.pk)) for lead in leads)]
        title = _("Move to another stage")
        return self.verb_page(request, title=title, form=form, hidden=hidden, lines=leads[:REFUSALS_SHOWN])

    def _move_all(self, request: HttpRequest, form: MoveForm, leads: Iterable[Lead]) -> None:
        moved, refused = 0, []
        for lead in leads:
            try:
                form.move(lead=lead, by=who(request), now=self.now())
                moved += 1
            except Refused as refusal:
                refused.append(f"{lead}: {refusal}")
        done = ngettext("%(count)d lead was moved.", "%(count)d leads were moved.", moved) % {"count": moved}
        self.message_user(request, done, messages.SUCCESS if moved else messages.WARNING)
        for line in refused[:REFUSALS_SHOWN]:
            self.message_user(request, line, messages.ERROR)
        if len(refused) > REFUSALS_SHOWN:
            self.message_user(request, _("… %d in all were refused.") % len(refused), messages.ERROR)
