"""Sets the embedded server up and starts it, once, however many commands ask for it together.

Four files are there to be locked:
    postgres.lock    (beside the folder) held by the one process that is setting up or starting
    postgres/users   shared by every process that uses the server; the guardian waits for it
    postgres/server  held by every process of PostgreSQL: free means that none runs, whatever a pid file says
    postgres/guard   held by the guardian
"""

import errno
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.embedded import guardian
from config.embedded.place import NoServer, Place, binaries, make_socket_folder, make_var, settle

PATIENCE = 120  # seconds; crash recovery of a big database takes its time
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # In a container /dev/shm has 64 MB, and a parallel query that needs more fails.
    "dynamic_shared_memory_type": "mmap",
}
FIRST_SQL = """\
CREATE ROLE embudo LOGIN CREATEDB IN ROLE pg_read_all_stats;
CREATE ROLE embudo_app LOGIN IN ROLE pg_read_all_stats;
CREATE DATABASE embudo OWNER embudo;
"""

_places: dict[Path, Place] = {}
_users_locks: dict[Path, int] = {}


def start(var_dir: Path) -> str:
    """Have the server run, and go on running while this process lives. Returns the folder of its socket.

    The lock on `users` is never given back: the kernel does that at our end, and forks share it.
    """
    place = _places.get(var_dir)
    if place is None or not is_running(place):
        try:
            place = _places[var_dir] = _start(var_dir)
        except (OSError, subprocess.SubprocessError) as error:
            is_closed = getattr(error, "errno", None) == errno.EACCES
            advice = " (run Embudo always as the same user)" if is_closed else ""
            raise NoServer(f"PostgreSQL cannot be started: {error}{advice}") from error
    return place.socket_folder


def _start(var_dir: Path) -> Place:
    make_var(var_dir)
    with held(var_dir / "postgres.lock"):
        place = settle(var_dir)
        if place.folder not in _users_locks:
            _users_locks[place.folder] = take(place.folder / "users", fcntl.LOCK_SH)
        if is_free(place.folder / "guard"):
            _call_guardian(place)
        if not is_running(place):
            _launch(place)
        _wait_until_ready(place)
    return place


@contextmanager
def held(path: Path) -> Iterator[None]:
    descriptor = take(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a child forked by another thread meanwhile
        os.close(descriptor)


def take(path: Path, kind: int) -> int:
    """An open descriptor that holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _attempt in range(PATIENCE * 100):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return descriptor
    os.close(descriptor)
    raise NoServer(
        f"Another command has been starting or stopping PostgreSQL for {PATIENCE} seconds ({path} is locked)."
    )


def is_free(path: Path) -> bool:
    """Asked with a shared lock, so that two who ask do not take each other for the holder."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def is_running(place: Place) -> bool:
    return not is_free(place.folder / "server")


def _call_guardian(place: Place) -> None:
    """In a session of its own, so that Ctrl-C does not reach it."""
    command = [
        sys.executable,
        "-I",
        "-S",
        guardian.__file__,
        str(place.folder),
        str(place.uid),
        str(place.gid),
    ]
    quiet = subprocess.DEVNULL
    subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, check=True)


def _launch(place: Place) -> None:
    tools = binaries(place)
    if not place.data.exists():
        _set_up(place, tools)
    make_socket_folder(place)
    (place.data / "postmaster.pid").unlink(missing_ok=True)  # nobody holds `server`, so it is a dead one's
    _make_log(place)
    settings = SETTINGS | {"unix_socket_directories": place.socket_folder}
    options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
    lock = take(place.folder / "server", fcntl.LOCK_EX)
    try:
        command = (tools / "pg_ctl", "start", "--no-wait", "-D", place.data, "-l", place.log, "-o", options)
        _check(place.run(*command, pass_fds=[lock]), "started")
    finally:
        os.close(lock)


def _make_log(place: Place) -> None:
    place.log.parent.mkdir(mode=0o700, exist_ok=True)
    if place.log.exists():
        place.log.replace(place.log.with_suffix(".old.log"))
    place.give(place.log.parent)


def _set_up(place: Place, tools: Path) -> None:
    """A cluster with our roles and database, made aside and renamed: a half-made one is never seen."""
    for left in place.folder.glob("new-*"):
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix="new-", dir=place.folder))
    place.give(draft)
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    init = (tools / "initdb", "-D", draft, "-U", "postgres", "--auth=trust", "--no-instructions", *locale)
    single = (tools / "postgres", "--single", "-D", draft, "-c", "exit_on_error=on", "postgres")
    try:
        _check(place.run(*init), "set up")
        _check(place.run(*single, input=FIRST_SQL), "set up")
        draft.rename(place.data)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _check(done: subprocess.CompletedProcess[str], what: str) -> None:
    if done.returncode:
        raise NoServer(f"PostgreSQL could not be {what}: {complaint(done.stderr)}")


def complaint(text: str) -> str:
    """The line of PostgreSQL's output that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"\b(FATAL|PANIC|error)\b|could not", line)] or lines[-1:]
    return re.sub(r"^.*(FATAL|PANIC|ERROR):\s*", "", telling[0]) if telling else "no reason given"


def _wait_until_ready(place: Place) -> None:
    for _attempt in range(PATIENCE * 100):
        if not is_running(place):
            raise NoServer(f"PostgreSQL could not be started: {complaint(_last_words(place))} (see {place.log})")
        with suppress(FileNotFoundError):
            if (place.data / "postmaster.pid").read_text().splitlines()[7:8] == ["ready   "]:
                return
        time.sleep(0.01)
    raise NoServer(f"PostgreSQL has not become ready within {PATIENCE} seconds (see {place.log}).")


def _last_words(place: Place) -> str:
    """What the log says, or why it says nothing."""
    words = place.log.read_text(errors="replace") if place.log.exists() else ""
    if not words and shutil.disk_usage(place.data).free < 1_000_000:
        return "could not write the log: no space left on device"
    return words
