"""Engines in processes of their own, each with its own connection; they wait to be asked."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
Process = subprocess.Popen[str]


@contextmanager
def engine_processes(count: int) -> Iterator[list[Process]]:
    """They work in the database that this process works in, and end with this block."""
    command = [sys.executable, "-m", "bench.engine_process", connection.settings_dict["NAME"]]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen(command, **pipes) for _n in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def ask(processes: Sequence[Process], **question: int) -> list[dict[str, Any]]:
    """Ask all of them at once; their answers when the last one has given its own."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
    return [_answer_of(process) for process in processes]


def _answer_of(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("an engine of the bench has ended; its own words stand above")
    return json.loads(line)
