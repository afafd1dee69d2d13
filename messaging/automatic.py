"""Was a mail written by a machine? Pure. A vacation reply is no reply of the lead."""

from collections.abc import Mapping

BULK = {"bulk", "auto_reply", "junk", "list"}
MARKS = {"x-autoreply", "x-autorespond", "x-auto-reply", "list-id", "x-failed-recipients"}


def is_automatic_mail(headers: Mapping[str, str]) -> bool:
    """By Auto-Submitted (RFC 3834), Precedence, an empty sender, and the marks that mail programs add."""
    given = {name.lower(): str(value).strip().lower() for name, value in headers.items()}
    return (
        given.get("auto-submitted", "no").split(";")[0].strip() not in ("", "no")
        or given.get("precedence", "") in BULK
        or given.get("return-path", "") == "<>"
        or not MARKS.isdisjoint(given)
    )
