"""How pods reach Redis: a Secret in each namespace that uses Konductor, with the URL of a user confined to it.

A Secret that was deleted or edited is mended. It stays as long as its namespace, also when nothing there uses Konductor
any more: pods may be running that have yet to give back what they hold, and its user reaches nothing else. A Secret of
that name which somebody else made is left alone.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final, Literal

from konductor_core.annotations import CA_KEY, CONNECTION_SECRET, CONTROLLER, ENABLED_LABEL, MIN_REPLICAS_KEY, URL_KEY
from konductor_core.controller.agenda import Agenda
from konductor_core.controller.cluster import ApiUnavailable, Conflict, Forbidden, Missing
from konductor_core.controller.tenants import NoRights, user_of
from konductor_core.drivers.tls import authority
from konductor_core.errors import InvalidInput, Unavailable
from konductor_core.urls import parse_redis_url, with_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from konductor_core.config import Settings
    from konductor_core.controller.cluster import Cluster
    from konductor_core.controller.notices import Notices
    from konductor_core.controller.tenants import Tenants
    from konductor_core.controller.view import Key, Namespace, Resource, View

__all__ = ["Connections"]

log = logging.getLogger(__name__)

USERS_EVERY: Final = 3.0
"""Seconds between looks whether a server has lost its users."""
SECRETS_EVERY: Final = 30.0
"""Seconds between looks at a namespace's Secret."""
OWNER_LABEL: Final = "app.kubernetes.io/managed-by"
SHORTEST_PASSWORD: Final = 32


class Connections:
    """Makes and mends the Secrets and their users."""

    def __init__(
        self,
        view: View,
        cluster: Cluster,
        tenants: Tenants,
        notices: Notices,
        *,
        settings: Settings,
        tenancy: Literal["isolated", "shared"],
    ) -> None:
        self._view = view
        self._cluster = cluster
        self._tenants = tenants
        self._notices = notices
        self._settings = settings
        self._isolated = tenancy == "isolated"
        self._known: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._agenda: Agenda[str] = Agenda(self._work, workers=4, outages=(Unavailable, ApiUnavailable, NoRights))
        self.problem = ""
        """Why namespaces have no connection, for the status of this replica; empty if they have."""
        self._authority = authority(settings)
        view.resources.listeners.append(self._resource_changed)
        view.namespaces.listeners.append(self._namespace_changed)

    async def run(self) -> None:
        """Make and mend until cancelled."""
        self._told.clear()
        self._known.clear()  # another replica may have made others meanwhile
        for namespace in self._view.namespaces_in_use(ENABLED_LABEL):
            self._agenda.poke(namespace)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._agenda.run())
            while True:
                await asyncio.sleep(USERS_EVERY)
                if self._isolated and self._known:
                    await self._mend_users()

    def _resource_changed(self, key: Key, _before: Resource | None, _after: Resource | None) -> None:
        if key.namespace not in self._known:
            self._agenda.poke(key.namespace)

    def _namespace_changed(self, name: str, _before: Namespace | None, _after: Namespace | None) -> None:
        self._agenda.poke(name)

    async def _work(self, namespace: str) -> float | None:
        """Bring one namespace's user and Secret in order; return after how many seconds to look again."""
        if namespace not in self._view.namespaces.items:
            if self._known.pop(namespace, None) and self._isolated:
                await self._tenants.drop(namespace)
            self._agenda.forget(namespace)
            return None
        if namespace not in self._view.namespaces_in_use(ENABLED_LABEL):
            return SECRETS_EVERY if namespace in self._known else None
        try:
            await self._mend(namespace)
        except NoRights as error:
            self.problem = f"{error}; give it that right, or set the tenancy to shared"
            await self._tell(namespace, "NoConnection", self.problem)
            raise
        except (Missing, Forbidden) as error:
            if not self._view.is_ending(namespace):
                raise
            log.debug("%s: %s", namespace, error)
            return None
        self.problem = ""
        return SECRETS_EVERY

    async def _mend(self, namespace: str) -> None:
        """Make the namespace's user and Secret, or give them back what they should have."""
        secret = await self._cluster.secret(namespace, CONNECTION_SECRET)
        if secret is not None and not _is_ours(secret):
            text = f"{CONNECTION_SECRET} was made by somebody else and is left alone: delete it to have one made"
            await self._tell(namespace, "SecretNotOurs", text, secret["metadata"]["uid"])
            return
        present = {} if secret is None else _decoded(secret)
        password = self._known.get(namespace) or _password_in(present, namespace) or secrets.token_urlsafe(32)
        if self._isolated and namespace not in self._known:
            await self._tenants.make(namespace, password)
        self._known[namespace] = password
        wanted = self._content(namespace, password)
        if secret is None:
            await self._create(namespace, wanted)
        elif present != wanted:
            gone: dict[str, str | None] = dict.fromkeys(present.keys() - wanted.keys())
            await self._cluster.patch_secret(namespace, CONNECTION_SECRET, {"data": {**gone, **_encoded(wanted)}})
            log.info("%s: the Secret %s has what it should have again", namespace, CONNECTION_SECRET)

    async def _create(self, namespace: str, content: dict[str, str]) -> None:
        labels = {OWNER_LABEL: CONTROLLER, "app.kubernetes.io/part-of": "konductor"}
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": CONNECTION_SECRET, "namespace": namespace, "labels": labels},
            "type": "Opaque",
            "data": _encoded(content),
        }
        try:
            await self._cluster.create_secret(namespace, body)
        except Conflict:  # made at this moment: what it says counts
            del self._known[namespace]
            raise
        log.info("%s: has a Secret %s now", namespace, CONNECTION_SECRET)

    def _content(self, namespace: str, password: str) -> dict[str, str]:
        """Return what the Secret should have."""
        url = self._settings.redis
        if self._isolated:
            text = with_user(self._settings.redis_url, user_of(namespace), password)
        elif url.password is not None:
            text = with_user(self._settings.redis_url, url.username or "", url.password)
        else:
            text = self._settings.redis_url
        content = {URL_KEY: text}
        if self._authority:
            content[CA_KEY] = self._authority
        if self._settings.min_replicas:
            content[MIN_REPLICAS_KEY] = str(self._settings.min_replicas)
        return content

    async def _mend_users(self) -> None:
        """Make the users again that a server has lost."""
        try:
            for namespace in await self._tenants.missing(set(self._known)):
                log.warning("%s: Redis has lost its user; making it again", namespace)
                await self._tenants.make(namespace, self._known[namespace])
        except (Unavailable, NoRights) as error:
            log.debug("users: %s", error)

    async def _tell(self, namespace: str, reason: str, message: str, uid: str = "") -> None:
        if self._told.get(namespace) != message:
            await self._notices.tell(("Secret", namespace, CONNECTION_SECRET, uid), reason, message)
            self._told[namespace] = message


def _is_ours(secret: Mapping[str, Any]) -> bool:
    return (secret["metadata"].get("labels") or {}).get(OWNER_LABEL) == CONTROLLER


def _decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    """Return the content of a Secret; what is no text counts as empty."""
    content = {}
    for name, text in (secret.get("data") or {}).items():
        try:
            content[name] = b64decode(text or "").decode()
        except ValueError:
            content[name] = ""
    return content


def _encoded(content: Mapping[str, str]) -> dict[str, str]:
    return {name: b64encode(text.encode()).decode() for name, text in content.items()}


def _password_in(content: Mapping[str, str], namespace: str) -> str:
    """Return the password of the namespace's user in a Secret that was made before; empty if there is none."""
    try:
        url = parse_redis_url(content.get(URL_KEY, ""))
    except InvalidInput:
        return ""
    is_its = url.username == user_of(namespace) and len(url.password or "") >= SHORTEST_PASSWORD
    return url.password or "" if is_its else ""
