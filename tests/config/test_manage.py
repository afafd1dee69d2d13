"""What the command line says when the machine is not as Embudo needs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"SECRET_KEY": "x", "CREDENTIALS_KEYS": "x"}


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, env=os.environ | KEYS | environment, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("postgres://user:secret@127.0.0.1:1/name", "Connection refused"),
        ("postgres:///name?host=/nowhere", "No such file or directory"),
        ("mysql://user:secret@localhost/name", "PostgreSQL only"),
        ("postgres://user:secret@localhost:port/name", "PostgreSQL only"),
        ("postgres://user:secret@localhost", "PostgreSQL only"),
        ("secret", "PostgreSQL only"),
    ],
)
def test_database_that_cannot_be_reached_is_one_sentence(address: str, reason: str) -> None:
    done = manage("showmigrations", DATABASE_URL=address)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr
    assert "secret" not in done.stderr


def test_wrong_setting_is_one_sentence_also_for_our_own_commands() -> None:
    done = manage("run_campaigns", DEBUG="perhaps")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "DEBUG='perhaps' is not allowed" in done.stderr


def test_traceback_shows_where_it_happened() -> None:
    done = manage("showmigrations", "--traceback", DATABASE_URL="postgres://127.0.0.1:1/name")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
