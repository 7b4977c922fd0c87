"""What is wrong with the device's own certificate is said so that somebody knows what to do."""

from __future__ import annotations

import re
import shutil
import ssl
from pathlib import Path

import pytest

from agent.config.schema import UplinkSection
from agent.identity.client_certificate import refusal, show
from agent.identity.pem import CertificateError
from tests.support.certificates import Authority
from tests.support.topics import DEVICE


def _settings(certificate_file: Path | None, key_file: Path | None) -> UplinkSection:
    return UplinkSection(
        broker="mqtts://broker.example", certificate_file=certificate_file, key_file=key_file
    )


def test_a_certificate_and_its_key_are_taken(tmp_path: Path) -> None:
    show(ssl.create_default_context(), _settings(*Authority(tmp_path, "CA").issue(DEVICE)))


def test_a_key_of_another_certificate_is_named_as_such(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "CA")
    certificate_file, _ = authority.issue(DEVICE)
    _, key_file = authority.issue("another")
    with pytest.raises(CertificateError, match=r"another\.key is not the key of this device's"):
        show(ssl.create_default_context(), _settings(certificate_file, key_file))


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_file_that_is_no_pem_is_named(tmp_path: Path, damaged: int) -> None:
    files = Authority(tmp_path, "CA").issue(DEVICE)
    files[damaged].write_bytes(b"\0" * 100)
    with pytest.raises(CertificateError, match=re.escape(str(files[damaged]))):
        show(ssl.create_default_context(), _settings(*files))


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_file_is_named_whichever_it_is(tmp_path: Path, missing: int) -> None:
    files = Authority(tmp_path, "CA").issue(DEVICE)
    shutil.move(files[missing], tmp_path / "elsewhere")
    with pytest.raises(CertificateError, match="there is no such file") as raised:
        show(ssl.create_default_context(), _settings(*files))
    assert str(files[missing]) in str(raised.value)
    assert raised.value.absent


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("[SSL: SSLV3_ALERT_CERTIFICATE_EXPIRED] sslv3 alert certificate expired", "expired"),
        ("[SSL: SSL/TLS_ALERT_CERTIFICATE_EXPIRED] ssl/tls alert certificate expired", "expired"),
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca (_ssl.c:2580)", "unknown ca"),
        ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate", "bad certificate"),
    ],
)
def test_a_brokers_alert_is_about_our_certificate(tmp_path: Path, told: str, reason: str) -> None:
    said = refusal(told, _settings(tmp_path / "device.pem", tmp_path / "device.key"))
    assert said is not None
    assert reason in said
    assert "device.pem" in said


def test_a_device_without_a_certificate_is_told_to_be_enrolled() -> None:
    told = "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required"
    assert "enrol the device" in (refusal(told, _settings(None, None)) or "")


@pytest.mark.parametrize(
    "told",
    [
        "Connection refused",
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired",
        "[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error",
        "",
    ],
)
def test_what_is_not_about_our_certificate_is_not_laid_on_it(told: str) -> None:
    assert refusal(told, _settings(None, None)) is None
