"""TLS over redis-py's connections, with one context for all of them.

redis-py makes a context for each connection, and reads the system's certificates into it even where another authority
is named: 40 ms each time, during which an event loop stands still. Here a named authority is also the only one trusted.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

from konductor_core.errors import InvalidInput, quoted

if TYPE_CHECKING:
    from konductor_core.config import Settings
    from konductor_core.urls import RedisUrl

__all__ = ["authority", "context", "secure", "secure_async"]


def context(settings: Settings, url: RedisUrl) -> ssl.SSLContext:
    """Return what the URL's options and the separate settings, which replace them, ask for. Raises `InvalidInput`."""
    option = url.options.get
    made = _trusting(settings.redis_ca_file or option("ssl_ca_certs"), option("ssl_ca_path"), settings.redis_ca)
    if version := option("ssl_min_version"):
        made.minimum_version = ssl.TLSVersion[str(version)]
    if option("ssl_cert_reqs") == "none":
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif option("ssl_check_hostname") is False:
        made.check_hostname = False
    certificate = settings.redis_cert_file or option("ssl_certfile")
    key = settings.redis_key_file or option("ssl_keyfile")
    if certificate or key:
        _identify(made, str(certificate or key), str(key or certificate))
    return made


def authority(settings: Settings) -> str:
    """Return the certificates that are trusted, PEM, for others to trust; empty for the system's.

    Raises `InvalidInput`.
    """
    file = settings.redis_ca_file or settings.redis.options.get("ssl_ca_certs")
    if not file:
        return settings.redis_ca or ""
    try:
        with open(str(file), encoding="ascii") as opened:  # noqa: PTH123 - pathlib is slow to import
            return opened.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"the CA of the Redis connection, {quoted(file)}, cannot be read: {error}") from None


def _trusting(file: Any, folder: Any, text: str | None) -> ssl.SSLContext:  # noqa: ANN401 - paths, if any
    """Return a context that trusts the file or folder; without them the certificates in `text`, else the system's."""
    if folder and not os.path.isdir(folder):  # noqa: PTH112 - pathlib is slow to import
        raise InvalidInput(f"the CA directory of the Redis connection, {quoted(folder)}, is no directory")
    try:
        return ssl.create_default_context(cafile=file, capath=folder, cadata=None if file or folder else text)
    except OSError as error:  # SSLError is one
        reason = "it has no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        named = quoted(file or folder) if file or folder else "given as text"
        raise InvalidInput(f"the CA of the Redis connection, {named}, cannot be used: {reason}") from None


def _identify(made: ssl.SSLContext, certificate: str, key: str) -> None:
    def refuse() -> str:
        raise InvalidInput(f"the key of the Redis connection, {quoted(key)}, has a passphrase: use one without")

    try:
        made.load_cert_chain(certificate, key, refuse)
    except OSError as error:
        reason = error.strerror
        if isinstance(error, ssl.SSLError):
            reason = "they do not fit" if "MISMATCH" in str(error) else "there must be one of each, in PEM"
        files = quoted(certificate) if certificate == key else f"{quoted(certificate)} and {quoted(key)}"
        raise InvalidInput(f"the client certificate and key, {files}, cannot be used: {reason}") from None


def secure(base: Any) -> Any:  # noqa: ANN401 - a class of redis-py's connections
    """Return a class like `base` that takes a context as `tls`."""

    class Secure(base):  # type: ignore[misc]
        def __init__(self, *, tls: ssl.SSLContext, **options: Any) -> None:  # noqa: ANN401 - redis-py's
            self._tls = tls
            super().__init__(**options)

        def _connect(self) -> Any:  # noqa: ANN401 - a socket
            plain = super()._connect()
            try:
                return self._tls.wrap_socket(plain, server_hostname=self.host)
            except BaseException:
                plain.close()
                raise

    return Secure


def secure_async(base: Any) -> Any:  # noqa: ANN401 - a class of redis.asyncio's connections
    """Return a class like `base` that takes a context as `tls`."""

    class Secure(base):  # type: ignore[misc]
        def __init__(self, *, tls: ssl.SSLContext, **options: Any) -> None:  # noqa: ANN401 - redis-py's
            self._tls = tls
            super().__init__(**options)

        def _connection_arguments(self) -> dict[str, Any]:
            return {**super()._connection_arguments(), "ssl": self._tls}

    return Secure
