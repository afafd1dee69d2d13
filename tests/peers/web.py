"""An HTTP server on a free port of the loopback that answers as a function says."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar, NamedTuple


class Asked(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str] = {}


# None cuts the connection.
Answers = Callable[[Asked], Answer | None]


@dataclass
class Web:
    url: str = ""
    connections: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: ClassVar[Web]
    answers: ClassVar[Answers]

    def setup(self) -> None:
        super().setup()
        self.web.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = type(self).answers(Asked(self.command, self.path, self.headers, body))
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who gave up on us is part of the game; nobody has to read of it."""


@contextmanager
def serving(answers: Answers) -> Iterator[Web]:
    """Until the block ends; each connection has a thread of its own."""
    web = Web()
    handler = type("Handler", (_Handler,), {"web": web, "answers": staticmethod(answers)})
    with _Server(("127.0.0.1", 0), handler) as server:
        web.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join(10)
