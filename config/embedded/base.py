"""Django's PostgreSQL backend that starts the embedded server when somebody first connects."""

from collections.abc import Iterable
from typing import Any

from django.db.backends.postgresql import base, client
from django.db.utils import OperationalError

from config.embedded.place import BINARIES, NoServer, wheel
from config.embedded.server import start


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell` needs no psql of the machine's."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        args, environment = super().settings_to_cmd_args_env(settings_dict, parameters)
        return [str(wheel() / BINARIES / "psql"), *args[1:]], environment

    def runshell(self, parameters: Iterable[str]) -> None:
        self.connection.ensure_connection()
        super().runshell(parameters)


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        try:
            self.settings_dict["HOST"] = start(self.settings_dict["VAR_DIR"])
        except NoServer as reason:
            raise OperationalError(str(reason)) from reason
        return super().get_connection_params()
