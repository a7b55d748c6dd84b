"""Which path means what, and how errors are told. `docs/local-api.yaml` describes the same as OpenAPI."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from konductor_core.errors import (
    AlreadyDone,
    AlreadyWaiting,
    BelowZero,
    Denied,
    Failed,
    Impossible,
    InvalidInput,
    KonductorError,
    NotFound,
    NotHolder,
    Unavailable,
    WaitTimeout,
    WouldBlock,
    quoted,
)
from konductor_core.identity import Kind, check_name
from sidecar.api.body import Body
from sidecar.api.http import Refusal, Reply
from sidecar.api.latches import Latches
from sidecar.api.onces import Onces
from sidecar.api.permits import Permits

if TYPE_CHECKING:
    from sidecar.api.http import Request
    from sidecar.api.target import Document, Verb
    from sidecar.held import Ledger

__all__ = ["Routes", "status_of"]

HELD: Final = "/v1/held"

_STATUS: Final[dict[type[KonductorError], HTTPStatus]] = {
    NotFound: HTTPStatus.NOT_FOUND,
    WaitTimeout: HTTPStatus.GATEWAY_TIMEOUT,
    WouldBlock: HTTPStatus.CONFLICT,
    AlreadyWaiting: HTTPStatus.CONFLICT,
    NotHolder: HTTPStatus.CONFLICT,
    AlreadyDone: HTTPStatus.CONFLICT,
    BelowZero: HTTPStatus.CONFLICT,
    Impossible: HTTPStatus.UNPROCESSABLE_ENTITY,
    Denied: HTTPStatus.FORBIDDEN,
    Failed: HTTPStatus.GONE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    InvalidInput: HTTPStatus.BAD_REQUEST,
}


def status_of(error: KonductorError) -> HTTPStatus:
    """Return the status of a reply that says this error."""
    if isinstance(error, Refusal):
        return error.status
    return next((_STATUS[each] for each in type(error).__mro__ if each in _STATUS), HTTPStatus.INTERNAL_SERVER_ERROR)


class Routes:
    """The paths of the API, over what the pod holds."""

    def __init__(self, ledger: Ledger) -> None:
        self._permits = Permits(ledger)
        self._verbs: dict[tuple[str, str], tuple[Kind, Verb]] = {
            (kind.plural, verb): (kind, act)
            for verbs in (Latches(ledger).verbs, self._permits.verbs, Onces(ledger).verbs)
            for (kind, verb), act in verbs.items()
        }

    async def answer(self, request: Request) -> Reply:
        """Return the reply to a request, errors included. A cancellation ends what the request waits for."""
        try:
            return Reply(HTTPStatus.OK, await self._act(request))
        except KonductorError as error:
            status = status_of(error)
            headers = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
            return Reply(status, error.to_dict(), headers)

    async def _act(self, request: Request) -> Document:
        path, query, _ = request.path.partition("?")
        if query:
            raise InvalidInput(f"the query of {quoted(request.path)} is not read: send a JSON object as body")
        if path == HELD:
            _check_method(request, path, "GET")
            return self._permits.held(Body(request.body))
        version, _, rest = path.removeprefix("/").partition("/")
        plural, _, rest = rest.partition("/")
        name, _, verb = rest.partition("/")
        found = self._verbs.get((plural, verb)) if version == "v1" and name else None
        if found is None:
            raise self._unknown(path)
        _check_method(request, path, "POST" if verb else "GET")
        kind, act = found
        return await act(kind, check_name(name), Body(request.body))

    def _unknown(self, path: str) -> Refusal:
        known = ", ".join(f"/v1/{plural}/NAME{f'/{verb}' if verb else ''}" for plural, verb in self._verbs)
        return Refusal(HTTPStatus.NOT_FOUND, f"there is no path {quoted(path)}", hint=f"known are {HELD}, {known}")


def _check_method(request: Request, path: str, method: str) -> None:
    if request.method != method:
        what = f"{quoted(request.method)} is not for {path}"
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, what, hint=f"use {method}")
