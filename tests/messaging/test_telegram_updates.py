"""Telegram's updates in our words. What is no person writing to us is no event."""

from datetime import UTC, datetime
from typing import Any

import pytest

from messaging.base import Event
from messaging.telegram_updates import events_of

ANA = {"id": 4711, "is_bot": False, "first_name": "Ana", "last_name": "Pérez", "username": "anap"}
CHAT = {"id": 4711, "type": "private", "first_name": "Ana"}


def update(**fields: Any) -> dict[str, Any]:
    return {"update_id": 81, "message": {"message_id": 5, "from": ANA, "chat": CHAT, "date": 1_772_636_400} | fields}


def event_of(**fields: Any) -> Event:
    [event] = events_of(update(**fields))
    return event


def test_text_is_a_message_of_its_chat() -> None:
    event = event_of(text="Hola")
    assert (event.event_id, event.kind, event.address, event.text) == ("81", "inbound", "4711", "Hola")
    assert (event.provider_id, event.name, event.start, event.media) == ("4711:5", "Ana Pérez", "", ())
    assert (event.at, event.is_automatic) == (datetime(2026, 3, 4, 15, tzinfo=UTC), False)


@pytest.mark.parametrize(
    ("fields", "media"),
    [
        ({"photo": [{"file_id": "small"}, {"file_id": "large"}]}, "photo:large"),
        ({"document": {"file_id": "d1", "file_name": "liquidación.pdf"}}, "document:d1"),
        ({"voice": {"file_id": "v1", "duration": 4}}, "voice:v1"),
        ({"video_note": {"file_id": "n1"}}, "video_note:n1"),
        ({"sticker": {"file_id": "s1", "emoji": "👍"}}, "sticker:s1"),
        ({"location": {"latitude": -33.45, "longitude": -70.66}}, "location:-33.45,-70.66"),
        ({"venue": {"location": {"latitude": 1, "longitude": 2}, "title": "Sala"}}, "venue:1,2"),
        ({"contact": {"phone_number": "+56987654321", "first_name": "Ana"}}, "contact:+56987654321"),
        ({"dice": {"emoji": "🎲", "value": 3}}, "dice"),
    ],
)
def test_what_is_no_text_is_kept_as_a_reference(fields: dict[str, Any], media: str) -> None:
    event = event_of(**fields)
    assert (event.text, event.media) == ("", (media,))


def test_caption_is_the_text_of_what_it_stands_under() -> None:
    event = event_of(photo=[{"file_id": "p1"}], caption="¿Es este?")
    assert (event.text, event.media) == ("¿Es este?", ("photo:p1",))


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("/start abc_-9", "abc_-9"),
        ("/start@aurora_bot abc", "abc"),
        ("/start", ""),
        ("/start ", ""),
        ("/start a b", ""),
        ("/start ¿qué?", ""),
        (f"/start {'a' * 65}", ""),
        ("quiero /start abc", ""),
    ],
)
def test_start_carries_the_payload_of_a_link(text: str, start: str) -> None:
    event = event_of(text=text)
    assert (event.text, event.start) == (text, start)


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ({"first_name": "Ana", "username": "anap"}, "Ana"),
        ({"first_name": " ", "username": "anap"}, "anap"),
        ({"id": 4711}, ""),
        ("nobody", "Ana"),
    ],
)
def test_name_is_what_they_call_themselves(person: Any, name: str) -> None:
    assert event_of(text="Hola", **{"from": person}).name == name


def test_message_sent_for_somebody_by_their_telegram_is_automatic() -> None:
    """failures.md row 20: an away message is no reply."""
    assert event_of(text="Estoy de vacaciones", is_from_offline=True).is_automatic


def test_blocking_takes_the_permission_back() -> None:
    member = {"user": {"id": 1, "is_bot": True}, "status": "kicked"}
    told = {"chat": CHAT, "from": ANA, "date": 1_772_636_400, "new_chat_member": member}
    [event] = events_of({"update_id": 82, "my_chat_member": told})
    assert (event.event_id, event.kind, event.address, event.code) == ("82", "revoked", "4711", "blocked")


@pytest.mark.parametrize(
    "fields",
    [
        {"message": update(chat={"id": -100, "type": "group"}, text="Hola")["message"]},
        {"message": update(chat={"id": 100, "type": "channel"}, text="Hola")["message"]},
        {"message": update(text="Hola", **{"from": ANA | {"is_bot": True}})["message"]},
        {"message": update()["message"]},
        {"message": update(new_chat_title="x")["message"]},
        {"edited_message": update(text="Hola")["message"]},
        {"channel_post": update(text="Hola")["message"]},
        {"my_chat_member": {"chat": CHAT, "from": ANA, "new_chat_member": {"status": "member"}}},
        {"my_chat_member": {"chat": {"id": -5, "type": "group"}, "new_chat_member": {"status": "kicked"}}},
        {"poll": {"id": "1"}},
        {"something": "new"},
        {},
    ],
)
def test_what_is_nobody_writing_to_us_is_no_event(fields: dict[str, Any]) -> None:
    """failures.md row 30: a group, an edit, a channel or another bot is no reply."""
    assert events_of({"update_id": 83} | fields) == []


@pytest.mark.parametrize("strange", [None, 5, "x", [], [1], True])
@pytest.mark.parametrize("where", ["message", "my_chat_member", "chat", "from", "text", "photo", "contact", "location"])
def test_unknown_shapes_never_crash(where: str, strange: Any) -> None:
    fields = {where: strange} if where in ("message", "my_chat_member") else update(**{"text": "", where: strange})
    assert [event.kind for event in events_of({"update_id": 84} | fields)] in ([], ["inbound"])


@pytest.mark.parametrize("payload", [{}, {"update_id": None}, {"update_id": "x"}, {"update_id": []}])
def test_what_has_no_number_is_no_update(payload: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        events_of(payload)


@pytest.mark.parametrize("date", [-1, 2**40, "soon", None, True])
def test_impossible_moment_is_none(date: Any) -> None:
    assert event_of(text="Hola", date=date).at is None
