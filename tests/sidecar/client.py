"""A client of the local API that holds every request and every reply to the API's description."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

DESCRIPTION = Path(__file__).resolve().parents[2] / "docs" / "local-api.yaml"


@cache
def description() -> OpenAPI:
    return OpenAPI.from_dict(yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its status, its document, its headers in lower case."""

    status: int
    document: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        return str(self.document["code"])


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Api:
    """The API of one pod, on its socket; a connection for each client."""

    def __init__(self, volume: Path) -> None:
        self.socket = volume / "api.sock"
        self._connection = _Connection(self.socket)

    def get(self, path: str) -> Reply:
        return self.ask("GET", path, None)

    def post(self, path: str, **fields: Any) -> Reply:
        """Ask as the description says; fails if it does not allow the request, or the reply."""
        return self.ask("POST", path, fields)

    def ask(self, method: str, path: str, fields: Mapping[str, Any] | None) -> Reply:
        body = None if fields is None else json.dumps(fields).encode()
        reply = self.send(method, path, body)
        request = MockRequest("http://localhost", method.lower(), path, data=body, content_type="application/json")
        if reply.status != 400:
            description().validate_request(request)
        text = json.dumps(reply.document).encode()
        description().validate_response(request, MockResponse(text, status_code=reply.status))
        return reply

    def send(self, method: str, path: str, body: bytes | None, **headers: str) -> Reply:
        """Send anything at all."""
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        return Reply(answer.status, json.loads(text) if text else None, {k.lower(): v for k, v in answer.getheaders()})

    def raw(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own, and return all that comes back until it ends."""
        with self.open() as client:
            client.sendall(data)
            received = b""
            while part := client.recv(65536):
                received += part
        return received

    def open(self) -> socket.socket:
        """Return a connection that says nothing yet."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(15)
        client.connect(str(self.socket))
        return client

    def close(self) -> None:
        self._connection.close()
