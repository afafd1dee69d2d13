"""Possible duplicates, side by side, and the buttons that merge them, part them again, or say that they are two."""

from contextlib import suppress
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import HistoryAdmin, TenantAdmin, who
from brokers.admin_verbs import HasVerbs, Verb
from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import merge_leads, preview_merge, unmerge_leads
from leads.actions.merging import UNDO_WITHIN
from leads.addresses import normalise_phone
from leads.duplicates import After, may_be_duplicates, possible_duplicates, say_not_duplicates
from leads.models import Lead, MergeRecord, NotDuplicate, OtherAddress

PAGE = 20


class OtherLeadForm(forms.Form):
    """Which lead is the same person."""

    other = forms.CharField(
        label=gettext_lazy("The other lead"),
        help_text=gettext_lazy("Its number, phone, e-mail address or whole name"),
        max_length=254,
    )

    def __init__(self, *args: Any, lead: Lead, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lead = lead

    def clean_other(self) -> Lead:
        found = list(_named(self.lead, self.cleaned_data["other"].strip())[:2])
        if len(found) > 1:
            raise forms.ValidationError(_("Several leads are called so; give the number or the phone of one."))
        if not found:
            raise forms.ValidationError(_("There is no such lead in this brokerage, or it is this one."))
        other: Lead = found[0]
        return other


def _named(lead: Lead, text: str) -> Any:
    others = Lead.objects.present().filter(broker=lead.broker_id).exclude(pk=lead.pk).order_by("pk")
    if text.isdecimal() and len(text) < 19 and others.filter(pk=text).exists():
        return others.filter(pk=text)
    if "@" in text:
        return others.filter(email=text.lower())
    with suppress(Refused):
        return others.filter(phone=normalise_phone(text, lead.broker.country))
    return others.filter(name__iexact=text)


class MergesLeads(TenantAdmin):
    """The part of LeadAdmin that finds and merges duplicates."""

    class Media:
        css: ClassVar[Any] = {"all": ["css/admin.css"]}

    def get_urls(self) -> list[Any]:
        pages = [
            path("duplicates/", self.admin_site.admin_view(self.duplicates_view), name="leads_lead_duplicates"),
            path("<path:object_id>/merge/", self.admin_site.admin_view(self.merge_view), name="leads_lead_merge"),
        ]
        return [*pages, *super().get_urls()]

    # The list.

    def duplicates_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_change_permission(request):
            raise Http404
        if request.method == "POST":
            self._say_two(request)
            return HttpResponseRedirect(request.get_full_path())
        broker = self._broker(request)
        after = None
        with suppress(ValueError):
            after = After.parse(request.GET.get("after", ""))
        pairs = possible_duplicates(broker=broker, after=after, limit=PAGE + 1) if broker else []
        return self.verb_page(
            request,
            title=_("Possible duplicates"),
            form=forms.Form(),
            template="admin/leads/lead/duplicates.html",
            pairs=pairs[:PAGE],
            after=after,
            older=str(pairs[PAGE - 1].after) if len(pairs) > PAGE else "",
            broker=broker,
            brokers=Broker.objects.visible_to(who(request)) if who(request).is_superuser else [],
        )

    def _broker(self, request: HttpRequest) -> Broker | None:
        """An operator chooses one; a broker admin has one."""
        own = who(request).broker
        if own is not None:
            return own
        brokers = Broker.objects.visible_to(who(request))
        chosen = request.GET.get("broker", "")
        return brokers.filter(pk=chosen).first() if chosen.isdecimal() else brokers.first()

    def _say_two(self, request: HttpRequest) -> None:
        one, other = (self.row_or_404(request, request.POST.get(name, "")) for name in ("one", "other"))
        try:
            say_not_duplicates(one=one, other=other, now=self.now(), by=who(request))
        except Refused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return
        self.message_user(request, _("%(one)s and %(other)s are two.") % {"one": one, "other": other})

    # One pair.

    def merge_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Choose the other one (`?other=`), compare the two, merge them."""
        into = self.row_or_404(request, object_id)
        given = request.POST if request.method == "POST" else request.GET
        form = OtherLeadForm(given if "other" in given else None, lead=into)
        other = form.cleaned_data["other"] if form.is_bound and form.is_valid() else None
        if other is None:
            return self._ask_for_other(request, into, form)
        if request.method == "POST":
            return self._merge(request, into, other)
        return self._compare(request, into, other)

    def _ask_for_other(self, request: HttpRequest, into: Lead, form: forms.Form) -> HttpResponse:
        return self.verb_page(
            request,
            title=_("Merge with another lead"),
            form=form,
            row=into,
            method="get",
            submit=_("Compare"),
            lines=[_("Nothing is merged yet: the two are compared first.")],
        )

    def _compare(self, request: HttpRequest, into: Lead, other: Lead) -> HttpResponse:
        try:
            preview = preview_merge(into=into, from_=other)
        except Refused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[into.pk]))
        return self.verb_page(
            request,
            title=_("Merge two leads"),
            form=forms.Form(),
            row=into,
            template="admin/leads/lead/merge.html",
            other=other,
            preview=preview,
            hours=int(UNDO_WITHIN.total_seconds() // 3600),
        )

    def _merge(self, request: HttpRequest, into: Lead, other: Lead) -> HttpResponse:
        try:
            merge_leads(into=into, from_=other, now=self.now(), by=who(request))
        except Refused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        done = _("%(other)s was merged into %(into)s. It can be undone for a day under Merges.")
        self.log_change(request, into, done % {"other": other, "into": into})
        self.message_user(request, done % {"other": other, "into": into}, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[into.pk]))


def _undo(row: MergeRecord, form: Any, now: Any, by: Any) -> str:
    unmerge_leads(record=row, now=now, by=by)
    return _("They are two leads again.")


def _tells(row: MergeRecord, now: Any) -> list[str]:
    return [
        _("Each gets back what was theirs before the merge."),
        _("What campaigns did since goes with the lead who entered them; all else that came since stays with %(lead)s.")
        % {"lead": row.into},
        _("Possible until %(moment)s.") % {"moment": f"{localtime(row.at + UNDO_WITHIN):%Y-%m-%d %H:%M}"},
    ]


def _list_again(row: NotDuplicate, form: Any, now: Any, by: Any) -> str:
    may_be_duplicates(said=row)
    return _("They are compared again.")


@admin.register(MergeRecord)
class MergeRecordAdmin(HasVerbs, HistoryAdmin):
    """Merges, and the button that undoes one."""

    hidden = ("moved", "before")
    list_display = ("into", "gone", "at", "by", "undone_at")
    list_select_related = ("into", "gone", "by")
    search_fields = ("into__name", "into__phone", "gone__name", "gone__phone", "gone__email")
    verbs: ClassVar[Any] = (
        Verb(
            "undo", gettext_lazy("Undo this merge"), _undo, is_offered=lambda row: row.undone_at is None, tells=_tells
        ),
    )


@admin.register(NotDuplicate)
class NotDuplicateAdmin(HasVerbs, HistoryAdmin):
    """What people said are two, and the button that takes it back."""

    leaves_list = True
    verbs: ClassVar[Any] = (Verb("again", gettext_lazy("They may be one after all"), _list_again),)
    list_display = ("first", "second", "by", "at")
    list_select_related = ("first", "second", "by")
    search_fields = ("first__name", "first__phone", "second__name", "second__phone")


@admin.register(OtherAddress)
class OtherAddressAdmin(HistoryAdmin):
    list_display = ("lead", "kind", "address")
    list_filter = ("kind",)
    list_select_related = ("lead",)
    search_fields = ("address", "lead__name", "lead__phone")
