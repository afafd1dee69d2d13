from django.contrib import admin

from brokers.admin_base import HistoryAdmin
from campaigns.models import CampaignLog, CampaignStep, CampaignVersion, Sweep


@admin.register(CampaignVersion)
class CampaignVersionAdmin(HistoryAdmin):
    list_display = ("campaign", "number", "approved_by", "at")
    list_select_related = ("campaign", "approved_by")
    search_fields = ("campaign__name",)


@admin.register(CampaignStep)
class CampaignStepAdmin(HistoryAdmin):
    """Steps of every version, the past ones too; they are edited on their campaign's page."""

    list_display = ("campaign", "version", "step_number", "action", "delay_hours", "message_template", "channel")
    list_filter = ("action",)
    list_select_related = ("campaign", "message_template")
    search_fields = ("campaign__name", "message_template__name")


@admin.register(CampaignLog)
class CampaignLogAdmin(HistoryAdmin):
    list_display = ("campaign", "lead", "step_number", "action", "channel", "status", "reason", "due_at", "executed_at")
    list_filter = ("status", "action", "campaign")
    list_select_related = ("campaign", "lead")
    search_fields = ("campaign__name", "lead__name", "lead__phone", "lead__email", "reason")


@admin.register(Sweep)
class SweepAdmin(HistoryAdmin):
    ordering = ("broker_id",)
    list_display = ("swept_to",)
    list_select_related = ("broker",)
