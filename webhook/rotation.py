"""Keeping the certificate in force: from the Secret that all replicas share, or from files that cert-manager renews."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from webhook.certs import Lifetimes, Material, renewed
from webhook.cluster import TRIES, ApiError, Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from webhook.cluster import Cluster

__all__ = ["Certificate", "Files", "Shared", "Source", "keep_loaded", "now"]

log = logging.getLogger(__name__)


def now() -> datetime:
    """Return the time by which certificates live: the calendar's."""
    return datetime.now(UTC)  # noqa: TID251 - certificates end by the calendar, not by any server's clock


class Source(Protocol):
    """Where the certificate comes from."""

    async def pair(self) -> tuple[bytes, bytes]:
        """Return the chain and key to show now, as PEM. Raises `ApiError`, `OSError` or `ValueError`."""
        ...


class Files:
    """`tls.crt` and `tls.key` in a directory, as a mounted Secret of cert-manager's has them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def pair(self) -> tuple[bytes, bytes]:
        """Return what the files have now."""
        return (self._directory / "tls.crt").read_bytes(), (self._directory / "tls.key").read_bytes()


class Shared:
    """The Secret: whichever replica finds something due renews it, and all others read it."""

    def __init__(
        self,
        cluster: Cluster,
        names: Sequence[str],
        lifetimes: Lifetimes,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._cluster = cluster
        self._names = names
        self._lifetimes = lifetimes
        self._clock = clock
        self._last: Material | None = None

    async def pair(self) -> tuple[bytes, bytes]:
        """Renew what is due, let the API server trust it, and return the certificate and key in force."""
        material = await self._agreed()
        await self._cluster.publish(material.bundle)
        self._last = material
        data = material.to_secret()
        return data["tls.crt"], data["tls.key"]

    async def _agreed(self) -> Material:
        """Return what the Secret has, after having renewed it if that was due."""
        for _ in range(TRIES):
            found = await self._cluster.secret()
            present = self._read(found[0]) if found else None
            wanted = renewed(present or self._last, self._names, self._lifetimes, self._clock())
            if wanted is present:
                return wanted
            try:
                await self._cluster.store_secret(wanted.to_secret(), found[1] if found else None)
            except Conflict:
                continue
            log.info("certificate renewed, valid until %s", wanted.certificate.not_valid_after_utc.isoformat())
            return wanted
        raise ApiError("the Secret changes faster than it can be read: see who writes it")

    def _read(self, data: dict[str, bytes]) -> Material | None:
        """Return what the Secret has, or None where somebody has spoiled it."""
        try:
            return Material.from_secret(data)
        except ValueError as error:
            log.warning("the Secret is written again: %s", error)
            return None


class Certificate:
    """The context of the server, and what it shows; connections that stand keep what they began with."""

    def __init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.loaded = asyncio.Event()
        self.expires: datetime | None = None
        self.looked_at = 0.0
        """When the source was last asked, by the event loop's clock."""
        self._chain = b""

    def load(self, chain: bytes, key: bytes) -> bool:
        """Show this chain from now on; False if it is shown already. Raises `ValueError` if it cannot be."""
        if chain == self._chain:
            return False
        certificate = x509.load_pem_x509_certificate(chain)
        try:
            public_key = load_pem_private_key(key, None).public_key()
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(f"the key cannot be used: {error}") from None
        if public_key != certificate.public_key():
            raise ValueError("the key is not that of the certificate")  # halfway through a change: read again
        with tempfile.TemporaryDirectory() as directory:  # the ssl module takes files only
            file = Path(directory) / "pair.pem"
            descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as pair:
                pair.write(key + b"\n" + chain)
            self.context.load_cert_chain(file)
        self._chain = chain
        self.expires = certificate.not_valid_after_utc
        self.loaded.set()
        return True


async def keep_loaded(certificate: Certificate, source: Source, interval_s: float) -> None:
    """Ask the source again and again, and load what is new, until cancelled."""
    clock = asyncio.get_running_loop().time
    while True:
        try:
            certificate.load(*await source.pair())
        except (ApiError, OSError, ValueError) as error:
            log.warning("certificate not looked at: %s", error)
        certificate.looked_at = clock()
        await asyncio.sleep(interval_s if certificate.loaded.is_set() else min(interval_s, 1.0))
