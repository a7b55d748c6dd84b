"""The Redis users of the namespaces, on every server: each may reach its own namespace and no other.

A server keeps its users to itself and forgets them when it restarts, unless it has a file for them. So they are made
again, with the same passwords, as soon as one is missing.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Self

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from konductor_core import acl
from konductor_core.drivers.fleet import Fleet
from konductor_core.errors import KonductorError

if TYPE_CHECKING:
    from konductor_core.config import Settings
    from konductor_core.controller.store import Store

__all__ = ["NoRights", "Tenants", "user_of"]

log = logging.getLogger(__name__)

PREFIX: Final = "konductor-"


class NoRights(KonductorError):  # noqa: N818 - reads best
    """Redis does not let the controller make users."""


def user_of(namespace: str) -> str:
    """Return the name of a namespace's user."""
    return PREFIX + namespace


class Tenants:
    """Makes users. Raises `NoRights`, and `Unavailable` if the master cannot do it now; replicas are tried again."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._driver = store.driver
        self._fleet = Fleet(settings, store.driver)
        self._troubles: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections to replicas."""
        await self._fleet.close()

    async def make(self, namespace: str, password: str) -> None:
        """Make a namespace's user, or give it this password and the rights that it should have."""
        digest = sha256(password.encode()).hexdigest()  # so that no log of commands shows it
        words = ("reset", "on", f"#{digest}", *acl.tenant(namespace))
        await self._run("ACL", "SETUSER", user_of(namespace), *words)
        await self._save()

    async def drop(self, namespace: str) -> None:
        """Remove the user of a namespace that is gone, and cut its connections."""
        await self._run("ACL", "DELUSER", user_of(namespace))
        await self._save()

    async def missing(self, namespaces: set[str]) -> set[str]:
        """Return those namespaces whose user some server does not have."""
        found: set[str] = set()
        for users in (await self._run("ACL", "USERS")).values():
            found |= {name for name in namespaces if user_of(name) not in users}
        return found

    async def _run(self, *words: str) -> dict[str, Any]:
        """Return what each server answered that could be reached."""
        try:
            answers = await self._fleet.run(*words)
        except (RedisError, OSError) as error:
            raise self._driver.failure(error) from None
        for place, answer in answers.items():
            if isinstance(answer, NoPermissionError) or "unknown command" in str(answer):
                raise NoRights(f"Redis does not let the controller run {' '.join(words[:2])}: {answer}")
            self._note(place, answer)
        failed = [answer for answer in answers.values() if isinstance(answer, Exception)]
        if len(failed) == len(answers) or isinstance(answers.get("master"), Exception):
            raise self._driver.failure(failed[0])
        return {place: answer for place, answer in answers.items() if not isinstance(answer, Exception)}

    def _note(self, place: str, answer: object) -> None:
        """Log once what keeps a server from having its users."""
        trouble = str(answer) if isinstance(answer, Exception) else ""
        if trouble and self._troubles.get(place) != trouble:
            log.warning("Redis at %s does not take its users: %s", place, trouble)
        self._troubles[place] = trouble

    async def _save(self) -> None:
        """Write the users to the servers' files, where they have one."""
        try:
            answers = await self._fleet.run("ACL", "SAVE")
        except (RedisError, OSError) as error:
            raise self._driver.failure(error) from None
        for place, answer in answers.items():
            if isinstance(answer, Exception) and not isinstance(answer, ResponseError):
                self._note(place, answer)
