from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from brokers.admin_base import HistoryAdmin
from leads.models import Assignment, ImportBatch, Inquiry, ScoreChange, StageTransition, reason_label


@admin.register(StageTransition)
class StageTransitionAdmin(HistoryAdmin):
    list_display = ("lead", "from_stage", "to_stage", "at", "by", "cause", "why")
    list_filter = ("to_stage", "cause")
    list_select_related = ("lead", "by")
    search_fields = ("lead__name", "lead__phone", "lead__email")

    @admin.display(description=_("reason"))
    def why(self, move: StageTransition) -> str:
        return reason_label(move.to_stage, move.reason)


@admin.register(ScoreChange)
class ScoreChangeAdmin(HistoryAdmin):
    list_display = ("lead", "from_score", "to_score", "at", "cause")
    list_select_related = ("lead",)
    search_fields = ("lead__name", "lead__phone", "lead__email")


@admin.register(Inquiry)
class InquiryAdmin(HistoryAdmin):
    hidden = ("digest",)
    list_display = ("lead", "source", "property_ref", "at")
    list_select_related = ("lead",)
    search_fields = ("lead__name", "lead__phone", "lead__email", "property_ref", "external_id")


@admin.register(ImportBatch)
class ImportBatchAdmin(HistoryAdmin):
    list_display = ("file", "at", "finished_at", "by", "counts")
    list_select_related = ("by",)
    search_fields = ("file",)


@admin.register(Assignment)
class AssignmentAdmin(HistoryAdmin):
    list_display = ("lead", "from_user", "to_user", "cause", "rule", "reason", "by", "at")
    list_filter = ("cause", "to_user")
    list_select_related = ("lead", "from_user", "to_user", "by")
    search_fields = ("lead__name", "lead__phone", "lead__email")
