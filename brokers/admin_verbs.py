"""Verbs as pages of the admin: what will happen, a button, and what was refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from brokers.admin_base import TenantAdmin, who
from brokers.models import User
from brokers.refusal import Refused
from brokers.storing import keep_years


class VerbForm(forms.Form):
    """What a verb needs to know; `row` is what it is done to."""

    def __init__(self, *args: Any, row: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        for field in self.fields.values():
            keep_years(field)


def _nothing(row: Any, now: datetime) -> list[str]:
    return []


def _always(row: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Verb:
    """A button: for which rows it is offered, what it asks, tells beforehand and does (it returns what it did).

    One that `is_question` changes nothing: what it returns is shown.
    """

    name: str
    title: Any
    run: Callable[[Any, Any, datetime, User], str]
    is_offered: Callable[[Any], bool] = _always
    form: type[VerbForm] = VerbForm
    tells: Callable[[Any, datetime], list[str]] = _nothing
    is_question: bool = False


class HasVerbs(TenantAdmin):
    """An admin whose rows have buttons. Each has a page of its own; what was pressed is kept in the row's history."""

    verbs: ClassVar[Sequence[Verb]] = ()
    change_form_template = "admin/with_verbs.html"
    # Whether a row is gone from its list once a verb was done.
    leaves_list = False

    class Media:
        css: ClassVar[Any] = {"all": ["css/admin.css"]}

    def may_press(self, request: HttpRequest, row: Any) -> bool:
        return self._is_admin(request)

    def get_urls(self) -> list[Any]:
        pages = [
            path(
                f"<path:object_id>/{verb.name}/",
                self.admin_site.admin_view(partial(self.verb_view, verb=verb)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{verb.name}",
            )
            for verb in self.verbs
        ]
        return [*pages, *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        is_pressable = row is not None and self.may_press(request, row)
        offered = [verb for verb in self.verbs if is_pressable and verb.is_offered(row)]
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), "verbs": offered}
        return super().change_view(request, object_id, *args, **kwargs)

    def verb_view(self, request: HttpRequest, object_id: str, *, verb: Verb) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        if row is None or not self.may_press(request, row):
            raise Http404
        if verb.is_question:
            return self._answer(request, row, verb)
        form = verb.form(request.POST if request.method == "POST" else None, row=row)
        if form.is_bound and form.is_valid() and (self.press(request, row, verb, form) or not form.fields):
            return HttpResponseRedirect(self._after(row))
        return self.verb_page(request, title=verb.title, form=form, row=row, lines=verb.tells(row, self.now()))

    def _answer(self, request: HttpRequest, row: Any, verb: Verb) -> HttpResponse:
        # A question that asks for nothing is answered at once.
        form = verb.form(request.GET if request.GET or not verb.form.base_fields else None, row=row)
        answer = verb.run(row, form, self.now(), who(request)) if form.is_valid() else ""
        return self.verb_page(request, title=verb.title, form=form, row=row, method="get", answer=answer)

    def press(self, request: HttpRequest, row: Any, verb: Verb, form: VerbForm) -> bool:
        """Do it and say what was done, or what was refused; whether it was done."""
        try:
            done = verb.run(row, form, self.now(), who(request))
        except Refused as refusal:
            for fault in refusal.faults or [str(refusal)]:
                self.message_user(request, fault, messages.ERROR)
            return False
        self.log_change(request, row, f"{verb.title}: {done}")
        self.message_user(request, done, messages.SUCCESS)
        return True

    def _after(self, row: Any) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}"
        return reverse(f"{name}_changelist") if self.leaves_list else reverse(f"{name}_change", args=[row.pk])
