"""SRP: thousands of random exchanges. They take long, and ``make mutants`` does without them."""

import hmac
from base64 import b64encode
from types import SimpleNamespace

import gmpy2
import pytest
from pycognito import aws_srp

from tests.protocol.test_srp import NOON_TEXT, proof_of
from tests.support.srp_server import SHORT_SECRETS, exchange

EXCHANGES = 10_000


@pytest.mark.parametrize("first", range(0, EXCHANGES, 1000))
def test_server_accepts_proofs_of_random_exchanges(first: int) -> None:
    """In each kind of exchange, another number has leading zero bytes."""
    for number in range(first, first + 1000):
        one = exchange(number)
        assert proof_of(one).signature == one.signature(NOON_TEXT), number


def test_prove_agrees_with_pycognito(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pycognito pads the text of the salt, hence it is passed the number's shortest text."""
    monkeypatch.setattr(aws_srp, "pow", lambda *numbers: int(gmpy2.powmod(*numbers)), raising=False)
    other = aws_srp.AWSSRP("", "", "eu-west-1_pool", "client", client=SimpleNamespace())
    for one in map(exchange, [*range(250), *SHORT_SECRETS]):
        account = one.account
        other.small_a_value, other.large_a_value = one.client_private, one.client_public
        key = other.get_device_authentication_key(
            account.group, account.user_id, account.password, one.server_public, f"{account.salt:x}"
        )
        message = f"{account.group}{account.user_id}".encode() + one.block + NOON_TEXT.encode()
        signature = b64encode(hmac.digest(key, message, "sha256")).decode()
        assert proof_of(one).signature == signature
