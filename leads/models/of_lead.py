"""Rows about one lead."""

from typing import Self

from brokers.models import TenantQuerySet, User


class OfLeadQuerySet(TenantQuerySet):
    def visible_to(self, user: User) -> Self:
        """A broker admin sees the broker's, an agent what is about the leads assigned to them."""
        rows = super().visible_to(user)
        return rows if user.is_broker_admin else rows.filter(lead__assigned_to=user)
