"""The page of an agent: leads that may be claimed, and those that they claimed today."""

from datetime import timedelta
from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from brokers.models import User
from brokers.refusal import Refused
from leads.actions import claim_lead
from leads.models import Lead, Offer, OfferOutcome

CLAIMED_SHOWN = timedelta(days=1)


@login_required
@never_cache
@require_safe
def offers(request: HttpRequest) -> HttpResponse:
    """Of a lead that may be claimed nobody sees how to reach them before it is claimed."""
    now, user = timezone.now(), cast(User, request.user)
    mine = Offer.objects.visible_to(user).filter(agent=user).select_related("lead")
    offered = mine.open().filter(expires_at__gt=now, lead__deleted_at=None).order_by("expires_at", "id")
    claimed = mine.filter(
        outcome=OfferOutcome.CLAIMED,
        closed_at__gt=now - CLAIMED_SHOWN,
        offered_at__gt=now - 2 * CLAIMED_SHOWN,
        lead__assigned_to=user,
        lead__deleted_at=None,
    ).order_by("-closed_at", "-id")
    return render(request, "leads/offers.html", {"offers": offered[:100], "claimed": claimed[:50]})


@login_required
@require_POST
def claim(request: HttpRequest, lead_id: int) -> HttpResponse:
    user = cast(User, request.user)
    was_offered = Offer.objects.visible_to(user).filter(agent=user, lead=lead_id).exists()
    lead = Lead.objects.filter(pk=lead_id).first() if was_offered else None
    if lead is None:
        raise Http404
    try:
        claim_lead(lead=lead, by=user, now=timezone.now())
        messages.success(request, _("%(lead)s is yours.") % {"lead": lead})
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("leads:offers")
