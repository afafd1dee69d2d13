"""The address at which a calendar program reads an agent's appointments."""

from leads.models import Calendar
from leads.models.work import new_token


def renew_feed(*, calendar: Calendar) -> Calendar:
    """A new secret address; the one before leads nowhere from now on."""
    Calendar.objects.filter(pk=calendar.pk).update(feed_token=new_token())
    return Calendar.objects.get(pk=calendar.pk)


def revoke_feed(*, calendar: Calendar) -> Calendar:
    """No address reads these appointments any more. Twice is once."""
    Calendar.objects.filter(pk=calendar.pk).update(feed_token="")
    return Calendar.objects.get(pk=calendar.pk)
