"""The doors of messaging: the unsubscribe page, and the sandbox's phone."""

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
from leads.models import Lead
from messaging.phone import answer_as_lead, leads_with_messages, phone_of
from messaging.unsubscribe import Link, is_unsubscribed, unsubscribe


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """RFC 8058: a POST takes the permission back, no login, cookie or question. Looking changes nothing."""
    try:
        link = Link.parse(token)
        broker = Broker.objects.get(pk=link.broker_id)
    except (ValueError, Broker.DoesNotExist):
        return render(request, "messaging/unsubscribe_unknown.html", status=404)
    if request.method == "POST":
        unsubscribe(link=link, now=timezone.now())
    with translation.override(_language_of(link, broker)):
        context = {"broker": broker, "address": link.address, "is_done": is_unsubscribed(link)}
        return render(request, "messaging/unsubscribe.html", context)


def _language_of(link: Link, broker: Broker) -> str:
    spoken = Lead.objects.filter(pk=link.lead_id, broker=broker).values_list("language", flat=True).first()
    return spoken or broker.language


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
