"""The provider of docs/adding-a-provider.md: its code is taken from that page, so that the page cannot rot."""

import importlib.util
import re
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from django.conf import settings

PAGE = settings.BASE_DIR / "docs" / "adding-a-provider.md"
FILE = re.compile(r"^`([\w/.]+)`:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def files() -> dict[str, str]:
    """What the page says to write, by path, in its order."""
    return dict(FILE.findall(PAGE.read_text()))


def providers() -> dict[str, str]:
    """The settings' PROVIDERS with the page's line."""
    given: dict[str, Any] = {"PROVIDERS": dict(settings.PROVIDERS)}
    exec(files()["config/settings.py"], given)
    return dict(given["PROVIDERS"])


@cache
def contestant() -> Any:
    """Written, imported under the page's names, and as the page declares it."""
    written = {path: text for path, text in files().items() if path != "config/settings.py"}
    with tempfile.TemporaryDirectory() as folder:
        modules = [_imported(Path(folder), path, text) for path, text in written.items()]
    return modules[-1].CONTESTANT


def _imported(folder: Path, path: str, text: str) -> ModuleType:
    file = folder / Path(path).name
    file.write_text(text)
    name = path.removesuffix(".py").replace("/", ".")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
