"""Verify tokens: `tokens verify BLOCKS NAME…`, `tokens refuse`, `tokens protect BLOCKS`, `tokens flood SECONDS`.

Prints numbers as JSON.
"""
# ruff: noqa: PLC0415 - only the selected libraries have to be installed

import asyncio
import json
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks.contenders import CLIENT, OURS, POOL

PYJWT, JOSERFC, FASTAPI_COGNITO = "PyJWT", "joserfc", "fastapi-cognito"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
VERIFICATIONS_IN_BLOCK = 500
REQUESTS_IN_BLOCK = 500
UNKNOWN_KEYS_PER_SECOND = 10_000
BATCHES_PER_SECOND = 100
RULES: Any = {"user_pool_id": POOL, "token_use": "access", "client_ids": {CLIENT}}

Verify = Callable[[str], Awaitable[object]]


def encode(content: bytes) -> str:
    """Encode as base64url without padding."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


class Issuer:
    """Issues access tokens of the size of Amazon Cognito's."""

    def __init__(self) -> None:
        self.keys: dict[str, RSAPrivateKey] = {}
        self.rotate()
        self.payload = encode(
            json.dumps(
                {
                    "sub": "1f7d3c1e-0000-4000-8000-2f6f1f0a9b11",
                    "cognito:groups": ["staff", "beta"],
                    "iss": ISSUER,
                    "version": 2,
                    "client_id": CLIENT,
                    "origin_jti": "0b5c8a2c-1111-4000-8000-2f6f1f0a9b11",
                    "event_id": "7a1d6e0c-2222-4000-8000-2f6f1f0a9b11",
                    "token_use": "access",
                    "scope": "aws.cognito.signin.user.admin",
                    "auth_time": int(time.time()),
                    "exp": int(time.time()) + 86_400,
                    "iat": int(time.time()),
                    "jti": "9d3f7b55-3333-4000-8000-2f6f1f0a9b11",
                    "username": "1f7d3c1e-0000-4000-8000-2f6f1f0a9b11",
                }
            ).encode()
        )

    def rotate(self) -> None:
        """Add a key, for all further tokens."""
        self.keys[f"abcDEF+/ghiJKL0123456789abcDEF+/ghiJKL01234{len(self.keys)}="] = generate_private_key(65537, 2048)

    def token(self) -> str:
        """Return a token of the newest key."""
        key_id = list(self.keys)[-1]
        signed = f"{self.header(key_id)}.{self.payload}"
        return f"{signed}.{encode(self.keys[key_id].sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def header(self, key_id: str) -> str:
        """Return a header."""
        return encode(json.dumps({"kid": key_id, "alg": "RS256"}).encode())

    @property
    def jwks(self) -> dict[str, Any]:
        """The key set."""
        numbers = {key_id: key.public_key().public_numbers() for key_id, key in self.keys.items()}
        return {
            "keys": [
                {
                    "kty": "RSA",
                    "alg": "RS256",
                    "use": "sig",
                    "kid": key_id,
                    "e": "AQAB",
                    "n": encode(each.n.to_bytes(256, "big")),
                }
                for key_id, each in numbers.items()
            ]
        }


def ours(issuer: Issuer) -> Verify:
    """Check the signature and all claims."""
    from cognito_async.tokens import TokenVerifier

    return TokenVerifier.offline(**RULES, jwks=issuer.jwks).verify


def pyjwt(issuer: Issuer) -> Verify:
    """Check the signature, the issuer and times, and by hand the use and the app client."""
    import jwt

    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(issuer.jwks).keys}

    async def verify(token: str) -> object:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["RS256"], issuer=ISSUER, options={"require": ["exp"]})
        if claims["token_use"] != "access" or claims["client_id"] != CLIENT:
            raise ValueError("another token")
        return claims

    return verify


def joserfc(issuer: Issuer) -> Verify:
    """As PyJWT."""
    from joserfc import jwt
    from joserfc.jwk import KeySet

    jwks: Any = issuer.jwks
    keys = KeySet.import_key_set(jwks)
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        exp={"essential": True},
        token_use={"essential": True, "value": "access"},
        client_id={"essential": True, "value": CLIENT},
    )

    async def verify(token: str) -> object:
        claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
        registry.validate(claims)
        return claims

    return verify


def fastapi_cognito(issuer: Issuer) -> Verify:
    """Check the signature, expiry and the app client: all that it checks."""
    from fastapi_cognito.cognito_jwt.decode import decode_cognito_jwt

    file = Path(tempfile.mkdtemp()) / "jwks.json"
    file.write_text(json.dumps(issuer.jwks))

    async def verify(token: str) -> object:
        return await decode_cognito_jwt(token, "eu-west-1", POOL, CLIENT, jwks_url=str(file))

    return verify


VERIFIERS = {OURS: ours, PYJWT: pyjwt, JOSERFC: joserfc, FASTAPI_COGNITO: fastapi_cognito}


async def verify(blocks: int, names: list[str]) -> list[list[float]]:
    """Let the libraries take turns; return blocks with the CPU seconds per verification of each."""
    issuer = Issuer()
    token = issuer.token()
    verifiers = [VERIFIERS[name](issuer) for name in names]
    for each in verifiers:
        await each(token)
    return [[await _per_call(each, token) for each in verifiers] for _ in range(blocks)]


async def _per_call(each: Verify, token: str) -> float:
    began = time.process_time()
    for _ in range(VERIFICATIONS_IN_BLOCK):
        await each(token)
    return (time.process_time() - began) / VERIFICATIONS_IN_BLOCK


def refuse() -> dict[str, float]:
    """Return the seconds that the refusal of each malformed token takes, the median of many."""
    from cognito_async import TokenError
    from cognito_async.tokens import TokenVerifier

    issuer = Issuer()
    verifier: TokenVerifier[Any] = TokenVerifier.offline(**RULES, jwks=issuer.jwks)
    head, _, signature = issuer.token().split(".")
    tokens = {
        "1 kB of letters": "a" * 1_000,
        "16 kB of letters": "a" * 16_000,
        "16 kB payload, not JSON": f"{head}.{encode(b'x' * 11_000)}.{signature}",
        "16 kB payload, 11,000 levels": f"{head}.{encode(b'[' * 11_000)}.{signature}",
        "16 kB payload of numbers, cut": f"{head}.{encode(b'{' + b'1,' * 5_500)}.{signature}",
        "16 kB payload of objects, cut": f"{head}.{encode(b'[' + b'{},' * 3_600)}.{signature}",
        "16 kB header, 11,000 levels": f"{encode(b'[' * 11_000)}.e30.{signature}",
        "100 kB payload": f"{head}.{'A' * 100_000}.{signature}",
        "1 MB payload": f"{head}.{'A' * 1_000_000}.{signature}",
        "10 MB payload": f"{head}.{'A' * 10_000_000}.{signature}",
    }
    return {name: _refusal(verifier, token, TokenError) for name, token in tokens.items()}


def _refusal(verifier: Any, token: str, error: type[Exception]) -> float:
    times = []
    for _ in range(200):
        began = time.perf_counter()
        try:
            verifier.verify_cached(token)
        except error:
            times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


class Server:
    """A transport that serves the key set."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.fetches = 0

    async def send(self, _: Any) -> Any:
        """Respond with it."""
        from cognito_async.protocol.wire import HttpResponse

        self.fetches += 1
        return HttpResponse(200, {}, json.dumps(self.issuer.jwks).encode())

    async def close(self) -> None:
        """Do nothing."""


async def flood(seconds: float) -> dict[str, float]:
    """Verify unknown keys at a rate for some seconds, with a known key and a rotated one between them.

    Returns the number of fetches, the known key's median CPU time without and with the flood, the memory blocks kept
    for each unknown key, the verifications per second, and the seconds until the rotated key was accepted.
    """
    from cognito_async import AsyncCognitoSession
    from cognito_async.tokens import TokenVerifier

    issuer = Issuer()
    server = Server(issuer)
    async with AsyncCognitoSession(transport=server) as session, TokenVerifier(**RULES, session=session) as verifier:
        known = issuer.token()
        signature = known.split(".")[2]
        calm = []
        for _ in range(round(seconds * BATCHES_PER_SECOND / 2)):  # at the same rate, for the caches of the processor
            calm.append(await _timed(verifier, known))
            await asyncio.sleep(1 / BATCHES_PER_SECOND)
        issuer.rotate()
        rotated = issuer.token()
        fetches, accepted, number = server.fetches, -1.0, 0
        busy = [0.0] * round(seconds * BATCHES_PER_SECOND)
        blocks = sys.getallocatedblocks()
        started = time.perf_counter()
        for batch in range(len(busy)):
            for _ in range(UNKNOWN_KEYS_PER_SECOND // BATCHES_PER_SECOND):
                number += 1
                await _is_accepted(verifier, f"{issuer.header(f'unknown-{number}')}.{issuer.payload}.{signature}")
            busy[batch] = await _timed(verifier, known)
            if accepted < 0 and await _is_accepted(verifier, rotated):
                accepted = time.perf_counter() - started
            await asyncio.sleep(max(started + number / UNKNOWN_KEYS_PER_SECOND - time.perf_counter(), 0))
        took = time.perf_counter() - started
        if accepted < 0:
            await asyncio.sleep(max(seconds - took, 0) + 0.1)
            accepted = seconds if await _is_accepted(verifier, rotated) else -1.0
        return {
            "fetches": server.fetches - fetches,
            "calm": sorted(calm)[len(calm) // 2],
            "busy": sorted(busy)[len(busy) // 2],
            "blocks": (sys.getallocatedblocks() - blocks - len(busy)) / number,
            "rate": number / took,
            "accepted": accepted,
        }


async def protect(blocks: int) -> list[list[float]]:
    """Request a bare route and one with CurrentUser in turns, without a server; return CPU seconds per request."""
    from fastapi import FastAPI

    from cognito_async.fastapi import Cognito, CognitoSettings, CurrentUser
    from cognito_async.tokens import TokenVerifier

    issuer = Issuer()
    verifier = TokenVerifier.offline(**RULES, jwks=issuer.jwks)
    cognito = Cognito(settings=CognitoSettings(client_id=CLIENT, user_pool_id=POOL), verifier=verifier)
    app = FastAPI(lifespan=cognito.lifespan)

    @app.get("/bare")
    async def bare() -> str:
        return "ada"

    @app.get("/protected")
    async def protected(user: CurrentUser) -> str | None:
        return user.username

    statuses: set[int] = set()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.add(message.get("status", 200))

    headers = [(b"host", b"site.example"), (b"authorization", f"Bearer {issuer.token()}".encode())]
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "query_string": b""}

    async def timed(path: str) -> float:
        began = time.thread_time()
        for _ in range(REQUESTS_IN_BLOCK):
            request = {"path": path, "raw_path": path.encode(), "headers": headers, "state": dict(state)}
            await app({**scope, **request}, receive, send)
        return (time.thread_time() - began) / REQUESTS_IN_BLOCK

    async with cognito.lifespan(app) as state:
        results = [[await timed("/bare"), await timed("/protected")] for _ in range(blocks + 1)]
    if statuses != {200}:
        raise RuntimeError(f"unexpected status codes {statuses}")
    return results[1:]  # the first block warms up


async def _timed(verifier: Any, token: str) -> float:
    """Return the CPU time of a verification: other programs must not count."""
    began = time.thread_time()
    await verifier.verify(token)
    return time.thread_time() - began


async def _is_accepted(verifier: Any, token: str) -> bool:
    from cognito_async import TokenError

    try:
        await verifier.verify(token)
    except TokenError:
        return False
    return True


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    if mode == "verify":
        print(json.dumps(asyncio.run(verify(int(arguments[0]), arguments[1:]))))
    elif mode == "refuse":
        print(json.dumps(refuse()))
    elif mode == "protect":
        print(json.dumps(asyncio.run(protect(int(arguments[0])))))
    else:
        print(json.dumps(asyncio.run(flood(float(arguments[0])))))
