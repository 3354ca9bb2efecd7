from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives import serialization

from certs.authority import CertificateAuthority
from certs.keypair import KeyPair
from certs.validity import Broken, Expiring, Valid, judge, renewal
from tests.certs.tls import DAY, NOW

CA = CertificateAuthority.create(NOW)
OTHER_CA = CertificateAuthority.create(NOW)
PAIR = CA.issue(["localhost"], [], NOW, 9 * DAY)
ENCRYPTED = PAIR.private_key.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.BestAvailableEncryption(b"passphrase"),
)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(NOW, Valid(), id="new"),
        pytest.param(renewal(PAIR) - timedelta(seconds=1), Valid(), id="more-than-a-third-left"),
        pytest.param(renewal(PAIR), Expiring(PAIR.not_after), id="a-third-left"),
        pytest.param(PAIR.not_after, Expiring(PAIR.not_after), id="last-second"),
    ],
)
def test_an_accepted_certificate_expires_once_a_third_of_its_life_is_left(
    now: datetime, expected: Valid | Expiring
) -> None:
    assert judge(PAIR, CA.cert_pem, ["localhost"], now) == expected


@pytest.mark.parametrize(
    ("pair", "bundle", "names", "now", "reason"),
    [
        pytest.param(
            PAIR, CA.cert_pem, ["localhost", "x.example"], NOW, "dials x.example refuses", id="name"
        ),
        pytest.param(PAIR, CA.cert_pem, ["127.0.0.1"], NOW, "dials 127.0.0.1 refuses", id="address"),
        pytest.param(PAIR, OTHER_CA.cert_pem, ["localhost"], NOW, "candidates exhausted", id="ca"),
        pytest.param(PAIR, b"", ["localhost"], NOW, "CA bundle holds no certificate", id="bundle"),
        pytest.param(PAIR, CA.cert_pem, [], NOW + 10 * DAY, "expired", id="late"),
        pytest.param(PAIR, CA.cert_pem, [], NOW - DAY, "not valid before", id="early"),
        pytest.param(
            KeyPair(PAIR.cert_pem, OTHER_CA.keypair.key_pem),
            CA.cert_pem,
            [],
            NOW,
            "not the certificate's",
            id="key",
        ),
        pytest.param(
            KeyPair(b"x", PAIR.key_pem), CA.cert_pem, [], NOW, "certificate is not PEM", id="no-cert"
        ),
        pytest.param(
            KeyPair(PAIR.cert_pem, b"x"), CA.cert_pem, [], NOW, "not a PEM private key", id="no-key"
        ),
        pytest.param(KeyPair(PAIR.cert_pem, ENCRYPTED), CA.cert_pem, [], NOW, "encrypted", id="passphrase"),
    ],
)
def test_a_certificate_that_a_client_refuses_is_broken_with_the_reason(
    pair: KeyPair, bundle: bytes, names: list[str], now: datetime, reason: str
) -> None:
    verdict = judge(pair, bundle, names, now)

    assert isinstance(verdict, Broken)
    assert reason in verdict.reason


def test_a_bundle_of_old_and_new_authority_accepts_the_leaves_of_both() -> None:
    bundle = OTHER_CA.cert_pem + CA.cert_pem

    for authority in (CA, OTHER_CA):
        pair = authority.issue(["a.example"], [], NOW, DAY)
        assert judge(pair, bundle, ["a.example"], NOW) == Valid()
