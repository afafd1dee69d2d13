from django.contrib import admin

from brokers.admin_base import HistoryAdmin, HistoryInline
from voice.models import CallTranscript, VoiceCall


class TranscriptInline(HistoryInline):
    model = CallTranscript
    fields = readonly_fields = ("position", "speaker", "timestamp", "text", "confidence")


@admin.register(VoiceCall)
class VoiceCallAdmin(HistoryAdmin):
    hidden = ("state",)
    inlines = (TranscriptInline,)
    list_display = ("started_at", "lead", "phone_number", "agent_type", "status", "duration", "score_delta")
    list_filter = ("status", "agent_type")
    list_select_related = ("lead",)
    search_fields = ("lead__name", "lead__phone", "phone_number", "external_call_id")


@admin.register(CallTranscript)
class CallTranscriptAdmin(HistoryAdmin):
    list_display = ("call", "position", "speaker", "text")
    list_filter = ("speaker",)
    list_select_related = ("call",)
    search_fields = ("text", "call__phone_number")
