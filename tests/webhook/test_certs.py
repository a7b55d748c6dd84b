"""Certificates: what a strict client accepts, and that at every moment of a rotation old and new fit together."""

from __future__ import annotations

import itertools
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from webhook.certs import Lifetimes, Material, renewed, server_names

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2030, 1, 1, tzinfo=UTC)
NAMES = server_names("konductor-webhook", "konductor-system")
LIFETIMES = Lifetimes(authority=timedelta(days=300), server=timedelta(days=30), overlap=timedelta(hours=1))


def first() -> Material:
    return renewed(None, NAMES, LIFETIMES, START)


def handshake(bundle: bytes, shown: Material, directory: Path, host: str = NAMES[0]) -> None:
    """Shake hands in memory as strictly as OpenSSL can; raise `ssl.SSLError` without trust."""
    data = shown.to_secret()
    file = directory / "pair.pem"
    file.write_bytes(data["tls.key"] + data["tls.crt"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=bundle.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(incoming, outgoing, server_hostname=host),
        server.wrap_bio(outgoing, incoming, server_side=True),
    ]
    for end in itertools.islice(itertools.cycle(ends), 8):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    ends[0].getpeercert()


def test_a_strict_client_accepts_what_is_made_under_each_of_its_names(tmp_path: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251 - OpenSSL looks at the calendar
    material = renewed(None, NAMES, LIFETIMES, now)
    for name in NAMES:
        handshake(material.bundle, material, tmp_path, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(material.bundle, material, tmp_path, "elsewhere.svc")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(renewed(None, NAMES, LIFETIMES, now).bundle, material, tmp_path)


def test_the_certificates_say_what_they_are_for() -> None:
    material = first()
    authority, server = material.authorities[0], material.certificate
    of_authority = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert of_authority.critical
    assert of_authority.value.ca
    assert authority.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert server.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert not server.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert not server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = server.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == identifier
    assert server.not_valid_before_utc < START  # for clocks that are behind


def test_a_secret_gives_back_what_was_put_in() -> None:
    material = first()
    assert Material.from_secret(material.to_secret()).to_secret() == material.to_secret()


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "tls.crt", "tls.key"])
def test_a_spoiled_secret_is_refused(name: str) -> None:
    whole = first().to_secret()
    for spoiled in (
        {**whole, name: b"-----BEGIN"},
        {**whole, name: first().to_secret()[name]},
        {key: value for key, value in whole.items() if key != name},
    ):
        with pytest.raises(ValueError):
            Material.from_secret(spoiled)


def test_nothing_changes_while_nothing_is_due() -> None:
    material = first()
    for days in (0, 1, 19):
        assert renewed(material, NAMES, LIFETIMES, START + timedelta(days=days)) is material


def test_the_servers_certificate_is_renewed_with_a_third_of_its_life_left_by_the_same_authority() -> None:
    material = first()
    later = renewed(material, NAMES, LIFETIMES, START + timedelta(days=21))
    assert later.certificate != material.certificate
    assert later.authorities == material.authorities


def test_a_certificate_for_other_names_is_replaced() -> None:
    material = renewed(None, ["elsewhere.svc"], LIFETIMES, START)
    later = renewed(material, NAMES, LIFETIMES, START)
    names = later.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(NAMES)


def test_a_new_authority_is_trusted_for_a_while_before_it_signs() -> None:
    due = START + timedelta(days=201)
    material = renewed(first(), NAMES, LIFETIMES, due - timedelta(days=2))
    material = renewed(renewed(material, NAMES, LIFETIMES, due), NAMES, LIFETIMES, due)
    assert len(material.authorities) == 2
    material.certificate.verify_directly_issued_by(material.authorities[1])
    early = renewed(material, NAMES, LIFETIMES, due + timedelta(minutes=59))
    early.certificate.verify_directly_issued_by(material.authorities[1])
    late = renewed(material, NAMES, LIFETIMES, due + timedelta(minutes=61))
    late.certificate.verify_directly_issued_by(material.authorities[0])
    assert late.authorities == material.authorities


def test_hour_by_hour_what_is_shown_is_trusted_by_what_was_published_an_hour_ago() -> None:
    lifetimes = Lifetimes(authority=timedelta(days=3), server=timedelta(days=1), overlap=timedelta(hours=1))
    material = renewed(None, NAMES, lifetimes, START)
    published = material.authorities
    authorities = set(published)
    for hour in range(1, 24 * 30):
        now = START + timedelta(hours=hour)
        material = renewed(material, NAMES, lifetimes, now)
        issuers = [each for each in published if each.subject == material.certificate.issuer]
        assert issuers, f"hour {hour}"
        assert material.certificate.not_valid_after_utc > now
        assert issuers[0].not_valid_after_utc > now
        assert len(material.authorities) <= 3
        published = material.authorities
        authorities |= set(published)
    assert len(authorities) > 10


def test_after_a_long_absence_everything_is_made_anew_at_once() -> None:
    material = first()
    later = renewed(material, NAMES, LIFETIMES, START + timedelta(days=400))
    assert len(later.authorities) == 1
    later.certificate.verify_directly_issued_by(later.authorities[0])
