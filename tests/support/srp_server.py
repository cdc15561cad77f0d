"""The server's side of Cognito's SRP, and random exchanges with it. Independent of the package: it shares no code."""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from gmpy2 import powmod

FORCED = ("salt", "A", "B", "u", "nothing")
"""The number that gets leading zero bytes, by the number of the exchange. Those of S are in SHORT_SECRETS."""

SHORT_SECRETS = (
    124179, 21549, 23229, 26659, 28384, 28444, 30299, 31229, 31534, 33779, 36499, 36824, 40519, 42754, 43469, 44644,
    44844, 49869, 50559, 50619, 50744, 50929, 51609, 53434, 53449, 54209, 55154, 56604, 57879, 58784, 60089, 62054,
)  # fmt: skip
"""Numbers of exchanges in which S has a leading zero byte, found by search; two of them in the first."""

SHORT = 1 << 3064  # numbers of N's size below it have a leading zero byte
CHARACTERS = "abcXYZ019 :_-äß漢😀"


def modulus() -> int:
    """Compute the modulus from its definition in RFC 3526: 2^3072 - 2^3008 - 1 + 2^64 * ([2^2942 pi] + 1690314)."""
    scale = 1 << (2942 + 64)
    pi = 4 * (4 * _arctangent(5, scale) - _arctangent(239, scale)) >> 64
    return (1 << 3072) - (1 << 3008) - 1 + ((pi + 1690314) << 64)


def _arctangent(inverse: int, scale: int) -> int:
    total, term, divisor = 0, scale // inverse, 1
    while term:
        total += term // divisor * (1 if divisor % 4 == 1 else -1)
        term //= inverse * inverse
        divisor += 2
    return total


def java_bytes(number: int) -> bytes:
    """Return what Java's BigInteger.toByteArray returns for a number that is not negative."""
    digits = f"{number:x}"
    digits = digits.rjust(len(digits) + len(digits) % 2, "0")
    return bytes.fromhex(digits if digits[0] in "01234567" else f"00{digits}")


def hashed(*parts: bytes) -> int:
    """Return the SHA-256 of the parts as a number."""
    return int(hashlib.sha256(b"".join(parts)).hexdigest(), 16)


PRIME = modulus()
MULTIPLIER = hashed(java_bytes(PRIME), java_bytes(2))


@dataclass(frozen=True)
class Account:
    """A user or device, and the verifier that the server keeps."""

    group: str
    user_id: str
    password: str
    salt: int
    verifier: int

    @classmethod
    def of(cls, group: str, user_id: str, password: str, salt: int) -> "Account":
        """Compute the verifier."""
        inner = hashlib.sha256(f"{group}{user_id}:{password}".encode()).digest()
        return cls(group, user_id, password, salt, int(powmod(2, hashed(java_bytes(salt), inner), PRIME)))

    def signature(self, keys: tuple[int, int], block: bytes, timestamp: str) -> str:
        """Return the signature of an exchange with these u and S."""
        u, shared = keys
        extracted = hmac.new(java_bytes(u), java_bytes(shared), hashlib.sha256).digest()
        key = hmac.new(extracted, b"Caldera Derived Key" + b"\x01", hashlib.sha256).digest()[:16]
        message = self.group.encode() + self.user_id.encode() + block + timestamp.encode()
        return b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


@dataclass(frozen=True)
class Exchange:
    """The values of an exchange: the account, the numbers of both sides, and the challenge."""

    account: Account
    client_private: int
    client_public: int
    server_private: int
    server_public: int
    block: bytes
    parameters: dict[str, str]

    def signature(self, timestamp: str) -> str:
        """Return the signature that the server expects."""
        return self.account.signature(self.keys(), self.block, timestamp)

    def keys(self) -> tuple[int, int]:
        """Return u and S."""
        u = hashed(java_bytes(self.client_public), java_bytes(self.server_public))
        return u, int(powmod(self.client_public * powmod(self.account.verifier, u, PRIME), self.server_private, PRIME))


@lru_cache(maxsize=2)
def account(number: int, *, short_salt: bool) -> Account:
    """Return a random account, the same for the same number."""
    random = Random(number)
    group, user_id, password = (
        "".join(random.choices(CHARACTERS, k=random.randint(1, longest))) for longest in (9, 36, 20)
    )
    salt = random.getrandbits(128) >> (8 * random.randint(1, 3) if short_salt else 0)
    return Account.of(group, user_id, password, salt)


def exchange(number: int) -> Exchange:
    """Return a random exchange, the same for the same number."""
    forced, random = FORCED[number % len(FORCED)], Random(number)
    owner = account(number // 20, short_salt=forced == "salt")
    client_private, server_private = random.getrandbits(256), random.getrandbits(32)
    client_public = int(powmod(2, client_private, PRIME))
    while forced == "A" and client_public >= SHORT:
        client_private, client_public = client_private + 1, client_public * 2 % PRIME
    offset = MULTIPLIER * owner.verifier
    power = int(powmod(2, server_private, PRIME))
    server_public = (offset + power) % PRIME
    prefix = java_bytes(client_public)
    while (forced == "B" and server_public >= SHORT) or (
        forced == "u" and hashed(prefix, java_bytes(server_public)) >> 248
    ):
        server_private, power = server_private + 1, power * 2 % PRIME
        server_public = (offset + power) % PRIME
    block = random.randbytes(random.choice([1, 32, 1284]))
    parameters = {
        # The service may send the numbers with or without leading zeros.
        "SALT": random.choice([f"{owner.salt:x}", f"{owner.salt:032x}", f"00{owner.salt:X}"]),
        "SRP_B": random.choice([f"{server_public:x}", f"{server_public:0770x}", f"{server_public:X}"]),
        "SECRET_BLOCK": b64encode(block).decode(),
        "USER_ID_FOR_SRP": owner.user_id,
    }
    return Exchange(owner, client_private, client_public, server_private, server_public, block, parameters)
