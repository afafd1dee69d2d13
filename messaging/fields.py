"""Secrets at rest: a JSON value encrypted with the keys of the environment (the first one encrypts, all decrypt)."""

import json
import logging
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

logger = logging.getLogger(__name__)
NO_KEY_OPENS_IT = "CREDENTIALS_KEYS: none of the keys opens the stored credentials"


class Unreadable(dict[str, Any]):
    """Stands, empty, for what no key opens: its account sends nothing, and the others go on."""


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        raise ImproperlyConfigured(f"CREDENTIALS_KEYS: {error}") from error


class EncryptedJSONField(models.TextField):
    """A dict that is stored as one Fernet token. What no key opens is read as `Unreadable` and cannot be saved."""

    def to_python(self, value: Any) -> Any:
        """A dict stays one; a form's text is not read here."""
        return value

    def get_prep_value(self, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, Unreadable):
            raise ImproperlyConfigured(NO_KEY_OPENS_IT)
        return _fernet(tuple(settings.CREDENTIALS_KEYS)).encrypt(json.dumps(value).encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        if not value:
            return {}
        try:
            return json.loads(_fernet(tuple(settings.CREDENTIALS_KEYS)).decrypt(value.encode()))
        except InvalidToken:
            logger.error(NO_KEY_OPENS_IT)
            return Unreadable()
