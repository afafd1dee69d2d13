"""The verbs about brokerages and their people."""

from datetime import datetime
from typing import Any

import phonenumbers
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext as _

from brokers.models import Broker, Platform, Role, User
from brokers.refusal import Refused
from brokers.rules import validate_timezone

CURRENCIES = {
    "AR": "ARS",
    "BR": "BRL",
    "CL": "CLP",
    "CO": "COP",
    "ES": "EUR",
    "MX": "MXN",
    "PE": "PEN",
    "US": "USD",
    "UY": "UYU",
}


def create_broker(*, name: str, slug: str, country: str, timezone: str, now: datetime, **settings: Any) -> Broker:
    """A new brokerage with the default rules. Raises Refused `broker_invalid` with every fault."""
    country = country.upper()
    faults = _broker_faults(name, slug, country, timezone)
    if faults:
        raise Refused("broker_invalid", faults=faults)
    settings.setdefault("currency", CURRENCIES.get(country, "USD"))
    settings.setdefault("language", "en" if country in ("US", "GB", "CA") else "es")
    return Broker.objects.create(name=name, slug=slug, country=country, timezone=timezone, created_at=now, **settings)


def _broker_faults(name: str, slug: str, country: str, timezone: str) -> list[str]:
    faults = [] if name.strip() else [_("name is missing")]
    for key, value, longest in (("name", name, 200), ("slug", slug, 60)):
        if len(value) > longest:
            faults.append(_("%(key)s is longer than %(longest)s characters") % {"key": key, "longest": longest})
    if slug != slugify(slug) or not slug:
        faults.append(f"slug={slug!r} is not allowed; use small letters, digits and hyphens, such as aurora")
    elif Broker.objects.filter(slug=slug).exists():
        faults.append(_("slug=%(slug)r is taken by another brokerage") % {"slug": slug})
    if country not in phonenumbers.SUPPORTED_REGIONS:
        faults.append(f"country={country!r} is not allowed; use an ISO code such as CL, CO, MX or ES")
    try:
        validate_timezone(timezone)
    except ValidationError as error:
        faults += error.messages
    return faults if timezone else [*faults, _("timezone is missing")]


def create_user(*, broker: Broker, username: str, password: str, role: str = Role.AGENT, **fields: Any) -> User:
    """A person of a brokerage; a broker admin may use the admin. Raises Refused `user_invalid` with every fault."""
    faults = [] if role in Role.values else [f"role={role!r} is not allowed; use one of {', '.join(Role.values)}"]
    if User.objects.filter(username=username).exists():
        faults.append(_("username=%(name)r is taken") % {"name": username})
    try:
        validate_password(password)
    except ValidationError as error:
        faults += [f"password: {message}" for message in error.messages]
    if faults:
        raise Refused("user_invalid", faults=faults)
    user: User = User.objects.create_user(
        username, password=password, broker=broker, role=role, is_staff=role == Role.ADMIN, **fields
    )
    return user


def find_broker(slug: str) -> Broker:
    """The brokerage of that short name. Raises Refused `broker_unknown`."""
    broker = Broker.objects.filter(slug=slug).first()
    if broker is None:
        known = ", ".join(Broker.objects.values_list("slug", flat=True)[:20]) or _("none yet; see create_broker")
        raise Refused("broker_unknown", f"broker={slug!r} does not exist; there are: {known}")
    return broker


def sending_stop(broker: Broker) -> str:
    """Why nothing is sent for this brokerage, in a sentence; '' when it is."""
    if broker.sending_paused_at:
        return _("All sending of this brokerage is stopped.")
    return _("All sending of the platform is stopped.") if platform_stop() else ""


def platform_stop() -> datetime | None:
    """Since when nothing is sent for anybody."""
    return Platform.objects.values_list("sending_paused_at", flat=True).first()
