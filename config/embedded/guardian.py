"""Stops the embedded PostgreSQL when the last process that uses it has gone.

A script of its own (`python guardian.py FOLDER UID GID`), because a user may die of anything: exit, SIGTERM
without a handler, SIGKILL. Every user holds a shared lock on `users`; this process waits for the exclusive
one, which the kernel grants when nobody is left. It keeps that lock while it stops the server, so a newcomer
waits and then starts anew.
"""

import fcntl
import os
import signal
import sys
import time
from contextlib import suppress


def main(folder: str, uid: int, gid: int) -> None:
    guard = os.open(f"{folder}/guard", os.O_RDWR)
    if not is_granted(guard):
        return  # the server has a guardian
    users = os.open(f"{folder}/users", os.O_RDWR)
    server = os.open(f"{folder}/server", os.O_RDWR)
    if os.fork():
        return  # the starter goes on; the child keeps the locks
    os.setsid()
    os.chdir("/")
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    fcntl.flock(users, fcntl.LOCK_EX)
    stop(folder, server)
    # In this order: who gets the users' lock after us must not find a guardian that is about to leave.
    os.close(guard)
    os.close(users)


def is_granted(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def stop(folder: str, server: int) -> None:
    """Fast shutdown; returns when no process of the server is left, for each of them holds `server`."""
    while not is_granted(server):
        # No such file yet: the starter was killed on the way.
        with (
            suppress(FileNotFoundError, ProcessLookupError, ValueError),
            open(f"{folder}/data/postmaster.pid") as lines,
        ):
            os.kill(int(lines.readline()), signal.SIGINT)
        time.sleep(0.05)
    if os.path.islink(f"{folder}/run"):
        with suppress(OSError):
            os.rmdir(os.path.realpath(f"{folder}/run"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
