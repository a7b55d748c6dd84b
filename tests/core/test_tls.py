"""Which certificates a connection to Redis trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from konductor_core.config import Settings
from konductor_core.drivers.tls import authority, context
from konductor_core.errors import InvalidInput
from tests.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

SECURE = {"KONDUCTOR_REDIS_URL": "rediss://h", "KONDUCTOR_NAMESPACE": "n", "KONDUCTOR_HOLDER": "me"}


def trusted(**variables: str) -> list[int]:
    """Return the serial numbers of the authorities that these settings trust."""
    settings = Settings.load(None, {**SECURE, **variables})
    found = context(settings, settings.redis).get_ca_certs()
    return [int(str(each["serialNumber"]), 16) for each in found]


def test_an_authority_given_as_text_is_the_only_one_trusted(tmp_path: Path) -> None:
    pem = Authority(tmp_path).certificate.read_text()
    assert len(trusted(KONDUCTOR_REDIS_CA=pem)) == 1


def test_a_file_goes_before_the_text(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    file, text = Authority(tmp_path / "a").certificate, Authority(tmp_path / "b").certificate
    both = trusted(KONDUCTOR_REDIS_CA=text.read_text(), KONDUCTOR_REDIS_CA_FILE=str(file))
    assert both == trusted(KONDUCTOR_REDIS_CA_FILE=str(file))


def test_text_without_a_certificate_is_refused_without_being_shown() -> None:
    with pytest.raises(InvalidInput, match="the CA of the Redis connection, given as text, cannot be used"):
        trusted(KONDUCTOR_REDIS_CA="s3cret")


def test_the_authority_for_others_is_the_one_that_is_trusted_here(tmp_path: Path) -> None:
    file = Authority(tmp_path).certificate
    pem = file.read_text()
    for variables in (
        {"KONDUCTOR_REDIS_CA": pem},
        {"KONDUCTOR_REDIS_CA": "other", "KONDUCTOR_REDIS_CA_FILE": str(file)},
        {"KONDUCTOR_REDIS_URL": f"rediss://h?ssl_ca_certs={file}"},
    ):
        assert authority(Settings.load(None, {**SECURE, **variables})) == pem
    assert authority(Settings.load(None, SECURE)) == ""
    with pytest.raises(InvalidInput, match="'/none', cannot be read"):
        authority(Settings.load(None, {**SECURE, "KONDUCTOR_REDIS_CA_FILE": "/none"}))
