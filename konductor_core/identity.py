"""Who and what: API group, kinds, the rules for names, and who the caller is.

Everything that enters Konductor under a name passes one of the `check_*` functions here before it
reaches Redis; each returns its argument, or raises `InvalidInput` with the value and the remedy.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from konductor_core.errors import InvalidInput, did_you_mean, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "API_VERSION",
    "GROUP",
    "VERSION",
    "Kind",
    "Owner",
    "arrival_id",
    "base_holder",
    "check_count",
    "check_holder",
    "check_name",
    "check_namespace",
    "check_priority",
    "check_text",
    "namespace",
    "new_request_id",
    "owner",
    "random_suffix",
]

GROUP: Final = "konductor.io"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

NAME_MAX: Final = 253
LABEL_MAX: Final = 63
HOLDER_MAX_BYTES: Final = 253
TEXT_MAX: Final = 1_000
COUNT_MAX: Final = 1_000_000
PRIORITY_MAX: Final = 1000

NAME_PATTERN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
LABEL_PATTERN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME: Final = re.compile(NAME_PATTERN)
_LABEL: Final = re.compile(LABEL_PATTERN)

SERVICE_ACCOUNT_NAMESPACE: Final = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
MOUNTINFO: Final = "/proc/self/mountinfo"
_POD_MOUNT: Final = re.compile(r"/pods/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:/|$)")
_KUBELET_FILES: Final = {"/etc/hosts", "/dev/termination-log"}


class Kind(StrEnum):
    """The eight kinds; the value is the kind as manifests write it."""

    BARRIER = "Barrier"
    SEMAPHORE = "Semaphore"
    LEASE = "Lease"
    MUTEX = "Mutex"
    RWMUTEX = "RWMutex"
    ONCE = "Once"
    WAITGROUP = "WaitGroup"
    GATE = "Gate"

    @property
    def key(self) -> str:
        """The kind as it stands in Redis keys and koncli commands: `rwmutex`."""
        return self.value.lower()

    @property
    def plural(self) -> str:
        """The resource's name in the Kubernetes API: `rwmutexes`."""
        return self.key + ("es" if self is Kind.MUTEX or self is Kind.RWMUTEX else "s")

    @property
    def short(self) -> str:
        """The short name: `rwm`."""
        return _SHORT[self]

    @classmethod
    def parse(cls, text: str) -> Kind:
        """Return the kind that `text` names: kind, plural or short name in any case; else raise `InvalidInput`."""
        word = text.lower()
        for kind in cls:
            if word in {kind.key, kind.plural, kind.short}:
                return kind
        guess = did_you_mean(text, [*(kind.value for kind in cls), *(kind.plural for kind in cls)])
        remedy = f"did you mean {guess}?" if guess else "choose one of " + ", ".join(kind.value for kind in cls)
        raise InvalidInput(f"kind {quoted(text)} is unknown: {remedy}")


_SHORT: Final = dict(zip(Kind, ("bar", "sem", "kl", "mtx", "rwm", "once", "wg", "gate"), strict=True))


def _check_text(value: str, what: str) -> None:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} {quoted(value)} is not text: put it in quotes")


def check_name(value: str, what: str = "name") -> str:
    """Return `value` if it is an RFC 1123 subdomain: the name of an object."""
    _check_text(value, what)
    if len(value) > NAME_MAX:
        raise InvalidInput(f"{what} {quoted(value)} is too long: use at most {NAME_MAX} characters")
    if not _NAME.fullmatch(value):
        raise InvalidInput(
            f"{what} {quoted(value)} is not valid: use lower-case letters, digits, '-' and '.', "
            "beginning and ending with a letter or digit"
        )
    return value


def check_namespace(value: str, what: str = "namespace") -> str:
    """Return `value` if it is an RFC 1123 label."""
    _check_text(value, what)
    if len(value) > LABEL_MAX:
        raise InvalidInput(f"{what} {quoted(value)} is too long: use at most {LABEL_MAX} characters")
    if not _LABEL.fullmatch(value):
        raise InvalidInput(
            f"{what} {quoted(value)} is not valid: use lower-case letters, digits and '-', "
            "beginning and ending with a letter or digit"
        )
    return value


def check_holder(value: str, what: str = "holder") -> str:
    """Return `value` if it can name a holder or an arrival: printable text of 1 to 253 bytes of UTF-8."""
    _check_text(value, what)
    if not value:
        raise InvalidInput(f"{what} is empty: give it a name, for example the pod's")
    if len(value) > HOLDER_MAX_BYTES or len(value.encode(errors="surrogatepass")) > HOLDER_MAX_BYTES:
        raise InvalidInput(f"{what} {quoted(value)} is too long: use at most {HOLDER_MAX_BYTES} bytes")
    if not value.isprintable():
        raise InvalidInput(f"{what} {quoted(value)} is not valid: leave out line breaks and other control characters")
    if value != value.strip():
        raise InvalidInput(f"{what} {quoted(value)} is not valid: leave out the space at its beginning or end")
    return value


def check_text(value: str, what: str) -> str:
    """Return `value` if it is text of at most 1,000 characters: a note that people read."""
    _check_text(value, what)
    if len(value) > TEXT_MAX:
        raise InvalidInput(f"{what} {quoted(value)} is too long: use at most {TEXT_MAX} characters")
    return value


def check_count(value: int, what: str, minimum: int, maximum: int = COUNT_MAX) -> int:
    """Return `value` if it is a whole number from `minimum` to `maximum`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(f"{what} {quoted(value)} is not a whole number: use one from {minimum} to {maximum}")
    if not minimum <= value <= maximum:
        raise InvalidInput(f"{what} {quoted(value)} is out of range: use a number from {minimum} to {maximum}")
    return value


def check_priority(value: int) -> int:
    """Return `value` if it is a whole number from -1000 to 1000; higher goes first."""
    return check_count(value, "priority", -PRIORITY_MAX, PRIORITY_MAX)


def new_request_id() -> str:
    """Return a new id for one request: 32 hexadecimal digits."""
    return os.urandom(16).hex()


def random_suffix() -> str:
    """Return ten hexadecimal digits that tell two processes of one host apart."""
    return os.urandom(5).hex()


def base_holder(env: Mapping[str, str]) -> str:
    """Return who the caller is, before any suffix: what the environment says, else the host's name."""
    for variable in ("KONDUCTOR_HOLDER", "KONDUCTOR_HOLDER_ID", "POD_NAME", "HOSTNAME"):
        if value := env.get(variable):
            return check_holder(value, variable)
    return check_holder(os.uname().nodename or "localhost", "the host's name")


def arrival_id(env: Mapping[str, str], holder: str) -> str:
    """Return the id under which the caller arrives at barriers: KONDUCTOR_ARRIVAL_ID, else `holder`."""
    if value := env.get("KONDUCTOR_ARRIVAL_ID"):
        return check_holder(value, "KONDUCTOR_ARRIVAL_ID")
    return holder


def namespace(env: Mapping[str, str]) -> str:
    """Return the caller's namespace: environment, service account, kubeconfig's current context, `default`."""
    for variable in ("KONDUCTOR_NAMESPACE", "POD_NAMESPACE"):
        if value := env.get(variable):
            return check_namespace(value, variable)
    if value := _read(SERVICE_ACCOUNT_NAMESPACE).strip():
        return check_namespace(value, SERVICE_ACCOUNT_NAMESPACE)
    from konductor_core.kubeconfig import current_namespace

    if value := current_namespace(env):
        return check_namespace(value, "the namespace of kubeconfig's current context")
    return "default"


@dataclass(frozen=True, slots=True)
class Owner:
    """The pod on whose behalf a lease is held; all empty outside pods."""

    pod: str = ""
    uid: str = ""
    node: str = ""


def owner(env: Mapping[str, str]) -> Owner:
    """Return the pod this process runs in, as far as the environment and the pod's mounts tell."""
    return Owner(
        pod=check_holder(env["POD_NAME"], "POD_NAME") if env.get("POD_NAME") else "",
        uid=check_holder(env["POD_UID"], "POD_UID") if env.get("POD_UID") else _mounted_pod_uid(_read(MOUNTINFO)),
        node=check_holder(env["NODE_NAME"], "NODE_NAME") if env.get("NODE_NAME") else "",
    )


def _mounted_pod_uid(mountinfo: str) -> str:
    """Return the uid in the host path of a file that the kubelet mounts into every container, or nothing.

    Other mounts are not asked: a process on the node itself sees those of every pod.
    """
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > 4 and fields[4] in _KUBELET_FILES and (match := _POD_MOUNT.search(fields[3])):
            return match[1]
    return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib is slow to import
            return file.read()
    except OSError:
        return ""
