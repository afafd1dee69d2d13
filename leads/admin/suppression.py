"""The list of those who are not to be contacted: seen, searched, added to, and left by a consent only."""

from collections import Counter
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from brokers.admin_base import BROKER, TenantForm, visible_rows, who
from brokers.admin_verbs import HasVerbs, Verb
from brokers.models import Broker
from brokers.refusal import Refused
from leads.actions import preview_suppression, record_consent, suppress_addresses
from leads.addresses import normalise_address
from leads.admin.consent import CHANNEL_CHOICES, ConsentForm
from leads.consents import ANY_CHANNEL
from leads.models import ContactPermission, PermissionPurpose, Suppression
from leads.suppression import HEADER, INVALID, NEW, REACH_NAMES, VERDICTS, Listed

REACH_CHOICES = list(REACH_NAMES.items())
LONGEST_FILE = 2_000_000
SOURCES_FROM = 10_000
SHOWN_LINES = 500
SOURCE_HELP = gettext_lazy("What it comes from: REPEP, No Llame, told by phone, …")


class ReleaseForm(ConsentForm):
    """For the address and the channel as they stand."""

    channel = purpose = None


def _release(row: Suppression, form: Any, now: datetime, by: Any) -> str:
    about: dict[str, Any] = {"address": row.address, "channel": row.channel, "purpose": row.purpose}
    evidence = {"by": by.get_username(), "ends": row.pk}
    record_consent(broker=row.broker, kind="granted", now=now, evidence=evidence, **about, **form.told())
    return _("The consent of %(address)s was recorded.") % {"address": row.address}


def _tell_release(row: Suppression, now: datetime) -> list[str]:
    return [
        _("%(address)s leaves the list only by a consent of the person, with its proof.") % {"address": row.address},
        _("What took the permission back stays on record."),
    ]


def _why_not(text: str, lines: list[Listed]) -> str:
    """Of an address that was given alone, which is no heading, nor several lines."""
    if len(lines) != 1 or lines[0].verdict == HEADER:
        return f"{text}: {VERDICTS[INVALID]}"
    return lines[0].fault or f"{lines[0].address}: {lines[0].explanation}"


RELEASE = Verb(
    "release", gettext_lazy("Take off the list by a consent"), _release, form=ReleaseForm, tells=_tell_release
)


class SourceFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("source"), "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = ContactPermission.objects.visible_to(who(request)).filter(kind="revoked").order_by("-id")
        return [(source, source) for source in sorted(set(rows.values_list("source", flat=True)[:SOURCES_FROM]))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(source=self.value()) if self.value() else queryset


class ChannelFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("channel"), "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return CHANNEL_CHOICES

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(channel=self.value()) if self.value() else queryset


class SuppressionForm(TenantForm):
    refusal_fields = {"source_invalid": "source", "list_too_long": "address", "address_invalid": "address"}
    reach = forms.ChoiceField(label=gettext_lazy("Channel"), choices=REACH_CHOICES)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "address" in self.fields:  # else it is only looked at
            self.fields["address"].required = True
            self.fields["source"].help_text = SOURCE_HELP


class ManyForm(forms.Form):
    """`broker` is offered to operators only."""

    broker = forms.ModelChoiceField(label=gettext_lazy("brokerage"), queryset=Broker.objects.none())
    lines = forms.CharField(
        label=gettext_lazy("Addresses"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 10, "class": "vLargeTextField"}),
        help_text=gettext_lazy("One a line: phones, e-mail addresses; or lines of a CSV in which one of them stands"),
    )
    file = forms.FileField(
        label=gettext_lazy("Or a file"), required=False, help_text=gettext_lazy("CSV or text, 2 MB at most")
    )
    reach = forms.ChoiceField(label=gettext_lazy("Channel"), choices=REACH_CHOICES)
    purpose = forms.ChoiceField(label=gettext_lazy("Purpose"), choices=PermissionPurpose.choices)
    source = forms.CharField(label=gettext_lazy("Source"), max_length=60, help_text=SOURCE_HELP)
    wording = forms.CharField(label=gettext_lazy("Reason"), required=False, max_length=500)

    def __init__(self, *args: Any, brokers: Any, is_operator: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_operator:
            self.fields[BROKER].queryset = brokers  # type: ignore[attr-defined]
        else:
            del self.fields[BROKER]

    def clean_file(self) -> str:
        given: UploadedFile | None = self.cleaned_data["file"]
        if given is None:
            return ""
        if (given.size or 0) > LONGEST_FILE:
            raise forms.ValidationError(_("This file is too large; divide it."))
        return _text_of(given.read())

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        given["text"] = "\n".join(filter(None, (given.get("lines", "").strip(), given.get("file", "").strip())))
        if not self.errors and not given["text"]:
            self.add_error("lines", _("Paste some addresses, or choose a file."))
        return given


def _text_of(data: bytes) -> str:
    """Spreadsheets write UTF-8, UTF-16 or Windows-1252."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").replace("\0", "")
    try:
        return data.decode("utf-8-sig").replace("\0", "")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace").replace("\0", "")


@admin.register(Suppression)
class SuppressionAdmin(HasVerbs):
    """Those whose newest word is that they are to be left alone."""

    form = SuppressionForm
    verbs = (RELEASE,)
    can_change = False
    leaves_list = True
    change_list_template = "admin/leads/suppression/change_list.html"
    add_fields = ("address", "reach", "purpose", "source", "wording")
    fields = ("address", "lead", "channel_name", "purpose", "source", "wording", "evidence", "at")
    list_display = ("address", "channel_name", "purpose", "source", "at", "lead")
    list_filter = (ChannelFilter, SourceFilter, "purpose")
    list_select_related = ("lead",)
    search_fields = ("address",)
    search_help_text = gettext_lazy("A phone or e-mail address, or a part of one")

    readonly_fields = ("channel_name",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "title": _("Suppression list")})

    @admin.display(description=gettext_lazy("channel"), ordering="channel")
    def channel_name(self, row: Suppression) -> str:
        return str(REACH_NAMES.get(row.channel, row.channel))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Suppression]:
        return super().get_queryset(request).standing()  # type: ignore[attr-defined]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """A phone as people write it is found as it is stored."""
        broker = who(request).broker
        try:
            address = normalise_address(search_term, ANY_CHANNEL, broker.country if broker else "")
        except Refused:
            address = ""
        exact = queryset.filter(address=address) if address else queryset.none()
        return (exact, False) if exact.exists() else super().get_search_results(request, queryset, search_term)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj is not None else self.add_fields

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in ("reach", "purpose", "source", "wording")}
        text = form.cleaned_data["address"]
        lines = suppress_addresses(broker=obj.broker, text=text, by=who(request), now=self.now(), **given)
        if [line.verdict for line in lines] != [NEW]:
            raise Refused("address_invalid", _why_not(text, lines))
        rows = ContactPermission.objects.filter(broker=obj.broker, address=lines[0].address)
        obj.pk = rows.latest("pk").pk

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.many_view)
        return [path("many/", view, name="leads_suppression_many"), *super().get_urls()]

    def many_view(self, request: HttpRequest) -> HttpResponse:
        """First shown line by line, then done."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        files = request.FILES if request.method == "POST" else None
        brokers = visible_rows(self.admin_site, Broker, request)
        data = request.POST if request.method == "POST" else None
        form = ManyForm(data, files, brokers=brokers, is_operator=request.user.is_superuser)
        if form.is_bound and form.is_valid():
            try:
                return self._preview_or_add(request, form)
            except Refused as refused:
                form.add_error("lines", str(refused))
        return self.verb_page(request, title=_("Add many addresses"), form=form, submit=_("Look at it first"))

    def _preview_or_add(self, request: HttpRequest, form: ManyForm) -> HttpResponse:
        given = {name: form.cleaned_data[name] for name in ("text", "reach", "purpose")}
        proof = {name: form.cleaned_data[name] for name in ("source", "wording")}
        broker = cast(Broker, form.cleaned_data.get(BROKER) or who(request).broker)
        if "confirmed" not in request.POST:
            lines = preview_suppression(broker=broker, **given)
            return self._preview(request, lines, {**given, **proof, BROKER: form.data.get(BROKER, "")})
        lines = suppress_addresses(broker=broker, by=who(request), now=self.now(), **given, **proof)
        added = Counter(line.verdict for line in lines)[NEW]
        done = ngettext("%(count)d address was added.", "%(count)d addresses were added.", added) % {"count": added}
        self.message_user(request, done, messages.SUCCESS if added else messages.WARNING)
        return HttpResponseRedirect(reverse("admin:leads_suppression_changelist"))

    def _preview(self, request: HttpRequest, lines: list[Listed], given: dict[str, Any]) -> HttpResponse:
        counts = Counter(line.verdict for line in lines)
        can_add = counts[NEW] > 0
        hidden = [("lines", given.pop("text")), *given.items(), ("confirmed", "yes")] if can_add else []
        shown = sorted(lines, key=lambda line: (line.verdict == NEW, line.number))[:SHOWN_LINES]
        return self.verb_page(
            request,
            title=_("Add many addresses"),
            form=forms.Form(),
            hidden=hidden,
            method="post" if can_add else "get",
            submit=_("Add to the list") if can_add else _("Give another list"),
            template="admin/leads/suppression/preview.html",
            counts=[(VERDICTS[verdict], counts[verdict]) for verdict in VERDICTS if counts[verdict]],
            shown=shown,
            left_out=len(lines) - len(shown),
            can_add=can_add,
        )
