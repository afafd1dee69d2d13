"""The rows of the log."""

from campaigns.models import CampaignLog, CampaignStep
from leads.models import StageTransition, Task
from messaging.models import ChannelAccount, Message, new_webhook_token
from tests.building import DAY, HOUR, NOW
from tests.campaigns.ledger.corrupting import Row, breaks, change, copied, log


@breaks("ended_has_none_waiting")
def waits_after_the_end() -> Row:
    last = log(step_number=2, action="update_stage", status="sent", campaign__name="short")
    return change(last, status="pending", executed_at=None)


@breaks("exit_ends_the_enrolment")
def exit_without_an_exit() -> Row:
    return change(log(reason="not_in_version"), reason="replied")


@breaks("final_row_has_its_moment")
def sent_at_no_time() -> Row:
    return change(log(status="sent", action="send_message"), executed_at=None)


@breaks("unsent_row_has_a_reason")
def failed_for_no_reason() -> Row:
    return change(log(status="failed", reason="refused"), reason="")


@breaks("unsent_row_has_a_reason")
def skipped_for_what_nobody_knows() -> Row:
    return change(log(status="skipped", reason="condition:has_email"), reason="whim:7")


@breaks("in_flight_has_a_lease")
def flies_without_a_lease() -> Row:
    return change(log(status="pending", dispatched_at__isnull=False), lease_until=None)


@breaks("in_flight_has_a_lease")
def waits_with_a_lease() -> Row:
    return change(log(status="pending", dispatched_at=None), lease_until=NOW)


@breaks("waiting_row_comes_due")
def waits_for_ever() -> Row:
    waiting = log(status="pending", dispatched_at=None)
    return change(waiting, due_at=waiting.planned_at + 999 * DAY)


@breaks("waiting_row_comes_due")
def due_before_it_was_planned() -> Row:
    waiting = log(status="pending", dispatched_at=None)
    return change(waiting, due_at=waiting.planned_at - HOUR)


@breaks("log_has_its_step")
def points_at_another_step() -> Row:
    other = CampaignStep.objects.get(campaign__name="letters", step_number=4)
    return change(log(campaign__name="letters", step_number=1), step=other)


@breaks("log_has_its_step")
def waits_for_a_step_of_another_version() -> Row:
    waiting = log(status="pending", campaign__name="tour")
    other = CampaignStep.objects.get(campaign=waiting.campaign_id, version=1, step_number=waiting.step_number)
    return change(waiting, step=other)


@breaks("row_does_what_its_step_says")
def goes_over_another_channel() -> Row:
    return change(log(status="skipped", reason="condition:has_email"), channel="email")


@breaks("row_does_what_its_step_says")
def does_something_else() -> Row:
    return change(log(status="skipped", reason="condition:has_email"), action="make_call")


@breaks("sent_means_accepted")
def sent_what_was_refused() -> Row:
    return change(log(status="failed", reason="refused"), status="sent", reason="")


@breaks("unsent_row_reached_nobody")
def failed_what_was_accepted() -> Row:
    return change(log(status="sent", action="send_message"), status="failed", reason="refused")


@breaks("unsent_row_reached_nobody")
def unknown_is_called_refused() -> Row:
    return change(log(status="failed", reason="outcome_unknown"), reason="refused")


@breaks("unsent_row_reached_nobody")
def waits_to_be_sent_again() -> Row:
    last = log(status="sent", campaign__name="again")
    change(last.enrollment, status="active", finished_at=None)
    return change(last, status="pending", dispatched_at=None, executed_at=None)


@breaks("message_belongs_to_its_row")
def points_at_anothers_message() -> Row:
    row, other = CampaignLog.objects.filter(status="failed", step_number=1, reason="refused").order_by("id")
    return change(row, message=other.message_id)


@breaks("message_belongs_to_its_row")
def points_at_nothing() -> Row:
    return change(log(status="failed", reason="refused"), message=None, dispatched_at=None)


@breaks("message_belongs_to_its_row")
def went_over_another_channel() -> Row:
    """The row says that it went by the step's own channel; it was the other one."""
    return change(log(campaign__name="fallback"), channel="telegram")


@breaks("sandbox_is_told_apart")
def sandbox_reached_for_real() -> Row:
    row = log(status="sent", campaign__name="mail")
    real = ChannelAccount.objects.get(broker=row.broker_id, provider="counting", channel="telegram")
    mail = copied(real, channel="email", is_default=False, webhook_token=new_webhook_token())
    change(row.message, account=mail, sandbox=False)
    return row


@breaks("attempts_are_capped")
def more_cancelled_than_tried() -> Row:
    return change(log(attempts=1, status="sent"), cancellations=2)


@breaks("meeting_has_its_appointment")
def meeting_without_an_appointment() -> Row:
    return change(log(action="schedule_meeting", status="sent"), appointment=None)


@breaks("meeting_has_its_appointment")
def meeting_of_somebody_else() -> Row:
    row, other = CampaignLog.objects.filter(action="schedule_meeting", status="sent").order_by("id")
    return change(row, appointment=other.appointment_id)


@breaks("attempt_has_its_message")
def attempt_left_no_trace() -> Row:
    row = log(attempts=2, status="sent")
    Message.objects.get(dedupe_key=f"step:{row.enrollment_id}:{row.step_number}:1").delete()
    return row


@breaks("attempt_has_its_message")
def message_that_was_sent_again_left_no_trace() -> Row:
    row = log(campaign__name="again")
    Message.objects.get(dedupe_key=f"step:{row.enrollment_id}:1:1").delete()
    return row


@breaks("move_was_made")
def move_was_not_made() -> Row:
    row = log(action="update_stage", status="sent")
    change(StageTransition.objects.get(lead=row.lead_id, cause="campaign"), cause="agent")
    return row


@breaks("handover_has_its_task")
def nobody_was_given_the_task() -> Row:
    row = log(reason="handed_to_agent")
    Task.objects.get(origin=f"log:{row.pk}").delete()
    return row
