"""The doors of messaging: the pages of those who want less of it, and the sandbox's phone."""

from typing import cast
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from brokers.models import Broker, User
from brokers.refusal import Refused
from leads.links import chosen_language
from leads.models import Lead
from messaging.phone import answer_as_lead, leads_with_messages, phone_of
from messaging.preferences import BUTTONS, choices_of, question, save_choices, turn_off_everything
from messaging.unsubscribe import Link, is_unsubscribed, lead_of, unsubscribe


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """RFC 8058: a POST takes the permission back, no login, cookie or question. Looking changes nothing."""
    link, broker = _link_of(token)
    if link is None or broker is None:
        return render(request, "messaging/unsubscribe_unknown.html", status=404)
    if request.method == "POST":
        unsubscribe(link=link, now=timezone.now())
    with translation.override(_language_of(request, link, broker)):
        context = {"broker": broker, "address": link.address, "token": token, "is_done": is_unsubscribed(link)}
        return render(request, "messaging/unsubscribe.html", context)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def preferences_page(request: HttpRequest, token: str) -> HttpResponse:
    """Who holds the link may choose, without login or cookie: whoever could forge the form would have to know the link.
    Looking changes nothing."""
    link, broker = _link_of(token)
    if link is None or broker is None:
        return render(request, "messaging/unsubscribe_unknown.html", status=404)
    with translation.override(_language_of(request, link, broker)):
        has_changed = _save_preferences(request, link) if request.method == "POST" else None
        context = {
            "broker": broker,
            "address": link.address,
            "question": question(broker),
            "choices": choices_of(link),
            "buttons": BUTTONS.items(),
            "has_changed": has_changed,
        }
        return render(request, "messaging/preferences.html", context)


def _save_preferences(request: HttpRequest, link: Link) -> bool:
    now, at_once = timezone.now(), request.POST.get("everything", "")
    if at_once in BUTTONS:
        return turn_off_everything(link=link, level=at_once, now=now)
    return bool(save_choices(link=link, wanted=request.POST.dict(), now=now))


def _link_of(token: str) -> tuple[Link | None, Broker | None]:
    """None, None for a token that is none of ours."""
    try:
        link = Link.parse(token)
        return link, Broker.objects.get(pk=link.broker_id)
    except (ValueError, Broker.DoesNotExist):
        return None, None


def _language_of(request: HttpRequest, link: Link, broker: Broker) -> str:
    """The one they switched to, else the lead's, else the brokerage's."""
    lead = lead_of(link)
    return chosen_language(request.GET) or (lead.language if lead else "") or broker.language


@login_required
@require_safe
def sandbox_list(request: HttpRequest) -> HttpResponse:
    return render(request, "messaging/sandbox_list.html", {"leads": leads_with_messages(_user(request))})


@login_required
@require_safe
def sandbox_phone(request: HttpRequest, lead_id: int) -> HttpResponse:
    lead = _lead_or_404(request, lead_id)
    context = {"phone": phone_of(lead, request.GET.get("channel", "")), "form_id": uuid4()}
    return render(request, "messaging/sandbox_phone.html", context)


@login_required
@require_POST
def sandbox_answer(request: HttpRequest, lead_id: int) -> HttpResponse:
    lead, channel = _lead_or_404(request, lead_id), request.POST.get("channel", "")
    try:
        form_id = UUID(request.POST.get("form_id", ""))
        text = request.POST.get("text", "")
        event = answer_as_lead(lead=lead, channel=channel, text=text, form_id=form_id, now=timezone.now())
        if event.error:
            messages.error(request, event.error)
    except Refused as refused:
        messages.error(request, str(refused))
    except ValueError:
        messages.error(request, _("This form is too old; please write it again."))
    address = reverse("messaging:sandbox-phone", args=[lead.pk])
    return redirect(f"{address}?{urlencode({'channel': channel})}")


def _lead_or_404(request: HttpRequest, lead_id: int) -> Lead:
    leads = Lead.objects.present().visible_to(_user(request)).select_related("broker", "assigned_to")
    return get_object_or_404(leads, pk=lead_id)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
