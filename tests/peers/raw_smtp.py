"""An SMTP server in bare sockets: it hangs up, or falls silent, at a chosen point."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

HANG_UP, SILENCE = "hang up", "silence"


@dataclass
class RawSmtpPeer:
    """`acts` maps GREETING, EHLO, MAIL, RCPT, DATA, TEXT (instead of reading it) or DOT (the text is read) to
    HANG_UP, SILENCE or a reply; `mails_a_session` are taken before it hangs up at the next command.
    """

    acts: dict[str, str] = field(default_factory=dict)
    mails_a_session: int = 1_000_000
    port: int = 0
    connections: int = 0
    texts: list[bytes] = field(default_factory=list)


@contextmanager
def raw_smtp_peer(**settings: object) -> Iterator[RawSmtpPeer]:
    peer = RawSmtpPeer(**settings)  # type: ignore[arg-type]
    listener = socket.create_server(("127.0.0.1", 0))
    peer.port = listener.getsockname()[1]
    Thread(target=_accept, args=(listener, peer), daemon=True).start()
    try:
        yield peer
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, peer: RawSmtpPeer) -> None:
    while True:
        try:
            connection, _address = listener.accept()
        except OSError:
            return
        peer.connections += 1
        Thread(target=_serve, args=(connection, peer), daemon=True).start()


def _serve(connection: socket.socket, peer: RawSmtpPeer) -> None:
    with connection, connection.makefile("rb") as lines:
        try:
            _converse(connection, lines, peer)
        except (OSError, EOFError):
            # A reset tells the other side at once that nobody reads any more.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _converse(connection: socket.socket, lines, peer: RawSmtpPeer) -> None:  # type: ignore[no-untyped-def]
    taken = 0
    _act(connection, lines, peer, "GREETING", "220 raw.test ESMTP")
    for line in lines:
        verb = line.split()[0].upper().decode()
        if taken >= peer.mails_a_session:
            return
        if verb != "DATA":
            _act(connection, lines, peer, verb, "221 bye" if verb == "QUIT" else "250 ok")
            continue
        _act(connection, lines, peer, "DATA", "354 go on")
        if "TEXT" in peer.acts:
            raise EOFError
        peer.texts.append(b"".join(iter(lines.readline, b".\r\n")))
        taken += 1
        _act(connection, lines, peer, "DOT", "250 2.0.0 queued")


def _act(connection: socket.socket, lines, peer: RawSmtpPeer, point: str, reply: str) -> None:  # type: ignore[no-untyped-def]
    act = peer.acts.get(point, reply)
    if act == HANG_UP:
        raise EOFError
    if act == SILENCE:
        lines.read()  # until the other side gives up
        raise EOFError
    connection.sendall(f"{act}\r\n".encode())
