#!/usr/bin/env python
"""Embudo's command line: `python manage.py help` lists every command."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db.utils import OperationalError


def main(arguments: list[str]) -> int:
    """What only the machine's owner can mend takes one sentence; `--traceback` shows where it happened."""
    try:
        execute_from_command_line(arguments)
    except (ImproperlyConfigured, OperationalError) as error:
        if "--traceback" in arguments or is_a_statements(error):
            raise
        print(f"{subject(error)}{' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def is_a_statements(error: Exception) -> bool:
    """Whether a statement failed (a deadlock, say), not the connection: then the traceback says more."""
    state = getattr(error.__cause__, "sqlstate", None) or "08"
    return not state.startswith(("08", "28", "3D", "53", "57P"))


def subject(error: Exception) -> str:
    return "The database cannot be used: " if isinstance(error, OperationalError) else "The settings are wrong: "


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.exit(main(sys.argv))
