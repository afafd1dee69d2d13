"""The page of a lead, from which people write to them."""

from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import who
from brokers.refusal import Refused
from leads.admin.lead import LeadAdmin
from leads.models import Lead
from messaging.clock import SystemClock
from messaging.conversation import conversation_with
from messaging.desk import Desk, desk_for
from messaging.models import ACCEPTED, Message, MessageStatus
from messaging.writing import told, write_message

SHOWN_ABOVE_THE_FORM = 10
# Where the fault lies that a verb names.
FIELD_OF = {
    "empty": "text",
    "either": "text",
    "subject_missing": "subject",
    "template_other": "template",
    "template_inactive": "template",
    "needs_template": "template",
    "missing_variable": "template",
    "outside_hours": "override",
    "window_never_opens": "override",
}


class WriteForm(forms.Form):
    """To one lead, by one of the channels that reach them; `override` is asked for only where the hours are wrong."""

    channel = forms.ChoiceField(label=gettext_lazy("Channel"))
    template = forms.ChoiceField(
        label=gettext_lazy("Template"),
        required=False,
        help_text=gettext_lazy("Instead of your own words; how each one reads for this lead stands below"),
    )
    subject = forms.CharField(
        label=gettext_lazy("Subject"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("E-mail only"),
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )
    text = forms.CharField(
        label=gettext_lazy("Text"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "class": "vLargeTextField"}),
    )
    override = forms.CharField(
        label=gettext_lazy("Why it cannot wait"),
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
    )

    def __init__(self, *args: Any, desk: Desk, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.desk = desk
        channel, template = self.fields["channel"], self.fields["template"]
        channel.choices = [(way.channel, way.label) for way in desk.open]  # type: ignore[attr-defined]
        channel.initial = desk.first_channel
        template.choices = [("", "–"), *desk.template_choices]  # type: ignore[attr-defined]
        self.fields["subject"].initial = desk.subject
        if not any(way.channel == "email" for way in desk.open):
            del self.fields["subject"]
        if len(template.choices) == 1:  # type: ignore[attr-defined]
            del self.fields["template"]
        if desk.hours:
            self.fields["override"].help_text = desk.hours
        else:
            del self.fields["override"]

    def wish(self) -> dict[str, Any]:
        """What `write_message` takes."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "template"}
        chosen = self.cleaned_data.get("template")
        return given | {"template": self.desk.templates[int(chosen)].row if chosen else None}

    def show(self, refusal: Refused) -> None:
        """The fault at the field where it lies, else on top."""
        field = FIELD_OF.get(refusal.reason.partition(":")[0])
        for fault in refusal.faults or [str(refusal)]:
            self.add_error(field if field in self.fields else None, fault)


class ConversingLeadAdmin(LeadAdmin):
    """A lead's page with the conversation, and a page on which to go on with it."""

    change_form_template = "admin/messaging/lead_page.html"

    class Media:
        css = {"all": ["css/admin.css"]}

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.write_view)
        return [path("<path:object_id>/write/", view, name="leads_lead_write"), *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        lead = self.get_object(request, unquote(object_id))
        conversation = conversation_with(lead) if lead is not None else []
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), "conversation": conversation}
        return super().change_view(request, object_id, *args, **kwargs)

    def write_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        lead, now = self.row_or_404(request, object_id), self.now()
        form_id = _form_id(request.POST.get("form_id", ""))
        form = WriteForm(request.POST if request.method == "POST" else None, desk=desk_for(lead, now))
        if form.is_bound and form.is_valid():
            message = self._written(request, form, lead, form_id)
            if message is not None and message.status not in (MessageStatus.FAILED, MessageStatus.CANCELLED):
                return HttpResponseRedirect(reverse("admin:leads_lead_change", args=[lead.pk]))
            if message is not None:  # it reached nobody, so the next try is another message
                form_id, form = uuid4(), WriteForm(request.POST, desk=desk_for(lead, now))
        return self._write_page(request, lead, form, form_id)

    def _write_page(self, request: HttpRequest, lead: Lead, form: WriteForm, form_id: UUID) -> HttpResponse:
        return self.verb_page(
            request,
            title=_("Write a message"),
            submit=_("Send"),
            form=form,
            row=lead,
            hidden=[("form_id", form_id)],
            lines=form.desk.closed,
            desk=form.desk,
            conversation=conversation_with(lead, most=SHOWN_ABOVE_THE_FORM),
            template="admin/messaging/write.html",
        )

    def _written(self, request: HttpRequest, form: WriteForm, lead: Lead, form_id: UUID) -> Message | None:
        try:
            message = write_message(lead=lead, by=who(request), clock=SystemClock(), form_id=form_id, **form.wish())
        except Refused as refusal:
            form.show(refusal)
            return None
        says = told(message)
        is_sent = message.status in (*ACCEPTED, MessageStatus.SENDING)
        self.log_change(request, lead, f"{_('Write a message')}: {says}")
        self.message_user(request, says, messages.SUCCESS if is_sent else messages.WARNING)
        return message


def _form_id(posted: str) -> UUID:
    """That of the form that was posted, else a new one."""
    try:
        return UUID(posted)
    except ValueError:
        return uuid4()
