"""Key sets (JWKS): parsing, signature checks, and a cache of the keys of a user pool."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, cast

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
    from cryptography.hazmat.primitives.hashes import SHA256
except ImportError as _missing:
    raise ImportError(
        "verifying tokens requires the extra 'tokens' (cryptography is missing): install cognito_async with this extra",
        name="cryptography",
    ) from _missing

from cognito_async.errors import (
    JwksUnavailableError,
    SessionClosedError,
    TokenMalformedError,
    TokenSignatureError,
    TokenUnknownKeyError,
)
from cognito_async.event_loop import running_loop
from cognito_async.protocol.endpoints import check_jwks_url, region_of_pool, service_url
from cognito_async.protocol.jwt import ALGORITHM, MAX_KEY_ID, Jwt, decode_base64url, parse_object, parse_signed

if TYPE_CHECKING:
    from cognito_async.session import AsyncCognitoSession

_LOG = logging.getLogger("cognito_async")

PublicKey = RSAPublicKey
Keys = Mapping[str, PublicKey]

REFRESH_AFTER = 3600.0
"""Seconds after which the keys are fetched again in the background."""

UNUSABLE_AFTER = 24 * 3600.0
"""Seconds after which keys that could not be fetched again are not used any more."""

COOLDOWN = 10.0
"""Minimum time between two fetches in seconds, however many tokens name unknown keys."""

FETCH_TIMEOUT = 3.0
MAX_BYTES = 64 * 1024
MAX_KEYS = 32
MIN_BITS, MAX_BITS = 2048, 8192
MIN_EXPONENT, MAX_EXPONENT = 2**16 + 1, 2**32 - 1
"""Bounds of the exponent: small ones are unsound (FIPS 186-5), large ones slow down each verification."""

HTTP_OK = 200

_PADDING, _HASH = PKCS1v15(), SHA256()


def is_signed(token: Jwt, key: PublicKey) -> bool:
    """Return whether a key has signed a token."""
    try:
        key.verify(token.signature, token.signed, _PADDING, _HASH)
    except InvalidSignature:
        return False
    return True


def verify_signature(token: str, jwks: Mapping[str, Any] | str | bytes) -> bytes:
    """Check the signature of a token, and nothing else: neither expiry nor issuer, app client and use.

    To accept a token in an application, use ``TokenVerifier``.

    Args:
        token: The token; only RS256 with a key ID (``kid``) is accepted.
        jwks: The key set, as a mapping or as JSON.

    Returns:
        The payload.

    Raises:
        TokenMalformedError: The token does not have the form of Amazon Cognito's tokens.
        TokenUnknownKeyError: The key set has no key with the token's key ID.
        TokenSignatureError: The signature does not match.
        JwksUnavailableError: The key set is unusable.
    """
    parsed = parse_signed(token)
    del token  # keeps it out of tracebacks that show locals
    if isinstance(parsed, TokenMalformedError):
        raise parsed
    key = parse_jwks(jwks).get(parsed.key_id)
    if key is None:
        raise TokenUnknownKeyError("the key set has no key with the key ID of the token")
    if not is_signed(parsed, key):
        raise TokenSignatureError("the signature of the token does not match")
    return parsed.payload


def parse_jwks(jwks: object) -> Keys:
    """Return the keys of a key set by key ID. Keys that cannot be used for RS256 signatures are left out.

    Args:
        jwks: A mapping, or JSON as text or bytes.

    Raises:
        JwksUnavailableError: The key set is malformed or too large, has two keys with one ID, or no usable key.
    """
    content = jwks
    if isinstance(jwks, str | bytes):
        encoded = jwks.encode("utf-8", "surrogatepass") if isinstance(jwks, str) else jwks
        content = parse_object(encoded) if len(encoded) <= MAX_BYTES else None
    found = cast("Mapping[str, object]", content).get("keys") if isinstance(content, Mapping) else None
    listed = cast("list[object]", found) if isinstance(found, list | tuple) else None
    if listed is None or len(listed) > MAX_KEYS:
        raise JwksUnavailableError(
            f"the key set is not a JSON object with a list of at most {MAX_KEYS} keys, in at most {MAX_BYTES:,} bytes"
        )
    members = [cast("Mapping[str, object]", each) for each in listed if isinstance(each, Mapping)]
    key_ids = [member.get("kid") for member in members]
    if any(key_ids.count(key_id) > 1 for key_id in key_ids if key_id is not None):
        raise JwksUnavailableError("the key set has two keys with the same key ID")
    keys = {
        key_id: key
        for member in members
        if isinstance(key_id := member.get("kid"), str)
        and 0 < len(key_id) <= MAX_KEY_ID
        and (key := _public_key(member)) is not None
    }
    if not keys:
        raise JwksUnavailableError(f"the key set has no usable key: RSA of {MIN_BITS} to {MAX_BITS} bits for RS256")
    return keys


def _public_key(member: Mapping[str, object]) -> PublicKey | None:
    """Return the key of a JWK; None if it is not an RS256 signature key or not sound."""
    operations = member.get("key_ops", ["verify"])
    if (
        member.get("kty") != "RSA"
        or member.get("alg", ALGORITHM) != ALGORITHM
        or member.get("use", "sig") != "sig"
        or not (isinstance(operations, list) and "verify" in operations)
    ):
        return None
    modulus, exponent = _number(member.get("n")), _number(member.get("e"))
    if (
        not MIN_BITS <= modulus.bit_length() <= MAX_BITS
        or modulus % 2 == 0
        or not MIN_EXPONENT <= exponent <= MAX_EXPONENT
        or _is_roca(modulus)
    ):
        return None
    try:
        return RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:  # such as an even exponent
        return None


def _number(encoded: object) -> int:
    """Return a number in base64url; 0 for anything else."""
    decoded = decode_base64url(encoded.encode("ascii", "replace")) if isinstance(encoded, str) else None
    return int.from_bytes(decoded or b"", "big")


def _powers(prime: int) -> frozenset[int]:
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime))


_ROCA = {prime: _powers(prime) for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)}


def _is_roca(modulus: int) -> bool:
    """Return whether a modulus comes from a faulty generator (CVE-2017-15361), which makes it easy to factor."""
    return all(modulus % prime in powers for prime, powers in _ROCA.items())


async def fetch_keys(session: "AsyncCognitoSession", user_pool_id: str, jwks_url: str | None) -> Keys:
    """Fetch the keys of a user pool.

    Args:
        session: The session whose connections and endpoint are used.
        user_pool_id: The user pool.
        jwks_url: The URL of the key set; None for that of the user pool.

    Raises:
        CognitoError: There is no response with a usable key set.
    """
    if jwks_url is None:
        region = region_of_pool(user_pool_id) or ""
        endpoint = await session.configured_endpoint(region) or service_url(region)
        jwks_url = f"{endpoint}/{user_pool_id}/.well-known/jwks.json"
        check_jwks_url(jwks_url, "endpoint_url")
    response = await session.get(jwks_url, timeout=FETCH_TIMEOUT, max_bytes=MAX_BYTES)
    if response.status != HTTP_OK or not response.complete:
        raise JwksUnavailableError("the response is not a complete key set", status=response.status)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise JwksUnavailableError("the response is compressed, which was not requested", status=response.status)
    return parse_jwks(response.body)


class KeyCache:
    """The keys of a user pool. Fetches them again before they are too old, and for tokens that name an unknown key.

    One fetch is shared by all callers, and continues if they are cancelled. A failed one leaves the keys as they are.
    Nothing is stored for unknown key IDs. Times are those of the event loop, which a wrong clock does not affect.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Keys]] | None, keys: Keys | None = None) -> None:
        """Create a cache; with ``fetch`` None, the keys never change."""
        self._fetch = fetch
        self._keys: Keys = keys or {}
        self._fetched_at = -inf if fetch else inf
        self._next_fetch = -inf
        self._failure: Exception | None = None
        self._fetch_task: asyncio.Task[None] | None = None
        self._is_sent = False

    def find(self, key_id: str) -> PublicKey | None:
        """Return a key without waiting; None if there is no usable one. Keys over 1 h old are fetched again."""
        now = _now()
        age = now - self._fetched_at
        key = self._keys.get(key_id) if age < UNUSABLE_AFTER else None
        if (key is None or age >= REFRESH_AFTER) and now >= self._next_fetch:
            self._start()
        return key

    async def wait_for(self, key_id: str) -> PublicKey:
        """Return a key that ``find`` did not, after the fetch that is under way.

        Raises:
            TokenUnknownKeyError: There is no such key.
            JwksUnavailableError: There are no usable keys, or no such key and the last fetch failed.
        """
        self._check_event_loop()
        await self._wait()
        return self.get(key_id)

    def get(self, key_id: str) -> PublicKey:
        """Return a key, or raise one of the errors of ``wait_for``."""
        now, key = _now(), self._keys.get(key_id)
        if now - self._fetched_at >= UNUSABLE_AFTER or (key is None and self._failure is not None):
            raise self._unavailable(now)
        if key is None:
            raise TokenUnknownKeyError("the user pool has no key with the key ID of the token; check user_pool_id")
        return key

    async def refresh(self) -> None:
        """Fetch the keys now.

        Raises:
            JwksUnavailableError: They could not be fetched; the last ones are kept.
        """
        self._check_event_loop()
        if self._is_sent:  # the response may be older than the change that the caller knows of
            await self._wait()
        self._start()
        await self._wait()
        if self._failure is not None:
            raise self._unavailable(_now())

    async def close(self) -> None:
        """Stop fetching: cancel the fetch that is under way, if any, and start no other."""
        if self._fetch is not None:
            self._fetch, self._failure = None, SessionClosedError("the verifier is closed; create a new TokenVerifier")
        if self._fetch_task is not None:
            self._fetch_task.cancel()
            await self._wait()

    def _check_event_loop(self) -> None:
        """Raise RuntimeError if keys have to be fetched but cannot."""
        if self._fetch is not None:
            running_loop()

    async def _wait(self) -> None:
        """Wait for the fetch that is under way in this event loop, if any."""
        if self._fetch_task is not None and self._fetch_task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([self._fetch_task])  # neither raises its errors nor cancels it

    def _start(self) -> None:
        """Start a fetch, unless one is under way or there is no event loop."""
        # A fetch that was cancelled before it started is still there.
        if (self._fetch_task is None or self._fetch_task.done()) and self._fetch is not None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            self._next_fetch = loop.time() + COOLDOWN
            self._fetch_task = loop.create_task(self._run(self._fetch))
            self._fetch_task.add_done_callback(self._note_cancellation)

    async def _run(self, fetch: Callable[[], Awaitable[Keys]]) -> None:
        self._is_sent = True
        try:
            self._keys = await fetch()
            self._fetched_at = _now()
            self._failure = None
        except Exception as error:  # noqa: BLE001 - transports can raise any error
            self._failure = error.with_traceback(None)
            _LOG.warning("the keys of the user pool (JWKS) could not be fetched: %s", error)
        finally:
            self._fetch_task, self._is_sent = None, False

    def _note_cancellation(self, fetch: asyncio.Task[None]) -> None:
        """Count a cancelled fetch, such as that of an event loop that ended, as a failed one."""
        if fetch.cancelled() and self._failure is None:
            self._failure = JwksUnavailableError("the request was cancelled")

    def _unavailable(self, now: float) -> JwksUnavailableError:
        reason = self._failure or "they have not been fetched yet"
        error = JwksUnavailableError(
            f"the keys of the user pool are unavailable: {reason}", retry_after=max(self._next_fetch - now, 0.0)
        )
        error.__cause__ = self._failure
        return error


def _now() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:  # verify_cached() works without an event loop
        return time.monotonic()
