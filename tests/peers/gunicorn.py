"""The product behind the server that it runs on, in processes of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTENING = re.compile(r"Listening at: http://([\d.]+:\d+)")


@contextmanager
def serving_product(environment: Mapping[str, str], *, threads: int = 16) -> Iterator[str]:
    """Its host and port, until the block ends."""
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind=127.0.0.1:0", "--workers=1"]
    options = [f"--threads={threads}", "--no-control-socket", "--graceful-timeout=5"]
    with subprocess.Popen(
        [*command, *options], cwd=ROOT, env=dict(environment), stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        try:
            lines = iter(server.stderr.readline, "")
            yield next(found.group(1) for line in lines if (found := LISTENING.search(line)))
        finally:
            server.terminate()
            server.communicate()
