"""The Secure Remote Password protocol as Cognito implements it. Pure: entropy and time are arguments.

Cognito departs from RFC 5054: the generator is 2, the hash is SHA-256, numbers are hashed as minimal two's complement
like Java's ``BigInteger.toByteArray``, the key comes from HKDF, and the server sends no proof in return. The transport
must authenticate the server: an impostor could test one guess of the password per exchange.

A modular exponentiation takes several milliseconds without gmpy2. Functions that compute one are generators that yield
between slices of less than a millisecond, so that an event loop can serve other tasks in between.

See https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-authentication-flow-methods.html.
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib import import_module
from typing import TypeVar

from attrs import field, frozen

from cognito_async.errors import InvalidResponseError, ParameterValidationError
from cognito_async.protocol.endpoints import check_pool_id
from cognito_async.protocol.shapes import Record

_powmod: Callable[[int, int, int], int] | None
_number: Callable[[int], int] = int
try:
    _gmpy2 = import_module("gmpy2")  # takes an eighth of the time of pow
    _powmod, _number = _gmpy2.powmod, _gmpy2.mpz
except ImportError:
    _powmod = None

ResultT = TypeVar("ResultT")
Steps = Generator[None, None, ResultT]
"""A computation in slices: yields between them, returns the result."""

# Group 15 of RFC 3526, 3072 bits.
N = int(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b"
    "302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe6"
    "49286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb9ed529077096966d"
    "670c354e4abc9804f1746c08ca18217c32905e462e36ce3be39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718"
    "3995497cea956ae515d2261898fa051015728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7d"
    "b3970f85a6e1e4c7abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c"
    "bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a93ad2caffffffffffffffff",
    16,
)
GENERATOR = 2

MAX_B_DIGITS = 770  # 3072 bits and a leading 00
MAX_SALT_DIGITS = 64
MAX_SECRET_BLOCK = 16_384  # characters; the service sends 1,000 to 2,000
MAX_USER_ID = 256
EPHEMERAL_BYTES = 32  # the least that RFC 5054 allows, and twice the strength of the group
SALT_BYTES = 16
MULTIPLICATIONS_PER_SLICE = 16
WINDOWS_PER_SLICE = 4
ROWS, COLUMNS = 6, 43  # of the table for powers of g: exponents of 258 bits

_NAME = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
_HEXADECIMAL = "[0-9a-fA-F]+"
_BASE64 = "(?:[0-9A-Za-z+/]{4})*[0-9A-Za-z+/]{2}(?:==|[0-9A-Za-z+/](?:=|[0-9A-Za-z+/]))"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Ephemeral(Record):
    """The client's ephemeral key pair, for one exchange only."""

    private: int = field(metadata={"secret": True})
    """a, a random number of 256 bits."""

    public: int
    """A = g^a mod N."""

    @property
    def public_hex(self) -> str:
        """A as the service takes it in ``SRP_A``."""
        return f"{self.public:x}"


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class SrpChallenge(Record):
    """The parameters of a PASSWORD_VERIFIER or DEVICE_PASSWORD_VERIFIER challenge."""

    user_id: str
    """The name that the service knows the user by: ``USER_ID_FOR_SRP``, else ``USERNAME``."""

    salt: int
    """The salt, as a number."""

    b: int
    """B, the server's public number."""

    secret_block: str = field(metadata={"secret": True})
    """``SECRET_BLOCK`` as received, base64."""


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class Proof(Record):
    """The response to a challenge, which proves knowledge of the password."""

    signature: str = field(metadata={"secret": True})
    """``PASSWORD_CLAIM_SIGNATURE``, base64."""

    secret_block: str = field(metadata={"secret": True})
    """``PASSWORD_CLAIM_SECRET_BLOCK``, base64."""

    timestamp: str
    """``TIMESTAMP``."""


@frozen(kw_only=True, eq=False, repr=False, getstate_setstate=False)
class DeviceVerifier(Record):
    """The verifier of a device's password, as ConfirmDevice takes it."""

    salt: str = field(metadata={"secret": True})
    """The salt, base64."""

    verifier: str = field(metadata={"secret": True})
    """g^x mod N, base64."""


def ephemeral(entropy: Callable[[int], bytes]) -> Steps[Ephemeral]:
    """Generate a key pair; ``entropy`` returns a number of random bytes."""
    while True:
        private = int.from_bytes(entropy(EPHEMERAL_BYTES))
        public = yield from _mod_pow(GENERATOR, private)
        if public % N:
            return Ephemeral(private=private, public=public)


def parse_challenge(parameters: Mapping[str, object]) -> SrpChallenge:
    """Read ChallengeParameters.

    Raises:
        InvalidResponseError: A parameter is missing, malformed or too long, or B = 0 mod N.
    """
    user_id = "USER_ID_FOR_SRP" if "USER_ID_FOR_SRP" in parameters else "USERNAME"
    challenge = SrpChallenge(
        user_id=_parameter(parameters, user_id, _NAME, MAX_USER_ID),
        salt=int(_parameter(parameters, "SALT", _HEXADECIMAL, MAX_SALT_DIGITS), 16),
        b=int(_parameter(parameters, "SRP_B", _HEXADECIMAL, MAX_B_DIGITS), 16),
        secret_block=_parameter(parameters, "SECRET_BLOCK", _BASE64, MAX_SECRET_BLOCK),
    )
    if challenge.b % N == 0:
        raise InvalidResponseError("the challenge has an invalid SRP_B: B = 0 mod N; start the sign-in again")
    return challenge


def prove(
    ephemeral: Ephemeral, challenge: SrpChallenge, *, group: str, user_id: str, password: str, now: datetime
) -> Steps[Proof]:
    """Prove knowledge of a user's or device's password.

    Args:
        ephemeral: The key pair whose public part was sent.
        challenge: The service's challenge.
        group: The name of the user pool, see `pool_name`, or the device group key.
        user_id: The challenge's user ID, or the device key.
        password: The password of the user or device. The caller has checked that it is valid Unicode.
        now: The time, an aware datetime.

    Raises:
        InvalidResponseError: u = 0.
    """
    u = _scramble(ephemeral.public, challenge.b)
    if u == 0:
        del password
        raise InvalidResponseError("the challenge has an invalid SRP_B: u = 0; start the sign-in again")
    x = _private_key(challenge.salt, group, user_id, password)
    del password
    verifier = yield from _mod_pow(GENERATOR, x)
    shared = yield from _mod_pow((challenge.b - K * verifier) % N, ephemeral.private + u * x)
    key = _derived_key(u, shared)
    time = timestamp(now)
    message = _bytes(f"{group}{user_id}") + b64decode(challenge.secret_block) + _bytes(time)
    signature = b64encode(hmac.digest(key, message, "sha256")).decode()
    return Proof(signature=signature, secret_block=challenge.secret_block, timestamp=time)


def device_verifier(
    entropy: Callable[[int], bytes], *, device_group_key: str, device_key: str, password: str
) -> Steps[DeviceVerifier]:
    """Make the salt and verifier of a new device's password; ``entropy`` returns a number of random bytes."""
    salt = int.from_bytes(entropy(SALT_BYTES))
    x = _private_key(salt, device_group_key, device_key, password)
    del password
    verifier = yield from _mod_pow(GENERATOR, x)
    return DeviceVerifier(salt=b64encode(_encoded(salt)).decode(), verifier=b64encode(_encoded(verifier)).decode())


def pool_name(user_pool_id: str) -> str:
    """Return the part of a user pool ID after its only underscore.

    Raises:
        ParameterValidationError: The ID is invalid.
    """
    check_pool_id(user_pool_id, at_aws=False)
    _, name = user_pool_id.split("_", 1)
    if "_" in name:  # a wrong name would look like a wrong password
        raise ParameterValidationError("user_pool_id", "must contain one underscore only for SRP")
    return name


def timestamp(now: datetime) -> str:
    """Format an aware datetime as the service does: ``"Thu Jun 5 07:00:00 UTC 2025"``, English in every locale.

    The service accepts other forms but signs this one, so that "Jun 05" looks like a wrong password.
    """
    utc = now.astimezone(UTC)
    time = utc.time().isoformat("seconds")
    return f"{_DAYS[utc.weekday()]} {_MONTHS[utc.month - 1]} {utc.day} {time} UTC {utc.year}"


def _parameter(parameters: Mapping[str, object], name: str, pattern: str, longest: int) -> str:
    value = parameters.get(name)
    if not isinstance(value, str) or len(value) > longest or not re.fullmatch(pattern, value):
        raise InvalidResponseError(
            f"the challenge has no valid {name} of 1 to {longest} characters; start the sign-in again"
        )
    return value


def _encoded(number: int) -> bytes:
    """Return the shortest two's complement, which has a leading 00 if the top bit of a positive number is set."""
    return number.to_bytes(max(number, ~number).bit_length() // 8 + 1, signed=True)


def _bytes(text: str) -> bytes:
    """Encode as UTF-8; never raises UnicodeEncodeError, which would quote the text."""
    return text.encode(errors="surrogatepass")


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


K = int.from_bytes(_hash(_encoded(N), _encoded(GENERATOR)))


def _scramble(public: int, b: int) -> int:
    """Return u."""
    return int.from_bytes(_hash(_encoded(public), _encoded(b)))


def _private_key(salt: int, group: str, user_id: str, password: str) -> int:
    """Return x. The salt is hashed as a number: leading zeros of its text have no meaning."""
    return int.from_bytes(_hash(_encoded(salt), _hash(_bytes(f"{group}{user_id}:{password}"))))


def _derived_key(u: int, shared: int) -> bytes:
    """Return the first 16 bytes of HKDF-SHA256 of S, with u as the salt."""
    extracted = hmac.digest(_encoded(u), _encoded(shared), "sha256")
    return hmac.digest(extracted, b"Caldera Derived Key\x01", "sha256")[:16]


def _mod_pow(base: int, exponent: int) -> Steps[int]:
    """Return base^exponent mod N: by a table for g, in one slice with gmpy2, else by windows of 5 bits."""
    if base == GENERATOR and exponent.bit_length() <= ROWS * COLUMNS:
        return (yield from _generator_pow(exponent))
    if _powmod is not None:
        result = int(_powmod(base, exponent, N))
        yield
        return result
    powers = [1]
    for index in range(1, 32):
        powers.append(powers[-1] * base % N)
        if index % MULTIPLICATIONS_PER_SLICE == 0:
            yield
    result = 1
    for index, shift in enumerate(range(exponent.bit_length() // 5 * 5, -1, -5)):
        if index % WINDOWS_PER_SLICE == 0:
            yield
        result = pow(result, 32, N) * powers[exponent >> shift & 31] % N
    return result


def _generator_pow(exponent: int) -> Steps[int]:
    """Return g^exponent mod N by the comb method: a third of the multiplications of ``_mod_pow``.

    The exponent is cut into rows. Each step handles the bits of one column, with the table's product for these rows.
    """
    table = _tables.get(_number) or (yield from _table())
    bits = f"{exponent:0{ROWS * COLUMNS}b}"
    result = table[0]
    for column in range(COLUMNS):
        if column % (MULTIPLICATIONS_PER_SLICE // 2) == 0:
            yield
        result = result * result % N * table[int(bits[column::COLUMNS], 2)] % N
    return int(result)


def _table() -> Steps[list[int]]:
    """Return the product of g^(2^(COLUMNS row)) for each set of rows, 26 kB; computed by the first exchange."""
    rows: list[int] = []
    power = _number(GENERATOR)
    for index in range(ROWS * COLUMNS):
        if index % COLUMNS == 0:
            rows.append(power)
        power = power * power % N
        if index % MULTIPLICATIONS_PER_SLICE == 0:
            yield
    table = [_number(1)]
    for index in range(1, 1 << ROWS):
        row = index.bit_length() - 1
        table.append(table[index - (1 << row)] * rows[row] % N)
        if index % MULTIPLICATIONS_PER_SLICE == 0:
            yield
    _tables[_number] = table
    return table


_tables: dict[Callable[[int], int], list[int]] = {}
