"""The door at which providers report: verify, store, apply, answer."""

import logging
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from messaging.base import Adapter, Event
from messaging.inbound import receive_event
from messaging.models import ChannelAccount
from messaging.providers import adapter_for

logger = logging.getLogger(__name__)


class NameOnly(FileUploadHandler):
    """What was attached is called by its name; the rest of it goes by, neither into memory nor onto the disk."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        return None

    def file_complete(self, file_size: int) -> SimpleUploadedFile:
        return SimpleUploadedFile(self.file_name or "", b"", self.content_type or "application/octet-stream")


def webhook_url(account: ChannelAccount) -> str:
    """The public address to which the account's provider reports."""
    return settings.PUBLIC_URL + reverse("messaging:webhook", args=[account.provider, account.webhook_token])


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@transaction.non_atomic_requests
def webhook(request: HttpRequest, provider: str, token: str) -> HttpResponse:
    """200 for what was applied, was known already or concerns nobody here; 403 for a bad signature or address; 400 for
    what cannot be read, 413 for what is too long; our own bug is a 500, after which the provider tries again. Some look
    whether there is a door before they take its address; that tells and changes nothing."""
    if request.method != "POST":
        return HttpResponse()
    accounts = ChannelAccount.objects.select_related("broker").filter(provider=provider)
    # No column can hold a NUL.
    account = accounts.filter(webhook_token=token).first() if "\x00" not in token else None
    if account is None:
        return HttpResponse(status=403)
    adapter = adapter_for(account)
    if _is_too_long(request, adapter.longest_body(request)):
        return HttpResponse(status=413)
    request.upload_handlers = [NameOnly(request)]
    try:
        return _take_in(request, account, adapter)
    except RequestDataTooBig:
        logger.warning("A webhook call for account %s has more text than is read", account.pk)
        return HttpResponse(status=413)


def _take_in(request: HttpRequest, account: ChannelAccount, adapter: Adapter) -> HttpResponse:
    if not adapter.verify(request):
        logger.warning("A webhook call for account %s was not signed by its provider", account.pk)
        return HttpResponse(status=403)
    try:
        payload = adapter.read(request)
        events = adapter.parse(payload)
    except (KeyError, TypeError, ValueError, RecursionError):
        logger.warning("A webhook call for account %s cannot be read", account.pk, exc_info=True)
        return HttpResponse(status=400)
    heard = [_is_heard(account, event, payload) for event in events]
    return HttpResponse(status=200 if all(heard) else 500)


def _is_too_long(request: HttpRequest, longest: int) -> bool:
    """A request says how long it is, and nothing behind that is read."""
    said = request.META.get("CONTENT_LENGTH") or "0"
    return not said.isdecimal() or int(said) > longest


def _is_heard(account: ChannelAccount, event: Event, payload: Mapping[str, Any]) -> bool:
    """Whether an event was stored and nothing of ours broke; one that fails takes none of its siblings with it."""
    try:
        receive_event(account=account, event=event, payload=payload, now=timezone.now())
    except Exception:
        logger.exception("A webhook event of account %s failed", account.pk)
        return False
    return True
