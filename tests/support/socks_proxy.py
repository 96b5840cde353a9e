"""A SOCKS5 proxy (RFC 1928) on this computer: no authentication, CONNECT, and a list of where it led."""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import cast


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.led_to: list[tuple[str, int]] = []


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with suppress(OSError):
            self._serve(cast(socket.socket, self.request))

    def _serve(self, client: socket.socket) -> None:
        _version, n_methods = _exactly(client, 2)
        _exactly(client, n_methods)
        client.sendall(b"\x05\x00")
        _version, _command, _reserved, kind = _exactly(client, 4)
        if kind == 3:
            host = _exactly(client, _exactly(client, 1)[0]).decode()
        else:
            host = socket.inet_ntop(
                socket.AF_INET if kind == 1 else socket.AF_INET6, _exactly(client, 4 if kind == 1 else 16)
            )
        (port,) = struct.unpack("!H", _exactly(client, 2))
        cast(_Proxy, self.server).led_to.append((host, port))
        with socket.create_connection((host, port)) as target:
            client.sendall(b"\x05\x00\x00\x01" + bytes(6))
            back = threading.Thread(target=_pump, args=(target, client), daemon=True)
            back.start()
            _pump(client, target)
            back.join()


def _exactly(source: socket.socket, n_bytes: int) -> bytes:
    data = b""
    while len(data) < n_bytes:
        part = source.recv(n_bytes - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def socks_proxy() -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """Its port, and the list of (host, port) that it has led to."""
    with _Proxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield proxy.server_address[1], proxy.led_to
        finally:
            proxy.shutdown()
            thread.join()
