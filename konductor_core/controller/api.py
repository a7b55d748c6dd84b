"""A thin client of the Kubernetes API that speaks JSON.

Every call names its rule, what RBAC must grant for it, and is refused without one: `RULES` is what the controller
needs, neither more nor less.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import urlencode

from aiohttp import ClientError, ClientTimeout
from kubernetes.aio.client import ApiClient

from konductor_core.annotations import CONTROLLER
from konductor_core.controller.calls import (
    METHODS,
    RULES,
    ApiError,
    ApiUnavailable,
    Conflict,
    Missing,
    document_of,
    path_of,
)
from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kubernetes.aio.client import Configuration

    from konductor_core.controller.calls import Rule

__all__ = ["PAGE", "Api"]

T = TypeVar("T")
PAGE: Final = 500
"""How many items of a list are asked for at once."""

TIMEOUT: Final = ClientTimeout(total=20.0, sock_connect=5.0)
PAUSES: Final = (0.1, 0.4, 1.0)
"""Seconds between tries of a call that may work after a moment. What takes longer is the caller's to try again."""


class Api:
    """Calls of the Kubernetes API by their rules, each tried again for a moment where that may help.

    `observe` is told of every answer: the rule, and the HTTP status, or 0 if there was none.
    """

    def __init__(self, configuration: Configuration, observe: Callable[[Rule, int], None] | None = None) -> None:
        self._client = ApiClient(configuration)
        self._observe = observe

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _list(self, rule: Rule, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
        """Return what `make` makes of all items, page by page; anew if the list grew too old meanwhile."""
        found: list[T] = []
        token = ""
        while True:
            query = {"limit": str(PAGE)} | ({"continue": token} if token else {})
            try:
                page = await self._call(rule, "", "", query=query)
            except ApiError as error:
                if error.status != 410:
                    raise
                found, token = [], ""
                continue
            found += map(make, page.get("items") or [])
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return found

    async def _get(self, rule: Rule, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._call(rule, namespace, name)
        except Missing:
            return None

    async def _delete(self, rule: Rule, namespace: str, name: str, uid: str) -> bool:
        try:
            await self._call(rule, namespace, name, {"preconditions": {"uid": uid}})
        except (Missing, Conflict):
            return False
        return True

    async def _call(
        self,
        rule: Rule,
        namespace: str,
        name: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        if rule not in RULES:
            raise KonductorError(f"no rule allows the controller to {rule.verb} {rule.resource}")
        for pause in (*PAUSES, None):
            try:
                return await self._try(rule, namespace, name, body, query)
            except ApiUnavailable:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError  # the last pause is None

    async def _try(
        self,
        rule: Rule,
        namespace: str,
        name: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        method, path = METHODS[rule.verb], path_of(rule, namespace, name)
        query = dict(query or {}) | ({"fieldManager": CONTROLLER} if method in {"POST", "PATCH"} else {})
        headers = {"Accept": "application/json", "User-Agent": CONTROLLER}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        status, data = 0, b""
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
            url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
            answer = await self._client.call_api(method, url, headers, body, _request_timeout=TIMEOUT)
            data = await answer.read()
            status = answer.status
        except (ClientError, TimeoutError, OSError) as error:
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise ApiUnavailable(f"the Kubernetes API does not answer: {what}") from None
        finally:
            if self._observe is not None:
                self._observe(rule, status)
        return document_of(rule, status, data)
