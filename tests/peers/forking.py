"""A process that has loaded everything and forks others, so that a new engine costs milliseconds.

`python -m tests.peers.forking` reads orders, a JSON list a line, and answers each with a line:

- `["do", job, arguments]`: 0, when it has called the function that `job` names itself, so that its children need not;
- `["start", job, arguments]`: the pid of a child that calls the function;
- `["wait", pid]`: how that child ended (0: by itself, -9: killed);
- `["kill", pid]`: the same, after SIGKILL.

It has neither threads nor a connection that a child would inherit.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string


class Forks:
    """The process that forks, as a test sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, job: str, **arguments: Any) -> None:
        self._order("do", job, arguments)

    def start(self, job: str, **arguments: Any) -> int:
        return self._order("start", job, arguments)

    def wait(self, pid: int) -> int:
        return self._order("wait", pid)

    def kill(self, pid: int) -> int:
        return self._order("kill", pid)

    def _order(self, *words: Any) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(words), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@contextmanager
def a_forking_process(environment: dict[str, str], **variables: str) -> Iterator[Forks]:
    """`environment` is that of the test database; `variables` come on top. Children that are left are killed."""
    known = {"DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "CRITICAL"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "tests.peers.forking"]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment | known | variables, **pipes) as process:
        yield Forks(process)


def main() -> None:
    django.setup()
    children: set[int] = set()
    try:
        for line in sys.stdin:
            print(_obey(children, *json.loads(line)), flush=True)
    finally:
        for pid in children:  # whoever gave the orders is gone
            os.kill(pid, signal.SIGKILL)


def _obey(children: set[int], word: str, *rest: Any) -> int:
    if word == "do":
        import_string(rest[0])(**rest[1])
        connection.close()
        gc.freeze()  # what its children share need not be gone through
        return 0
    if word == "start":
        pid = _fork(import_string(rest[0]), rest[1])
        children.add(pid)
        return pid
    if word == "kill":
        os.kill(rest[0], signal.SIGKILL)
    children.discard(rest[0])
    return os.waitstatus_to_exitcode(os.waitpid(rest[0], 0)[1])


def _fork(work: Callable[..., None], arguments: dict[str, Any]) -> int:
    assert threading.active_count() == 1, "a child has none of the other threads"
    pid = os.fork()
    if pid:
        return pid
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        work(**arguments)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
