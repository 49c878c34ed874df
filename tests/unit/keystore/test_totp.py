"""Codes of an authenticator app."""

import base64

import pytest

from wallet.keystore import totp

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(second: int, code: str) -> None:
    assert totp.matched_step(RFC_SECRET, code, second * 1000) == second // 30


@pytest.mark.parametrize(
    ("late", "matches"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)]
)
def test_a_code_counts_one_step_early_or_late(late: int, matches: bool) -> None:
    now_ms = (1111111111 + late) * 1000
    step = totp.matched_step(RFC_SECRET, "050471", now_ms)
    assert step == (1111111111 // 30 if matches else None)


@pytest.mark.parametrize("code", ["", "05047", "0504711", "05047x", "٠٥٠٤٧١", "-50471", "050472"])
def test_anything_else_matches_nothing(code: str) -> None:
    assert totp.matched_step(RFC_SECRET, code, 1111111111_000) is None


def test_spaces_as_apps_show_them_are_fine() -> None:
    assert totp.matched_step(RFC_SECRET, "050 471", 1111111111_000) is not None


def test_an_enrolment_is_160_bits_and_hides_itself() -> None:
    enrolment = totp.new_enrolment("owner")
    assert len(base64.b32decode(enrolment.secret)) >= 20
    assert enrolment.uri.startswith("otpauth://totp/")
    assert "issuer=WAIaaS" in enrolment.uri
    assert enrolment.secret not in repr(enrolment)
    assert enrolment.secret != totp.new_enrolment("owner").secret
