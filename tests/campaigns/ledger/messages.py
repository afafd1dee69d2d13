"""Messages."""

from django.db import connection

from leads.models import ContactPermission, Lead
from messaging.models import ChannelAccount, Message
from tests.building import HOUR, NOW
from tests.campaigns.ledger.corrupting import Row, breaks, change, change_basis, copied, log, message
from voice.models import VoiceCall


@breaks("status_has_its_stamp")
def delivered_at_no_time() -> Row:
    return change(message(status="delivered"), delivered_at=None)


@breaks("status_has_its_stamp")
def failed_at_no_time() -> Row:
    return change(message(status="failed", error_code="refused"), failed_at=None)


@breaks("status_has_its_stamp")
def refused_but_sent() -> Row:
    return change(message(status="unknown", error_code="timeout"), sent_at=NOW)


@breaks("automatic_contact_has_its_basis")
def nobody_knows_why() -> Row:
    return change(message(), basis={})


@breaks("automatic_contact_has_its_basis")
def nobody_counted() -> Row:
    return change_basis(message(), "caps", {"24h": {}})


@breaks("automatic_contact_has_its_basis")
def nobody_knows_why_it_was_sent_again() -> Row:
    return change(message(dedupe_key__startswith="resend:"), basis={})


@breaks("basis_allowed_it")
def had_opted_out() -> Row:
    return change_basis(message(), "permission", {"kind": "revoked"})


@breaks("basis_allowed_it")
def was_nobodys_address() -> Row:
    return change_basis(message(), "address", {"code": "invalid_address"})


@breaks("basis_allowed_it")
def was_allowed_for_another_address() -> Row:
    return change_basis(message(), "address", {"address": "0"})


@breaks("basis_allowed_it")
def was_allowed_for_another_channel() -> Row:
    return change_basis(message(), "address", {"channel": "email"})


@breaks("basis_allowed_it")
def was_at_night() -> Row:
    return change_basis(message(), "window", {"opens_at": "2026-03-05T12:00:00+00:00"})


@breaks("basis_allowed_it")
def was_not_to_be_called() -> Row:
    return change_basis(message(channel="call"), "treatment", {"treatment": "automated_telegram"})


@breaks("basis_allowed_it")
def was_contacted_often_enough() -> Row:
    return change_basis(message(), "caps", {"7d": {"sent": 5, "cap": 5}})


@breaks("basis_allowed_it")
def took_the_place_of_another_campaign() -> Row:
    return change_basis(message(), "caps", {"reserved": 2})


def written(part: str) -> Message:
    """What a person wrote: first words (which have a `window`), or an `answer`."""
    return message(dedupe_key__startswith="write:", basis__has_key=part)


@breaks("persons_message_has_its_basis")
def nobody_knows_who_wrote_it() -> Row:
    return change(written("answer"), sent_by=None)


@breaks("persons_message_has_its_basis")
def nobody_knows_why_it_was_written() -> Row:
    return change(written("window"), basis={"rules": "1", "address": {}, "permission": {}})


@breaks("persons_basis_allowed_it")
def was_written_to_who_had_opted_out() -> Row:
    return change_basis(written("answer"), "permission", {"kind": "revoked"})


@breaks("persons_basis_allowed_it")
def was_written_at_night_without_a_reason() -> Row:
    row = written("window")
    row.basis.pop("override", None)
    return change_basis(row, "window", {"opens_at": "2026-03-05T12:00:00+00:00"})


@breaks("persons_basis_allowed_it")
def was_written_to_who_is_on_hold() -> Row:
    return change_basis(written("window"), "treatment", {"treatment": "hold"})


@breaks("persons_basis_allowed_it")
def was_written_against_the_law() -> Row:
    return change_basis(written("window"), "law", {"free_at": "2026-03-05T12:00:00+00:00"})


@breaks("persons_basis_allowed_it")
def was_written_to_another_address() -> Row:
    return change_basis(written("answer"), "address", {"address": "0"})


@breaks("message_goes_by_its_account")
def went_by_an_account_of_the_sandbox() -> Row:
    row = message(channel="telegram", sandbox=False)
    return change(row, account=ChannelAccount.objects.get(broker=row.broker_id, channel="telegram", sandbox=True))


@breaks("message_goes_by_its_account")
def went_by_no_account() -> Row:
    return change(message(), account=None)


@breaks("call_has_its_record")
def call_is_not_on_record() -> Row:
    call = VoiceCall.objects.order_by("id")[0]
    called = call.message
    call.delete()
    return called


@breaks("call_has_its_record")
def call_of_somebody_else() -> Row:
    call = VoiceCall.objects.order_by("id")[0]
    change(call, lead=Lead.objects.filter(broker=call.broker_id).exclude(pk=call.lead_id)[0])
    return call.message


@breaks("step_message_has_its_row")
def message_of_no_row() -> Row:
    return copied(message(status="failed", error_code="refused"), dedupe_key="step:99999999:1:1")


@breaks("step_message_has_its_row")
def message_of_no_attempt() -> Row:
    row = log(status="failed", reason="refused")
    return copied(row.message, dedupe_key=f"step:{row.enrollment_id}:{row.step_number}:2")


@breaks("step_message_has_its_row")
def message_of_a_key_that_is_none() -> Row:
    return copied(message(status="failed", error_code="refused"), dedupe_key="step:one:two")


@breaks("step_message_has_its_row")
def message_sent_again_for_no_row() -> Row:
    return copied(message(status="failed", error_code="refused"), dedupe_key="resend:99999999:1")


@breaks("one_accepted_message_a_step")
def both_attempts_were_accepted() -> Row:
    return change(message(error_code="too_many"), status="sent", sent_at=NOW, failed_at=None)


@breaks("one_accepted_message_a_step")
def accepted_and_sent_again() -> Row:
    return change(message(error_code="not_delivered"), status="sent", sent_at=NOW, failed_at=None)


@breaks("next_attempt_follows_a_failure")
def tried_again_although_nobody_knew() -> Row:
    return change(message(error_code="too_many"), status="unknown", unknown_at=NOW, failed_at=None)


@breaks("one_message_a_key")
def key_was_used_twice() -> Row:
    """The database forbids it; a table of the same name that stands before it in the search path does not."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE messaging_message ON COMMIT DROP AS TABLE messaging_message")
    first = message(error_code="too_many")
    return copied(message(error_code="too_many"), id=Message.objects.latest("id").pk + 1, dedupe_key=first.dedupe_key)


@breaks("deleted_lead_is_left_alone")
def was_deleted_by_then() -> Row:
    row = message(channel="email")
    change(row.lead, deleted_at=row.created_at - HOUR)
    return row


@breaks("opt_out_was_heeded")
def had_taken_it_back() -> Row:
    change(ContactPermission.objects.get(lead__name="reader", kind="granted"), kind="revoked")
    return message(channel="email")


@breaks("caps_hold")
def more_than_the_cap() -> Row:
    second = Message.objects.get(pk=log(campaign__name="letters", step_number=3, status="sent").message_id)
    return change_basis(second, "caps", {"24h": {"sent": 0, "cap": 1}})


@breaks("caps_hold")
def more_than_the_cap_of_a_week() -> Row:
    second = Message.objects.get(pk=log(campaign__name="letters", step_number=3, status="sent").message_id)
    return change_basis(second, "caps", {"7d": {"sent": 0, "cap": 1}})
