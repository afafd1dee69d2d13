"""How a brokerage scores and qualifies: a page of fields, which tells what would change before anything does."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin import BrokerAdmin
from brokers.admin_verbs import HasVerbs, Verb
from brokers.models import Broker
from brokers.refusal import Refused
from brokers.score_rules import RANGES, STAGE_POINTS, THRESHOLDS, QualificationRules, ScoreRules, Tiers
from leads.actions import set_score_rules, would_change
from leads.actions.recalculating import Recalculation
from leads.actions.rules import checked_rules
from leads.explaining import LABELS
from leads.models import Stage

# A preview looks at so many leads, the newest, while somebody waits.
LOOKED_AT = 20_000

THRESHOLD_LABELS = {
    "cold_max": gettext_lazy("Cold up to"),
    "warm_max": gettext_lazy("Warm up to"),
    "advance_min": gettext_lazy("To financial qualification from"),
}
WEIGHT_LABELS: dict[str, Any] = {
    **{key: LABELS[key] for key in ("name", "phone", "email", "location", "timeline", "budget")},
    "income_tiers": LABELS["income"],
    "dicom_clean": gettext_lazy("DICOM clean"),
    "acceptable_debt": gettext_lazy("Acceptable debt"),
    "acceptable_debt_max": gettext_lazy("Debt is acceptable up to"),
    "inbound_tiers": LABELS["inbound"],
    **{key: LABELS[key] for key in ("quick_replies", "long_call", "booking")},
    "opted_out": LABELS["opted_out"],
    "silent": LABELS["silent"],
    "silent_after_days": gettext_lazy("Silence counts from how many days on"),
    "invalid_address": LABELS["invalid_address"],
}
QUALIFICATION_LABELS = {
    "income_min": gettext_lazy("Monthly income needed at least"),
    "income_qualified": gettext_lazy("Monthly income that qualifies"),
    "debt_max": gettext_lazy("Debt acceptable up to"),
}
TIERS = ("income_tiers", "inbound_tiers")


class TiersField(forms.CharField):
    """A line for each tier: from how much on, and how many points."""

    widget = forms.Textarea(attrs={"rows": 4, "cols": 30})

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else "\n".join(f"{least} = {points}" for least, points in value or ())

    def clean(self, value: Any) -> Any:
        return [self._tier(line) for line in super().clean(value).splitlines() if line.strip()]

    def _tier(self, line: str) -> list[int]:
        try:
            least, points = (int(part.strip().replace(".", "").replace(",", "")) for part in line.split("="))
        except ValueError:
            message = _("“%(line)s” is no tier; write it such as 1000000 = 8") % {"line": line.strip()}
            raise forms.ValidationError(message) from None
        return [least, points]


class RulesForm(forms.Form):
    """Every weight and threshold as a field of its own; what equals the default is not stored."""

    def __init__(self, *args: Any, broker: Broker, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.broker, rules = broker, broker.rules
        for key, label in (THRESHOLD_LABELS | WEIGHT_LABELS).items():
            self.fields[key] = _field(key, label, getattr(rules.score, key))
        for stage, points in rules.score.stages:
            self.fields[f"stage_{stage}"] = _number(Stage(stage).label, points, STAGE_POINTS)
        for key, label in QUALIFICATION_LABELS.items():
            amount = getattr(rules.qualification, key)
            self.fields[key] = forms.DecimalField(label=label, min_value=0, decimal_places=2, initial=amount)

    def groups(self) -> Iterator[tuple[Any, Any, list[Any]]]:
        """Title, explanation and fields of each part of the page."""
        yield _("Status"), _("Above warm is hot."), self._bound(THRESHOLD_LABELS)
        yield _("Points"), _("Penalties are negative. Scores are kept within 0 and 100."), self._bound(WEIGHT_LABELS)
        yield _("Points of the stage"), "", self._bound(f"stage_{stage}" for stage in Stage.values)
        yield (
            _("Qualification"),
            _("Amounts in %(currency)s.") % {"currency": self.broker.currency},
            self._bound(QUALIFICATION_LABELS),
        )

    def _bound(self, names: Any) -> list[Any]:
        return [self[name] for name in names]

    def rules(self) -> dict[str, dict[str, Any]]:
        """As the verb takes them."""
        given, default = self.cleaned_data, ScoreRules()
        stages = {stage: given[f"stage_{stage}"] for stage, points in default.stages}
        weights = {key: given[key] for key in WEIGHT_LABELS if _differs(given[key], getattr(default, key))}
        own = {stage: points for stage, points in stages.items() if points != dict(default.stages)[stage]}
        return {
            "score_thresholds": {key: given[key] for key in THRESHOLDS if given[key] != getattr(default, key)},
            "score_weights": weights | ({"stages": own} if own else {}),
            "qualification_rules": _qualification(given),
        }

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                checked_rules(self.broker, self.rules())
            except Refused as refusal:
                for fault in refusal.faults:
                    field = fault.partition("=")[0]
                    self.add_error(field if field in self.fields else None, fault)
        return given


def _field(key: str, label: Any, value: Any) -> forms.Field:
    if key not in TIERS:
        return _number(label, value, RANGES[key])
    return TiersField(label=label, initial=value, required=False, help_text=_("A line each: from = points"))


def _number(label: Any, value: int, within: tuple[int, int]) -> forms.Field:
    return forms.IntegerField(label=label, initial=value, min_value=within[0], max_value=within[1])


def _differs(given: Any, default: int | Tiers) -> bool:
    return sorted(map(tuple, given)) != sorted(default) if isinstance(default, tuple) else bool(given != default)


def _qualification(given: Mapping[str, Any]) -> dict[str, str]:
    default = {field.name: field.default for field in fields(QualificationRules)}
    return {key: str(Decimal(given[key])) for key, value in default.items() if given[key] != value}


class SetsRules(HasVerbs, BrokerAdmin):
    """The part of a brokerage's page that sets how it scores."""

    rules_page = Verb("score_rules", gettext_lazy("Score and qualification rules"), lambda *_unused: "")
    verbs = (rules_page,)

    def verb_view(self, request: HttpRequest, object_id: str, *, verb: Verb) -> HttpResponse:
        if verb is not self.rules_page:
            return super().verb_view(request, object_id, verb=verb)
        broker = self.get_object(request, object_id)
        if broker is None or not self.may_press(request, broker):
            raise Http404
        form = RulesForm(request.POST if request.method == "POST" else None, broker=broker)
        if not form.is_bound or not form.is_valid():
            return self._rules_page(request, broker, form, submit=_("See what would change"))
        rules = form.rules()
        seen = sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()
        if request.POST.get("seen") != seen:
            lines, hidden = self._preview(broker, rules), [("seen", seen)]
            return self._rules_page(request, broker, form, submit=_("Save these rules"), lines=lines, hidden=hidden)
        return self._save(request, broker, rules)

    def _rules_page(self, request: HttpRequest, broker: Broker, form: RulesForm, **context: Any) -> HttpResponse:
        title, template = self.rules_page.title, "admin/score_rules.html"
        return self.verb_page(request, title=title, form=form, row=broker, template=template, **context)

    def _preview(self, broker: Broker, rules: Mapping[str, Any]) -> list[str]:
        changed = checked_rules(broker, rules)
        seen = would_change(broker=broker, rules=replace(changed.rules), now=self.now(), most=LOOKED_AT)
        lines = [_("Nothing is saved yet. Of the %(leads)d newest leads:") % {"leads": seen.leads}, *_told(seen)]
        if seen.scores:
            lines.append(_("Their scores change: campaigns that begin at a score take in whoever reaches it by this."))
        return lines

    def _save(self, request: HttpRequest, broker: Broker, rules: Mapping[str, Any]) -> HttpResponse:
        done = set_score_rules(broker=broker, now=self.now(), **rules)
        self.log_change(request, broker, str(self.rules_page.title))
        if done is None:
            self.message_user(request, _("The rules are saved; the leads follow tonight, by recalculate_scores."))
        else:
            self.message_user(request, " ".join([_("The rules are saved."), *_told(done)]))
        return HttpResponseRedirect(self._after(broker))


def _told(counts: Recalculation) -> list[str]:
    return [
        _("Leads that change their status: %(count)d.") % {"count": counts.statuses},
        _("Leads that change their qualification: %(count)d.") % {"count": counts.qualifications},
        _("Leads that move on to another stage: %(count)d.") % {"count": counts.moved},
    ]
