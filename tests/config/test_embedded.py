"""A real server in a folder of its own, used by processes of their own."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet

from config import embedded
from config.embedded import place as places
from config.embedded.place import NoServer, Place, settle
from config.embedded.server import complaint, is_running, start

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to find another account")

# Says where the server is and how long it took, then uses it until its standard input ends.
USER = """
import sys, time
from pathlib import Path
from config.embedded.server import start
began = time.monotonic()
print(start(Path(sys.argv[1])), time.monotonic() - began, flush=True)
sys.stdin.read()
"""
ASK_FOR_SECRET = """
import sys
from pathlib import Path
from config import embedded
print(embedded.secret(Path(sys.argv[1]), "key"))
"""
User = subprocess.Popen[str]


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Set up once for this file; every test ends with the server stopped."""
    folder = tmp_path_factory.mktemp("checkout") / "var"
    yield folder
    remove(folder)


@pytest.fixture
def use(var: Path) -> Iterator[Callable[[], User]]:
    users: list[User] = []

    def begin() -> User:
        command = [sys.executable, "-c", USER, str(var)]
        users.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        return users[-1]

    yield begin
    for user in users:
        end(user)
    assert stops(var)


def remove(var: Path) -> None:
    stops(var)
    shutil.rmtree((var / "postgres").resolve(), ignore_errors=True)


def end(user: User) -> None:
    with suppress(BrokenPipeError):
        user.communicate()


def socket_of(user: User) -> str:
    assert user.stdout
    return user.stdout.readline().split(" ")[0]


def stops(var: Path) -> bool:
    return wait_for(lambda: not is_running(settle(var)))


def wait_for(condition: Callable[[], bool]) -> bool:
    for _attempt in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


def ask(socket: str, question: str, role: str = "embudo_app") -> list[tuple[object, ...]]:
    with psycopg.connect(host=socket, dbname="embudo", user=role) as connection:
        return connection.execute(question).fetchall()


def test_server_has_two_roles_without_power_over_each_other(use: Callable[[], User]) -> None:
    socket = socket_of(use())
    roles = "SELECT rolname, rolsuper, rolcreatedb FROM pg_roles WHERE rolname LIKE 'embudo%' ORDER BY 1"
    assert ask(socket, roles) == [("embudo", False, True), ("embudo_app", False, False)]
    member = "SELECT pg_has_role('pg_read_all_stats', 'USAGE'), pg_has_role('embudo', 'USAGE')"
    assert ask(socket, member) == [(True, False)]
    assert ask(socket, "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'embudo'") == [("embudo",)]


def test_ten_at_once_share_one_server(use: Callable[[], User]) -> None:
    sockets = {socket_of(user) for user in [use() for _ in range(10)]}
    assert len(sockets) == 1
    assert len(ask(sockets.pop(), "SELECT pg_postmaster_start_time()")) == 1


def test_server_stops_with_its_last_user(var: Path, use: Callable[[], User]) -> None:
    first, last = use(), use()
    socket = socket_of(first)
    socket_of(last)
    end(first)
    time.sleep(0.2)
    assert ask(socket, "SELECT 1") == [(1,)]
    end(last)
    assert stops(var)


def test_killed_user_does_not_count_any_more(var: Path, use: Callable[[], User]) -> None:
    killed, other = use(), use()
    socket = socket_of(killed)
    socket_of(other)
    killed.kill()
    killed.wait()
    assert ask(socket, "SELECT 1") == [(1,)]
    other.send_signal(signal.SIGTERM)
    other.wait()
    assert stops(var)


def test_server_starts_again_after_it_was_killed(var: Path, use: Callable[[], User]) -> None:
    socket = socket_of(use())
    with psycopg.connect(host=socket, dbname="embudo", user="embudo", autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS number")
    os.kill(int((settle(var).data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    assert stops(var)
    assert ask(socket_of(use()), "SELECT number FROM kept", role="embudo") == [(1,)]


def test_pid_file_of_a_dead_server_naming_a_living_process_is_no_obstacle(var: Path, use: Callable[[], User]) -> None:
    end(use())
    assert stops(var)
    (settle(var).data / "postmaster.pid").write_text(
        f"{os.getpid()}\n{settle(var).data}\n1\n5432\n\n\n 1 1\nready   \n"
    )
    assert ask(socket_of(use()), "SELECT 1") == [(1,)]


def test_server_listens_to_no_network(use: Callable[[], User]) -> None:
    socket = socket_of(use())
    assert ask(socket, "SELECT setting FROM pg_settings WHERE name = 'listen_addresses'") == [("",)]


def test_socket_is_closed_to_other_users(use: Callable[[], User]) -> None:
    folder = Path(socket_of(use()))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / ".s.PGSQL.5432").stat().st_mode) == 0o700


@AS_ROOT
def test_another_user_cannot_connect(use: Callable[[], User]) -> None:
    socket = socket_of(use())
    knock = f"cd {socket}"
    done = subprocess.run(["/bin/sh", "-c", knock], user=65534, group=65534, extra_groups=[], capture_output=True)
    assert done.returncode != 0


def test_nothing_outside_our_folder_changes(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir(mode=0o700)
    around = [checkout, *checkout.parents, places.wheel(), *places.wheel().parents]
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in around]
    run_once(checkout / "var")
    assert [(path, path.stat().st_mode, path.stat().st_uid) for path in around] == before
    assert os.listdir(checkout) == ["var"]
    remove(checkout / "var")


def run_once(var: Path) -> str:
    done = subprocess.run([sys.executable, "-c", USER, str(var)], input="", capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_deep_folder_gets_a_short_socket(tmp_path: Path) -> None:
    deep = Place(tmp_path / ("deep" * 30), os.geteuid(), os.getegid())
    deep.folder.mkdir()
    places.make_socket_folder(deep)
    assert len(f"{deep.socket_folder}/.s.PGSQL.5432") < 104
    assert stat.S_IMODE(os.stat(deep.socket_folder).st_mode) == 0o700
    os.rmdir(deep.socket_folder)


@AS_ROOT
def test_copied_checkout_gets_a_server_of_its_own_and_a_moved_one_keeps_its(tmp_path: Path) -> None:
    original, copy, moved = (tmp_path / name / "var" for name in ("original", "copy", "moved"))
    original.mkdir(parents=True)
    home = settle(original).folder
    assert not home.is_relative_to(tmp_path), "the account cannot enter pytest's folder"
    shutil.copytree(tmp_path / "original", tmp_path / "copy", symlinks=True)
    copys_home = settle(copy).folder
    (tmp_path / "original").rename(tmp_path / "moved")
    assert settle(moved).folder == home
    assert copys_home != home
    remove(copy)
    remove(moved)


@AS_ROOT
def test_binaries_are_copied_for_an_account_that_cannot_run_the_wheels(
    var: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    var.mkdir(exist_ok=True)
    place = settle(var)
    monkeypatch.setattr(places, "_can_run", lambda place, folder: False)
    copy = places.binaries(place)
    assert copy.is_relative_to(place.folder)
    assert place.run(copy / "postgres", "-V").returncode == 0
    assert place.run(copy / "initdb", "-V").returncode == 0


def test_full_disk_is_said_in_one_sentence() -> None:
    output = """2030-01-01 00:00:00.000 UTC [7] LOG:  starting PostgreSQL 18.4
2030-01-01 00:00:00.000 UTC [7] FATAL:  could not write lock file "postmaster.pid": No space left on device
2030-01-01 00:00:00.000 UTC [7] LOG:  database system is shut down"""
    assert complaint(output) == 'could not write lock file "postmaster.pid": No space left on device'


def test_folder_that_cannot_be_made_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(NoServer, match="PostgreSQL cannot be started"):
        start(tmp_path / "var")


def test_database_entry_starts_nothing(tmp_path: Path) -> None:
    entry = embedded.database(tmp_path / "var")
    assert (entry["NAME"], entry["USER"]) == ("embudo", "embudo_app")
    assert not (tmp_path / "var").exists()


def test_secret_is_private_and_a_fernet_key(tmp_path: Path) -> None:
    key = embedded.secret(tmp_path / "var", "credentials_key")
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"token")) == b"token"
    assert stat.S_IMODE((tmp_path / "var" / "credentials_key").stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "var") == ["credentials_key"]


def test_secret_is_one_for_all_who_ask_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK_FOR_SECRET, str(tmp_path / "var")]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(6)]
    assert len({process.communicate()[0] for process in asking}) == 1
