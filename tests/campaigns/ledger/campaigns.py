"""Campaigns, their versions, and who is in them."""

from django.db.models import F

from campaigns.enrollment import is_held_out
from campaigns.models import CampaignStep, CampaignVersion, Enrollment
from leads.models import Lead
from tests.building import DAY
from tests.campaigns.ledger.corrupting import Row, breaks, campaign, change, copied, entry, log


@breaks("versions_unchanged")
def step_was_edited() -> Row:
    step = CampaignStep.objects.get(campaign__name="short", step_number=1)
    change(step, delay_hours=1)
    return CampaignVersion.objects.get(campaign=step.campaign_id)


@breaks("versions_unchanged")
def settings_of_a_version_were_edited() -> Row:
    version = CampaignVersion.objects.get(campaign__name="tour", number=1)
    return change(version, settings=version.settings | {"exit_on_reply": False})


@breaks("enrolled_is_counted")
def count_is_wrong() -> Row:
    return change(campaign("held"), enrolled_count=F("enrolled_count") + 1)


@breaks("max_contacts_holds")
def more_than_allowed_are_in() -> Row:
    return change(campaign("held"), max_contacts=F("enrolled_count") - 1)


@breaks("campaign_has_its_versions")
def campaign_is_ahead_of_its_versions() -> Row:
    return change(campaign("held"), version=2)


@breaks("campaign_has_its_versions")
def campaign_fell_back_to_an_old_version() -> Row:
    return change(campaign("tour"), version=1)


@breaks("campaign_lives_by_its_version")
def campaign_was_edited_past_its_version() -> Row:
    return change(campaign("held"), exit_on_reply=False)


@breaks("campaign_status_has_its_moments")
def paused_since_never() -> Row:
    return change(campaign("held"), status="paused")


@breaks("campaign_status_has_its_moments")
def collects_from_nowhen() -> Row:
    return change(campaign("held"), collects_from=None)


@breaks("completed_campaign_is_finished")
def completed_while_leads_are_under_way() -> Row:
    return change(campaign("letters"), status="completed")


@breaks("active_has_one_pending")
def nothing_follows() -> Row:
    waiting = log(status="pending", campaign__name="letters", message=None)
    waiting.delete()
    return waiting.enrollment


@breaks("held_out_has_no_log")
def held_out_was_treated() -> Row:
    held = entry(status="held_out")
    other = log(campaign=held.campaign_id, status="sent")
    skipped = {"status": "skipped", "reason": "late", "message": None, "attempts": 0, "dispatched_at": None}
    copied(other, enrollment=held, lead_id=held.lead_id, **skipped)
    return held


@breaks("steps_follow_each_other")
def step_is_gone() -> Row:
    moved = log(step_number=2, action="update_stage", status="sent", campaign__name="letters")
    moved.delete()
    return moved.enrollment


@breaks("completed_went_all_the_way")
def completed_half_way() -> Row:
    last = log(step_number=2, action="update_stage", status="sent", campaign__name="short")
    last.delete()
    return last.enrollment


@breaks("ended_has_its_moment")
def ended_at_no_time() -> Row:
    return change(entry(status="completed", campaign__name="short"), finished_at=None)


@breaks("exit_has_its_reason")
def exit_for_nothing() -> Row:
    return change(entry(status="exited", exit_reason="replied"), exit_reason="")


@breaks("exit_has_its_reason")
def exit_for_what_nobody_knows() -> Row:
    return change(entry(status="exited", exit_reason="replied"), exit_reason="whim")


@breaks("exit_has_its_reason")
def completed_for_a_reason() -> Row:
    return change(entry(status="completed", campaign__name="short"), exit_reason="replied")


@breaks("exit_has_its_row")
def exit_for_another_reason() -> Row:
    return change(entry(status="exited", exit_reason="replied"), exit_reason="booked")


@breaks("enrollment_has_its_version")
def version_was_never_activated() -> Row:
    return change(entry(status="completed", campaign__name="short"), version=7)


@breaks("entries_count_up")
def first_entry_is_missing() -> Row:
    return change(entry(status="completed", campaign__name="short"), entry=2)


@breaks("reentry_was_allowed")
def entered_again_at_once() -> Row:
    again = entry(entry=2)
    before = Enrollment.objects.get(lead=again.lead_id, campaign=again.campaign_id, entry=1)
    return change(again, enrolled_at=before.finished_at)


@breaks("reentry_was_allowed")
def entered_again_where_that_is_not_allowed() -> Row:
    """The row itself is sound; it is its campaign that never lets anybody in again."""
    first = entry(status="held_out")
    return copied(first, entry=2, enrolled_at=first.enrolled_at + 99 * DAY)


@breaks("hold_out_is_by_hash")
def held_out_without_reason() -> Row:
    held = entry(status="held_out")
    strangers = Lead.objects.filter(broker=held.broker_id).exclude(enrollments__campaign=held.campaign_id)
    return change(held, lead=max(strangers, key=lambda lead: hash_of(held.campaign_id, lead.pk)))


def hash_of(campaign_id: int, lead_id: int) -> int:
    """The lowest percentage but one that holds the lead out."""
    return sum(not is_held_out(campaign_id, lead_id, percent) for percent in range(1, 100))
