"""HTTP/1.1 over asyncio's streams: requests with bounded heads and bodies, replies of JSON."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LONGEST_BODY", "LONGEST_HEAD", "Refusal", "Reply", "Request", "read_request"]

LONGEST_HEAD: Final = 16 * 1024
LONGEST_BODY: Final = 64 * 1024
"""Bytes."""


class Refusal(KonductorError):  # noqa: N818 - named as the library names its own
    """A request that HTTP itself refuses; `status` is the reply's, `code` says the same in a word."""

    def __init__(self, status: HTTPStatus, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status

    def to_dict(self) -> dict[str, str]:
        """Return the reply's body."""
        return {**super().to_dict(), "code": self.status.phrase.lower().replace(" ", "-")}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks; `last` is whether its connection ends with the reply."""

    method: str
    path: str
    body: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and a document."""

    status: HTTPStatus
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, *, last: bool, bodiless: bool = False) -> bytes:
        """Return what is sent; a reply to HEAD is `bodiless`."""
        body = json.dumps(self.document, ensure_ascii=False).encode() + b"\n"
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **self.headers}
        if last:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + (b"" if bodiless else body)


class _Head(BaseHTTPRequestHandler):
    """The first line and the headers of a request, read by the standard library's parser from bytes."""

    protocol_version = "HTTP/1.1"  # what we speak: connections last, and clients may expect a word before the body

    def __init__(self, data: bytes) -> None:
        self.rfile = BytesIO(data)
        self.raw_requestline = self.rfile.readline()
        self.requestline = self.request_version = self.command = ""
        self.close_connection = True
        self.continues = False
        self.refused = "is not HTTP"
        self.parsed = self.parse_request() and bool(self.command)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Note why the parser refuses the request."""
        self.refused = message or "is not HTTP"

    def handle_expect_100(self) -> bool:
        """Note that the client waits for a word before it sends the body."""
        self.continues = True
        return True


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Return the next request of a connection, None at its end. Raises `Refusal`, after which nothing can be read."""
    try:
        data = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial.strip():
            return None
        raise Refusal(HTTPStatus.BAD_REQUEST, "the request ends in the middle of its head") from None
    except asyncio.LimitOverrunError:
        raise Refusal(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head of the request is longer than {LONGEST_HEAD} bytes"
        ) from None
    head = _Head(data.lstrip(b"\r\n"))
    if not head.parsed:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the request cannot be read: {head.refused}")
    size = _size(head)
    if head.continues and size:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        body = await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the request ends in the middle of its body") from None
    return Request(head.command, head.path, body, last=head.close_connection)


def _size(head: _Head) -> int:
    if head.headers.get("Transfer-Encoding"):
        raise Refusal(HTTPStatus.LENGTH_REQUIRED, "a body in chunks is not read: send it with a Content-Length")
    lengths = set(head.headers.get_all("Content-Length", ["0"]))
    text = lengths.pop()
    if lengths or not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Refusal(HTTPStatus.BAD_REQUEST, "the Content-Length is not one whole number")
    if int(text) > LONGEST_BODY:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than {LONGEST_BODY} bytes")
    return int(text)
