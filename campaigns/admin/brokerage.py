"""The kill switch, on the page of brokerages."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from brokers.admin_base import who
from brokers.admin_verbs import Verb
from brokers.models import Broker
from brokers.refusal import Refused
from campaigns.actions import go_live, go_on_sending, launch_preview, stop_sending
from messaging.admin import OpensBrokerages
from templates_app.models import Channel


def _go_live(broker: Broker, form: Any, now: datetime, by: Any) -> str:
    done = go_live(broker=broker, now=now, by=by)
    return _("Live on %(channels)s; %(ended)d enrolments of the sandbox ended.") % {
        "channels": _named(done.channels),
        "ended": done.ended,
    }


def _what_goes_live(broker: Broker, now: datetime) -> list[str]:
    try:
        launch = launch_preview(broker)
    except Refused as refusal:
        return refusal.faults
    return [
        _("From then on real people are contacted on: %(channels)s") % {"channels": _named(launch.channels)},
        _("Enrolments of the sandbox that end: %(ended)d") % {"ended": launch.ended},
    ]


def _named(channels: Iterable[str]) -> str:
    return ", ".join(str(Channel(channel).label) for channel in channels)


@admin.register(Broker)
class BrokerageAdmin(OpensBrokerages):
    verbs = (
        *OpensBrokerages.verbs,
        Verb("go_live", gettext_lazy("Leave the sandbox"), _go_live, tells=_what_goes_live),
    )
    actions = ("stop_sending", "go_on_sending")

    @admin.action(description=gettext_lazy("Stop all sending now"), permissions=["change"])
    def stop_sending(self, request: HttpRequest, queryset: QuerySet) -> None:
        for broker in queryset:
            stop_sending(broker=broker, now=self.now(), by=who(request))
            self.log_change(request, broker, "stop_sending")
        self.message_user(request, _("Nothing is sent until sending goes on."))

    @admin.action(description=gettext_lazy("Go on sending"), permissions=["change"])
    def go_on_sending(self, request: HttpRequest, queryset: QuerySet) -> None:
        for broker in queryset:
            go_on_sending(broker=broker, now=self.now(), by=who(request))
            self.log_change(request, broker, "go_on_sending")
        self.message_user(request, _("Sending goes on; what was due is due later by the stop."))
