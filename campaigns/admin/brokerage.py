"""The kill switch, on the page of brokerages."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from brokers.admin_base import who
from brokers.models import Broker
from campaigns.actions import go_on_sending, stop_sending
from messaging.admin import OpensBrokerages


@admin.register(Broker)
class BrokerageAdmin(OpensBrokerages):
    actions = ("stop_sending", "go_on_sending")

    @admin.action(description=_("Stop all sending now"), permissions=["change"])
    def stop_sending(self, request: HttpRequest, queryset: QuerySet) -> None:
        for broker in queryset:
            stop_sending(broker=broker, now=self.now(), by=who(request))
            self.log_change(request, broker, "stop_sending")
        self.message_user(request, _("Nothing is sent until sending goes on."))

    @admin.action(description=_("Go on sending"), permissions=["change"])
    def go_on_sending(self, request: HttpRequest, queryset: QuerySet) -> None:
        for broker in queryset:
            go_on_sending(broker=broker, now=self.now(), by=who(request))
            self.log_change(request, broker, "go_on_sending")
        self.message_user(request, _("Sending goes on; what was due is due later by the stop."))
