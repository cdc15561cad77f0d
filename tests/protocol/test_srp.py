"""SRP: vectors of other projects, exchanges with an independent server, and invalid challenges."""

import json
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import gmpy2
import pytest
from pycognito import aws_srp

from cognito_async.errors import InvalidResponseError, ParameterValidationError
from cognito_async.protocol import srp
from cognito_async.protocol.srp import DeviceVerifier, Ephemeral, Proof, SrpChallenge
from tests.support.canaries import CANARY, leaking_frames
from tests.support.srp_server import (
    MULTIPLIER,
    PRIME,
    SHORT,
    SHORT_SECRETS,
    Account,
    Exchange,
    exchange,
    java_bytes,
)

ResultT = TypeVar("ResultT")

DATA = Path(__file__).parent.parent / "data"
VECTORS: dict[str, Any] = json.loads((DATA / "srp_vectors.json").read_text())
PROOFS: dict[str, dict[str, str]] = VECTORS["proofs"]
NOON = datetime(2026, 6, 5, 12, 0, 0, tzinfo=UTC)
NOON_TEXT = "Fri Jun 5 12:00:00 UTC 2026"
B = f"{PRIME - 2:x}"
CHALLENGE = {"SALT": "7f", "SRP_B": B, "SECRET_BLOCK": "AAAA", "USER_ID_FOR_SRP": "ada"}


def run(steps: Generator[None, None, ResultT]) -> ResultT:
    """Return the result of a computation in steps."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: ResultT = stop.value
            return result


def proof(
    ephemeral: Ephemeral, parameters: Mapping[str, str], group: str, password: str, now: datetime = NOON
) -> Proof:
    """Respond to a challenge."""
    challenge = srp.parse_challenge(parameters)
    return run(srp.prove(ephemeral, challenge, group=group, user_id=challenge.user_id, password=password, now=now))


def proof_of(one: Exchange) -> Proof:
    """Take the client's side of an exchange."""
    ephemeral = Ephemeral(private=one.client_private, public=one.client_public)
    return proof(ephemeral, one.parameters, one.account.group, one.account.password)


@pytest.fixture(params=["gmpy2", "pure"])
def both_powers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with and without gmpy2."""
    if request.param == "pure":
        monkeypatch.setattr(srp, "_powmod", None)
        monkeypatch.setattr(srp, "_number", int)
    else:
        assert srp._powmod is gmpy2.powmod


@pytest.fixture
def no_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when a power is computed."""

    def power(base: int, exponent: int) -> None:
        pytest.fail("a power was computed")

    monkeypatch.setattr(srp, "_mod_pow", power)


# Known answers


def test_modulus_is_group_15_of_rfc_3526() -> None:
    """Its definition has pi in it."""
    assert srp.N == PRIME
    assert srp.GENERATOR == 2


def test_multiplier_equals_the_one_of_cognito() -> None:
    """Padding as in RFC 5054 gives another one."""
    assert f"{srp.K:x}" == PROOFS["go"]["k"]
    assert srp.K == MULTIPLIER


@pytest.mark.usefixtures("both_powers")
@pytest.mark.parametrize("name", PROOFS)
def test_prove_reproduces_the_signatures_of_other_projects(name: str) -> None:
    """Users and a device; the private number of one has 8,184 bits."""
    vector = PROOFS[name]
    private = int(vector["private"], 16)
    ephemeral = Ephemeral(private=private, public=int(vector.get("public", f"{pow(2, private, PRIME):x}"), 16))
    parameters = {
        "SALT": vector["salt"],
        "SRP_B": vector["b"],
        "SECRET_BLOCK": vector["secret_block"],
        "USER_ID_FOR_SRP": vector["user_id"],
    }
    now = datetime.strptime(vector["timestamp"], "%a %b %d %H:%M:%S UTC %Y").replace(tzinfo=UTC)
    result = proof(ephemeral, parameters, vector["group"], vector["password"], now)
    assert (result.signature, result.timestamp) == (vector["signature"], vector["timestamp"])
    assert result.secret_block == vector["secret_block"]


@pytest.mark.usefixtures("both_powers")
@pytest.mark.parametrize("name", [name for name in PROOFS if "public" in PROOFS[name]])
def test_ephemeral_has_the_public_numbers_of_other_projects(name: str) -> None:
    """The private number is exactly the entropy."""
    private = int(PROOFS[name]["private"], 16)
    ephemeral = run(srp.ephemeral(private.to_bytes))
    assert ephemeral.private == private
    assert ephemeral.public_hex == PROOFS[name]["public"]


@pytest.mark.usefixtures("both_powers")
def test_device_verifier_equals_the_one_of_another_project() -> None:
    """The numbers are never negative in two's complement: the top bit of both is set."""
    vector = VECTORS["verifier"]
    verifier = run(
        srp.device_verifier(
            lambda _: bytes.fromhex(vector["salt_bytes"]),
            device_group_key=vector["group"],
            device_key=vector["user_id"],
            password=vector["password"],
        )
    )
    assert (verifier.salt, verifier.verifier) == (vector["salt"], vector["verifier"])


@pytest.mark.parametrize("number", range(-256, 257))
def test_numbers_are_encoded_as_java_does(number: int) -> None:
    """The shortest two's complement, as amplify-js lists it for these numbers."""
    length = 1
    while not -(1 << 8 * length - 1) <= number < 1 << 8 * length - 1:
        length += 1
    assert srp._encoded(number) == number.to_bytes(length, "big", signed=True)


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(-256, "ff00"), (-129, "ff7f"), (-128, "80"), (-1, "ff"), (0, "00"), (127, "7f"), (128, "0080"), (256, "0100")],
)
def test_numbers_are_encoded_as_in_the_table_of_amplify(number: int, encoded: str) -> None:
    """The rows where the length changes, written out."""
    assert srp._encoded(number).hex() == encoded


# Exchanges with an independent server


@pytest.mark.parametrize("number", SHORT_SECRETS)
def test_server_accepts_proofs_with_a_short_secret(number: int) -> None:
    """S has leading zero bytes."""
    one = exchange(number)
    assert one.keys()[1] < SHORT
    assert proof_of(one).signature == one.signature(NOON_TEXT)


def test_random_exchanges_have_the_forced_leading_zeros() -> None:
    """The exchanges test what they say."""
    salt, a, b, u, _ = (exchange(number) for number in range(5))
    assert salt.account.salt < 1 << 120
    assert a.client_public < SHORT
    assert b.server_public < SHORT
    assert u.keys()[0] < 1 << 248


@pytest.mark.usefixtures("both_powers")
def test_server_rejects_the_proof_of_another_password() -> None:
    """Exactly the right password, name, group, block and time are accepted."""
    one = exchange(4)
    ephemeral = Ephemeral(private=one.client_private, public=one.client_public)
    expected = one.signature(NOON_TEXT)
    group, password = one.account.group, one.account.password
    variations = [
        proof(ephemeral, one.parameters, group, f"{password} "),
        proof(ephemeral, one.parameters, f"{group}x", password),
        proof(ephemeral, {**one.parameters, "USER_ID_FOR_SRP": "ada"}, group, password),
        proof(ephemeral, {**one.parameters, "SECRET_BLOCK": "AAAA"}, group, password),
        proof(ephemeral, one.parameters, group, password, NOON + timedelta(seconds=1)),
    ]
    assert proof_of(one).signature == expected
    assert expected not in [variation.signature for variation in variations]
    assert len({variation.signature for variation in variations}) == len(variations)


@pytest.mark.parametrize(("number", "signature"), VECTORS["cognito_srp_helper"]["signatures"].items())
def test_prove_agrees_with_cognito_srp_helper(number: str, signature: str) -> None:
    """Recorded: the project is written in TypeScript."""
    assert proof_of(exchange(int(number))).signature == signature


@pytest.mark.usefixtures("both_powers")
def test_device_that_was_verified_can_prove_its_password() -> None:
    """The salt of a device comes back as a number, too; here its first byte is 0 and its second below 0x80."""
    keys = {"device_group_key": "-group", "device_key": "eu-west-1_device"}
    salt = b"\x00\x7f" + bytes(range(14))
    verifier = run(srp.device_verifier({16: salt}.__getitem__, **keys, password="secret"))
    assert b64decode(verifier.salt) == salt[1:]
    account = Account.of(keys["device_group_key"], keys["device_key"], "secret", int.from_bytes(salt))
    assert b64decode(verifier.verifier) == java_bytes(account.verifier)
    public = int(MULTIPLIER * account.verifier + gmpy2.powmod(2, 5, PRIME)) % PRIME
    parameters = {**CHALLENGE, "SALT": salt.hex(), "SRP_B": f"{public:x}", "USER_ID_FOR_SRP": account.user_id}
    one = Exchange(account, 3, 8, 5, public, b64decode(CHALLENGE["SECRET_BLOCK"]), parameters)
    assert proof_of(one).signature == one.signature(NOON_TEXT)


# Numbers


@pytest.mark.parametrize("exponent", [0, 1, 31, 32, 33, 2**255, 2**256 - 1, 2**258, Random(1).getrandbits(512)])
@pytest.mark.parametrize("base", [0, 1, 2, 3, PRIME - 1, Random(2).getrandbits(3072) % PRIME])
@pytest.mark.usefixtures("both_powers")
def test_power_equals_pow(base: int, exponent: int) -> None:
    """By the table for g, by windows and by gmpy2."""
    result = run(srp._mod_pow(base, exponent))
    assert type(result) is int
    assert result == pow(base, exponent, PRIME)


class Counted(int):
    """A number that counts multiplications modulo N."""

    done = 0

    def __rmul__(self, other: int) -> "Counted":
        return self.__mul__(other)

    def __mul__(self, other: int) -> "Counted":
        Counted.done += 1
        assert int(self) < PRIME
        assert int(other) < PRIME
        return Counted(int(self) * int(other))

    def __mod__(self, modulus: int) -> "Counted":
        return Counted(int(self) % modulus)

    def __pow__(self, exponent: int, modulus: int | None = None) -> "Counted":  # type: ignore[override]
        Counted.done += exponent.bit_length() - 1
        return Counted(pow(int(self), exponent, modulus))


def multiplications(steps: Iterable[None]) -> Iterator[int]:
    """Count the multiplications of each slice."""
    before = Counted.done
    for _ in steps:
        yield Counted.done - before
        before = Counted.done
    yield Counted.done - before


def test_power_without_gmpy2_is_cut_into_short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A multiplication takes about 20 us, so that a slice stays well below a millisecond; shorter ones cost turns."""
    monkeypatch.setattr(srp, "_powmod", None)
    slices = list(multiplications(srp._mod_pow(Counted(PRIME // 3), 2**512 - 1)))
    assert max(slices) <= 24
    assert len(slices) <= 29
    assert sum(slices) <= 650  # pow multiplies as often


def test_power_of_the_generator_and_its_table_are_cut_into_short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is computed once; a power then takes a third of the multiplications."""
    monkeypatch.setattr(srp, "_number", Counted)
    monkeypatch.setattr(srp, "_tables", {})
    first, second = (list(multiplications(srp._mod_pow(2, exponent))) for exponent in (2**256 - 1, 2**255 + 1))
    assert max(first) <= 34
    assert sum(first) > 300
    assert max(second) <= 34
    assert len(first) <= 28
    assert len(second) <= 7
    assert sum(second) <= 90


@pytest.mark.usefixtures("both_powers")
def test_whole_exchange_yields_between_its_powers() -> None:
    """Each power is a slice at most, never two."""
    one = exchange(4)
    challenge = srp.parse_challenge(one.parameters)
    ephemeral = Ephemeral(private=one.client_private, public=one.client_public)
    steps = srp.prove(
        ephemeral, challenge, group=one.account.group, user_id="ada", password=one.account.password, now=NOON
    )
    assert len(list(steps)) >= 2
    assert len(list(srp.ephemeral(lambda size: bytes([7]) * size))) >= 1


def test_gmpy2_is_optional_and_not_imported_with_the_package() -> None:
    """The module works without it, and only this module imports it."""
    code = (
        "import sys, cognito_async; assert 'gmpy2' not in sys.modules; sys.modules['gmpy2'] = None; "
        "from cognito_async.protocol import srp; assert srp._powmod is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_ephemeral_is_fresh_and_has_256_bits() -> None:
    """All bits come from the entropy."""
    sizes: list[int] = []

    def entropy(size: int) -> bytes:
        sizes.append(size)
        return bytes([len(sizes)]) * size

    first, second = run(srp.ephemeral(entropy)), run(srp.ephemeral(entropy))
    assert sizes == [32, 32]
    assert first.private == int("01" * 32, 16)
    assert second.private == int("02" * 32, 16)
    assert first.public != second.public


def test_ephemeral_is_drawn_again_if_the_public_number_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """A = 0 mod N would give away S."""
    powers = iter([0, PRIME, 5])

    def power(base: int, exponent: int) -> Generator[None, None, int]:
        yield
        return next(powers)

    monkeypatch.setattr(srp, "_mod_pow", power)
    draws = iter([b"\1" * 32, b"\2" * 32, b"\3" * 32])
    assert run(srp.ephemeral(lambda _: next(draws))) == Ephemeral(private=int("03" * 32, 16), public=5)


# Challenges


@pytest.mark.parametrize(
    "changes",
    [
        *({"SRP_B": text} for text in ("", "0", "00", f"{PRIME:x}", f"00{PRIME:X}", f"{2 * PRIME:x}", "g1", "0x1f")),
        *({"SRP_B": text} for text in ("-1", "+1", " 1", "1 ", "1\n", "1_0", "\uff11", "\u0661", "1.5", "1" * 771)),
        *({"SALT": text} for text in ("", "xyz", "-7f", "0x7f", "7f ", "7f\n", "7_f", "\uff17", "1" * 65)),
        *({"SECRET_BLOCK": text} for text in ("", "A", "AAA", "A A=", "AA==\n", "\u00e4AAA", "AA-_", "AAAA" * 4097)),
        *({"SECRET_BLOCK": text} for text in ("AA==AAAA", "=AAA", "AAAA====", "\ud800AAA")),
        *({"USER_ID_FOR_SRP": text} for text in ("", "a" * 257, "a\nb", "a\x00", "\x7f", "a\x85", "\ud800")),
    ],
    ids=lambda changes: f"{next(iter(changes))}={next(iter(changes.values()))[:12]!a}",
)
@pytest.mark.usefixtures("no_power")
def test_invalid_challenge_is_refused(changes: dict[str, str]) -> None:
    """Before any power, and without a response."""
    with pytest.raises(InvalidResponseError, match=next(iter(changes))):
        srp.parse_challenge({**CHALLENGE, **changes})


@pytest.mark.parametrize("name", CHALLENGE)
def test_incomplete_challenge_is_refused(name: str) -> None:
    """Each parameter is needed."""
    with pytest.raises(InvalidResponseError):
        srp.parse_challenge({key: value for key, value in CHALLENGE.items() if key != name})


@pytest.mark.parametrize("name", CHALLENGE)
@pytest.mark.parametrize("value", [None, 5, True, ["7f"], {"7f": "7f"}])
def test_challenge_with_a_value_that_is_not_text_is_refused(name: str, value: object) -> None:
    """Responses are decoded without checking the values of maps."""
    with pytest.raises(InvalidResponseError, match=name):
        srp.parse_challenge({**CHALLENGE, name: value})


def test_huge_numbers_are_refused_without_being_read() -> None:
    """The length is checked first: 50 MB of digits would take seconds."""
    huge = "f" * 50_000_000
    for name in CHALLENGE:
        with pytest.raises(InvalidResponseError) as caught:
            srp.parse_challenge({**CHALLENGE, name: huge})
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"),
    [
        ("SRP_B", "1", "b", 1),
        ("SRP_B", "aBc", "b", 0xABC),
        ("SRP_B", "1" * 770, "b", int("1" * 770, 16)),
        ("SALT", "0", "salt", 0),
        ("SALT", "00127f", "salt", 0x127F),
        ("SALT", "f" * 64, "salt", 2**256 - 1),
        ("SECRET_BLOCK", "AA==", "secret_block", "AA=="),
        ("SECRET_BLOCK", "AAAA" * 4096, "secret_block", "AAAA" * 4096),
        ("USER_ID_FOR_SRP", "Zoë 漢😀", "user_id", "Zoë 漢😀"),
        ("USER_ID_FOR_SRP", "a" * 256, "user_id", "a" * 256),
    ],
)
def test_unusual_challenge_is_accepted(name: str, text: str, attribute: str, value: object) -> None:
    """Numbers may have an odd count of digits, leading zeros and either case."""
    assert getattr(srp.parse_challenge({**CHALLENGE, name: text}), attribute) == value


def test_user_id_of_a_challenge_is_the_name_for_srp_if_there_is_one() -> None:
    """DEVICE_PASSWORD_VERIFIER has USERNAME only."""
    assert srp.parse_challenge({**CHALLENGE, "USERNAME": "alias"}).user_id == "ada"
    device = {name: value for name, value in CHALLENGE.items() if name != "USER_ID_FOR_SRP"}
    assert srp.parse_challenge({**device, "USERNAME": "ada-lovelace"}).user_id == "ada-lovelace"


@pytest.mark.usefixtures("no_power")
def test_zero_u_is_refused_without_the_password_in_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any power."""
    monkeypatch.setattr(srp, "_hash", lambda *_: bytes(32))
    challenge = srp.parse_challenge(CHALLENGE)
    with pytest.raises(InvalidResponseError) as caught:
        run(
            srp.prove(
                Ephemeral(private=4242424242, public=4),
                challenge,
                group="pool",
                user_id="ada",
                password=CANARY,
                now=NOON,
            )
        )
    assert leaking_frames(caught.value) == []
    assert leaking_frames(caught.value, "4242424242") == []


@pytest.mark.parametrize("computation", ["prove", "device_verifier"])
def test_interrupted_computation_has_no_password_in_the_traceback(computation: str) -> None:
    """The password is needed at the start only."""
    steps: Generator[None, None, object]
    if computation == "prove":
        ephemeral, challenge = Ephemeral(private=3, public=8), srp.parse_challenge(CHALLENGE)
        steps = srp.prove(ephemeral, challenge, group="pool", user_id="ada", password=CANARY, now=NOON)
    else:
        steps = srp.device_verifier(bytes, device_group_key="-group", device_key="device", password=CANARY)
    next(steps)
    with pytest.raises(KeyboardInterrupt) as caught:
        steps.throw(KeyboardInterrupt())
    assert leaking_frames(caught.value) == []


def test_password_that_is_not_unicode_is_not_quoted_in_an_error() -> None:
    """A UnicodeEncodeError would hold the password; callers validate it."""
    assert proof(Ephemeral(private=3, public=8), CHALLENGE, "\ud800", f"{CANARY}\ud800").signature


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        (Ephemeral(private=4242424242, public=4), "4242424242"),
        (Proof(signature="4242424242", secret_block="4343434343", timestamp=NOON_TEXT), "4242424242"),
        (Proof(signature="4242424242", secret_block="4343434343", timestamp=NOON_TEXT), "4343434343"),
        (SrpChallenge(user_id="ada", salt=1, b=2, secret_block="4343434343"), "4343434343"),
        (DeviceVerifier(salt="4242424242", verifier="4343434343"), "4242424242"),
        (DeviceVerifier(salt="4242424242", verifier="4343434343"), "4343434343"),
    ],
)
def test_repr_has_no_secret(value: object, secret: str) -> None:
    """Values travel through frames that error reporters show."""
    assert secret not in repr(value)


# User pool IDs and timestamps


@pytest.mark.parametrize(
    ("user_pool_id", "name"),
    [("eu-west-1_AbC123", "AbC123"), ("us-gov-west-1_x", "x"), ("local_pool", "pool"), ("eusc-de-east-1_Q9", "Q9")],
)
def test_pool_name_is_the_part_after_the_underscore(user_pool_id: str, name: str) -> None:
    """Regions have hyphens only."""
    assert srp.pool_name(user_pool_id) == name


@pytest.mark.parametrize("user_pool_id", ["", "pool", "_pool", "eu-west-1_", "a_b_c", "a_b c", "a_b\n", "a_\uff11"])
def test_pool_name_of_an_invalid_id_is_refused(user_pool_id: str) -> None:
    """A wrong name would look like a wrong password."""
    with pytest.raises(ParameterValidationError) as caught:
        srp.pool_name(user_pool_id)
    assert caught.value.parameter == "user_pool_id"


class WithoutLocale(datetime):
    """A time that cannot be formatted with the names of a locale."""

    def __format__(self, spec: str) -> str:
        raise AssertionError(spec)

    strftime = __format__


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ((2025, 6, 5, 7, 0, 0), "Thu Jun 5 07:00:00 UTC 2025"),
        ((2026, 1, 1, 0, 0, 0), "Thu Jan 1 00:00:00 UTC 2026"),
        ((2026, 2, 28, 23, 59, 59, 999_999), "Sat Feb 28 23:59:59 UTC 2026"),
        ((2024, 2, 29, 1, 2, 3), "Thu Feb 29 01:02:03 UTC 2024"),
        ((2026, 3, 1, 12, 30, 9), "Sun Mar 1 12:30:09 UTC 2026"),
        ((2027, 4, 5, 9, 8, 7), "Mon Apr 5 09:08:07 UTC 2027"),
        ((2026, 5, 12, 10, 0, 0), "Tue May 12 10:00:00 UTC 2026"),
        ((2026, 7, 31, 10, 0, 0), "Fri Jul 31 10:00:00 UTC 2026"),
        ((2026, 8, 9, 10, 0, 0), "Sun Aug 9 10:00:00 UTC 2026"),
        ((2026, 9, 5, 10, 0, 0), "Sat Sep 5 10:00:00 UTC 2026"),
        ((2026, 10, 10, 10, 0, 0), "Sat Oct 10 10:00:00 UTC 2026"),
        ((2026, 11, 4, 10, 0, 0), "Wed Nov 4 10:00:00 UTC 2026"),
        ((2026, 12, 31, 10, 0, 0), "Thu Dec 31 10:00:00 UTC 2026"),
    ],
)
def test_timestamp_is_english_with_an_unpadded_day(moment: tuple[int, ...], text: str) -> None:
    """In every locale: nothing is formatted by strftime."""
    now = WithoutLocale(*moment).replace(tzinfo=UTC)  # type: ignore[arg-type]
    assert srp.timestamp(now) == text
    assert aws_srp.AWSSRP.get_cognito_formatted_timestamp(now) == text


@pytest.fixture
def local_time_is_not_utc() -> Iterator[None]:
    """Run a test in another time zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "XXX-6")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("local_time_is_not_utc")
def test_timestamp_of_another_time_zone_is_in_utc() -> None:
    """The date may differ, too."""
    assert srp.timestamp(datetime(2026, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=6)))) == (
        "Wed Dec 31 23:30:00 UTC 2025"
    )
