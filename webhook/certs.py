"""The webhook's own certificate authority and server certificate: made, judged and renewed. Pure, but for randomness.

An authority is replaced long before it ends. Its successor stands in the bundle that the API server trusts for a while
(`overlap`) before anything is signed by it, and the former stays in the bundle until it has ended by itself: at every
moment, whichever certificate a replica shows and whichever bundle the API server has, they fit.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Lifetimes", "Material", "renewed", "server_names"]

_SKEW: Final = timedelta(minutes=10)
"""How far clocks of API servers may be behind ours."""

_PEM: Final = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long certificates are valid, and how long a new authority is only trusted before it signs."""

    authority: timedelta = timedelta(days=5 * 365)
    server: timedelta = timedelta(days=90)
    overlap: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Material:
    """What the Secret holds: the authorities to trust, newest first, the newest one's key, the server's certificate."""

    authorities: tuple[x509.Certificate, ...]
    authority_key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def bundle(self) -> bytes:
        """All authorities to trust, as PEM."""
        return b"".join(each.public_bytes(_PEM) for each in self.authorities)

    def to_secret(self) -> dict[str, bytes]:
        """Return the Secret's data."""
        return {
            "ca.crt": self.bundle,
            "ca.key": _key_pem(self.authority_key),
            "tls.crt": self.certificate.public_bytes(_PEM),
            "tls.key": _key_pem(self.key),
        }

    @classmethod
    def from_secret(cls, data: Mapping[str, bytes]) -> Material:
        """Return what the Secret's data hold; raise `ValueError` if that is not what `to_secret` writes."""
        try:
            authorities = x509.load_pem_x509_certificates(data["ca.crt"])
            certificate = x509.load_pem_x509_certificate(data["tls.crt"])
            keys = [serialization.load_pem_private_key(data[name], None) for name in ("ca.key", "tls.key")]
        except (KeyError, TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(f"the Secret is not as it was written: {error}") from None
        authority_key, key = keys
        if not isinstance(authority_key, ec.EllipticCurvePrivateKey) or not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the Secret has keys of another kind")  # noqa: TRY004 - it is the value that is wrong
        if authority_key.public_key() != authorities[0].public_key() or key.public_key() != certificate.public_key():
            raise ValueError("the Secret's keys and certificates do not fit")
        return cls(tuple(authorities), authority_key, certificate, key)


def server_names(service: str, namespace: str) -> tuple[str, ...]:
    """Return the names under which a Service is reached; the API server uses the first."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local", f"{service}.{namespace}", service)


def renewed(present: Material | None, names: Sequence[str], lifetimes: Lifetimes, now: datetime) -> Material:
    """Return the material that should be in force: `present` itself unless something of it is due.

    One step at a time: who calls again after having published the bundle gets the next.
    """
    if present is None or present.authorities[0].not_valid_after_utc <= now:
        authority, authority_key = _authority(lifetimes, now)
        certificate, key = _server(authority, authority_key, names, lifetimes, now)
        return Material((authority, *_alive(present, now)), authority_key, certificate, key)
    newest = present.authorities[0]
    if _due(newest, now):
        authority, authority_key = _authority(lifetimes, now)
        return replace(present, authorities=(authority, *_alive(present, now)), authority_key=authority_key)
    ended = present.certificate.not_valid_after_utc <= now
    trusted = len(present.authorities) == 1 or now >= newest.not_valid_before_utc + _SKEW + lifetimes.overlap
    if (ended or trusted) and (_due(present.certificate, now) or not _fits(present, names)):
        certificate, key = _server(newest, present.authority_key, names, lifetimes, now)
        present = replace(present, certificate=certificate, key=key)
    if len(alive := _alive(present, now)) < len(present.authorities):
        present = replace(present, authorities=alive)
    return present


def _alive(material: Material | None, now: datetime) -> tuple[x509.Certificate, ...]:
    return tuple(each for each in material.authorities if each.not_valid_after_utc > now) if material else ()


def _due(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether less than a third of its life is left."""
    begun, ends = certificate.not_valid_before_utc + _SKEW, certificate.not_valid_after_utc
    return ends - now < (ends - begun) / 3


def _fits(material: Material, names: Sequence[str]) -> bool:
    """Tell whether the server's certificate is the newest authority's, and for these names."""
    try:
        material.certificate.verify_directly_issued_by(material.authorities[0])
        found = material.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - whatever is wrong with it, a new one is the remedy
        return False
    return found.get_values_for_type(x509.DNSName) == list(names)


def _authority(lifetimes: Lifetimes, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"konductor-webhook-ca-{os.urandom(4).hex()}")  # no two authorities are mistaken for each other
    usage = _usage(key_cert_sign=True, crl_sign=True)
    builder = _builder(name, name, key, now, lifetimes.authority)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.add_extension(issuer, critical=False).sign(key, hashes.SHA256()), key


def _server(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    lifetimes: Lifetimes,
    now: datetime,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name("konductor-webhook"), authority.subject, key, now, lifetimes.server)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = builder.add_extension(alternatives, critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return builder.add_extension(issuer, critical=False).sign(authority_key, hashes.SHA256()), key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _SKEW).not_valid_after(now + life)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
