"""The checks of a contact in sentences, in the active language, with a wall clock of the reader's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from messaging.reasons import CHECKS

# What a check that did not hold says of the moment at which it would.
LATER = {"opens_at", "free_at"}


def basis_told(basis: Mapping[str, Any], zone: ZoneInfo) -> list[str]:
    """Why a message was allowed: a line for each check that was made, and for what a person said against the hours."""
    made = [(name, basis[name]) for name in CHECKS if isinstance(basis.get(name), dict)]
    lines = [f"{'✗' if LATER & values.keys() else '✓'} {check_told(name, values, zone)}" for name, values in made]
    override = basis.get("override")
    if isinstance(override, dict):
        lines.append(_("Outside the hours, because %(name)s said: %(reason)s") % override)
    if basis.get("rules"):
        lines.append(_("Rules: %(version)s") % {"version": basis["rules"]})
    return lines


def check_told(name: str, values: Mapping[str, Any], zone: ZoneInfo, labels: Mapping[str, Any] = CHECKS) -> str:
    shown = values_told(values, zone)
    return f"{labels.get(name, name)}{f' ({shown})' if shown else ''}"


def values_told(values: Mapping[str, Any], zone: ZoneInfo) -> str:
    return ", ".join(f"{key}={_shown(value, zone)}" for key, value in values.items())


def local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _shown(value: Any, zone: ZoneInfo) -> str:
    """A value as a person reads it: moments by the wall clock, caps as 1/2."""
    if isinstance(value, dict) and set(value) == {"sent", "cap"}:
        return f"{value['sent']}/{'–' if value['cap'] is None else value['cap']}"
    if isinstance(value, list):
        return " ".join(_shown(item, zone) for item in value)
    if value is None or isinstance(value, bool):
        return {True: _("yes"), False: _("no"), None: "–"}[value]
    try:
        return local(datetime.fromisoformat(value), zone) if isinstance(value, str) and "T" in value else str(value)
    except ValueError:
        return str(value)
