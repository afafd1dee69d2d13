import sys
from typing import Any

from brokers.commands import Command as BaseCommand
from messaging.accounts import rotate_credentials


class Command(BaseCommand):
    help = "Encrypt all stored credentials by the first of CREDENTIALS_KEYS; the others may be taken away afterwards."
    example = "manage.py rotate_credentials"

    def perform(self, **options: Any) -> None:
        done = rotate_credentials()
        text = f"{done.accounts} accounts are encrypted by the first key."
        if done.unreadable:
            accounts = ", ".join(map(str, done.unreadable))
            text += f" No key opens those of {accounts}: give their credentials again, or the key that is missing."
        self.answer({"rotated": done.accounts, "unreadable": done.unreadable}, text, as_json=options["json"])
        if done.unreadable:
            sys.exit(1)
