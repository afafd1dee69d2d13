"""What happened to a lead, on its page: the newest first, page by page; and what is to come."""

from contextlib import suppress
from typing import Any, ClassVar

from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse

from brokers.admin_base import TenantAdmin
from leads.families import family_of
from leads.models import Lead
from leads.rooms import rooms
from leads.timeline import Before, Entry, in_order

PAGE = 25


def timeline(lead: Lead, before: Before | None = None, limit: int = PAGE) -> list[Entry]:
    """What every room tells of a lead and of those that were merged into it; as many statements as rooms have kinds."""
    family = family_of(lead)
    return in_order((entry for room in rooms() for entry in room.entries(family, before, limit)), limit)


def upcoming(lead: Lead) -> list[Entry]:
    """What people are to do with a lead and what campaigns will, the next first."""
    return sorted((entry for room in rooms() for entry in room.upcoming(lead)), key=lambda entry: entry.key)


class ShowsTimeline(TenantAdmin):
    """The part of LeadAdmin that tells what happened. `?before=` is where a page ended."""

    class Media:
        css: ClassVar[Any] = {"all": ["css/admin.css"]}

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        lead = self.get_object(request, unquote(object_id))
        shown = self._timeline(request, lead) if lead is not None and request.method == "GET" else {}
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), **shown}
        return super().change_view(request, object_id, *args, **kwargs)

    def _timeline(self, request: HttpRequest, lead: Any) -> dict[str, Any]:
        before = None
        with suppress(ValueError):
            before = Before.parse(request.GET.get("before", ""))
        found = timeline(lead, before, PAGE + 1)
        page = found[:PAGE]
        return {
            "upcoming": upcoming(lead),
            "now": self.now(),
            "timeline": page,
            "timeline_before": before,
            "timeline_older": str(page[-1].key) if len(found) > PAGE else "",
        }
