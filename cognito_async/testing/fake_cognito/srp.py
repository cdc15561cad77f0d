"""The service's half of SRP, written from RFC 5054 and the published test vectors; shares no code with the client."""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime
from typing import Final

from attrs import define

# RFC 3526, group 15. Its generator is 2; RFC 5054 uses the same prime with 5.
N: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
    "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C"
    "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    16,
)
G: Final = 2

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIMESTAMP: Final = re.compile(
    rf"(?:{'|'.join(_DAYS)}) ({'|'.join(_MONTHS)}) (\d\d?) (\d\d):(\d\d):(\d\d) UTC (\d{{4}})", re.ASCII
)


def java_bytes(number: int) -> bytes:
    """Return a non-negative number as Java's ``BigInteger.toByteArray`` does: minimal two's complement."""
    return number.to_bytes(number.bit_length() // 8 + 1)


def _hash(*parts: bytes) -> int:
    return int.from_bytes(hashlib.sha256(b"".join(parts)).digest())


K: Final = _hash(java_bytes(N), java_bytes(G))


def password_verifier(name: str, password: str, salt: int) -> int:
    """Return the verifier; ``name`` is pool name and username, or device group key and device key."""
    inner = hashlib.sha256(f"{name}:{password}".encode()).digest()
    return pow(G, _hash(java_bytes(salt), inner), N)


def canonical_timestamp(text: str) -> str | None:
    """Return the timestamp that is signed; None if it is unreadable.

    The service reads a padded day or a wrong weekday, and then computes the signature over the right form.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    month, day, hour, minute, second, year = found.groups()
    try:
        moment = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
    except ValueError:
        return None
    return f"{_DAYS[moment.weekday()]} {month} {moment.day} {moment:%H:%M:%S} UTC {year}"


@define(eq=False, repr=False)
class Exchange:
    """One SRP exchange: what the service remembers between the challenge and the proof."""

    name: str
    salt: str
    verifier: int
    client_public: int
    private: int
    public: int
    secret_block: str

    @classmethod
    def start(cls, name: str, salt: str, verifier: int, client_public: int) -> "Exchange":
        """Draw the private value and the secret block."""
        private = secrets.randbits(256)
        block = base64.b64encode(secrets.token_bytes(1024)).decode()
        return cls(name, salt, verifier, client_public, private, (K * verifier + pow(G, private, N)) % N, block)

    def accepts(self, signature: str, secret_block: str, timestamp: str) -> bool:
        """Return whether the proof shows knowledge of the password; the timestamp is canonical."""
        scramble = _hash(java_bytes(self.client_public), java_bytes(self.public))
        shared = pow(self.client_public * pow(self.verifier, scramble, N), self.private, N)
        pseudo_random_key = hmac.digest(java_bytes(scramble), java_bytes(shared), "sha256")
        key = hmac.digest(pseudo_random_key, b"Caldera Derived Key\x01", "sha256")[:16]
        message = self.name.encode() + base64.b64decode(self.secret_block) + timestamp.encode()
        expected = base64.b64encode(hmac.digest(key, message, "sha256")).decode()
        return secret_block == self.secret_block and hmac.compare_digest(expected.encode(), signature.encode())
