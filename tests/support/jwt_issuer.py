"""An issuer of tokens with throw-away keys, and a transport that serves its key set."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.scripted_transport import respond

POOL = "eu-west-1_AbCdEfGhI"
CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
NOW = 1_800_000_000
DROP: Any = object()
"""In place of a claim's or header's value: leave it out."""


def encode(content: bytes) -> str:
    """Encode as base64url without padding."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def dump(content: object) -> bytes:
    """Encode as JSON."""
    return json.dumps(content, separators=(",", ":")).encode()


def private_key(number: int = 0, bits: int = 2048) -> RSAPrivateKey:
    """Return a key; the same number is the same key."""
    return _private_key(number, bits)


@cache
def _private_key(number: int, bits: int) -> RSAPrivateKey:
    return generate_private_key(65537, bits)


def jwk(key_id: str, number: int = 0, bits: int = 2048, **changes: Any) -> dict[str, Any]:
    """Return a public key as a JWK; members can be changed or dropped."""
    public = private_key(number, bits).public_key().public_numbers()
    modulus, exponent = public.n.to_bytes(bits // 8, "big"), public.e.to_bytes(3, "big")
    member = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": key_id, "n": encode(modulus), "e": encode(exponent)}
    return _changed(member, changes)


class JwtIssuer:
    """Issues tokens as a user pool does: two keys, and access and ID tokens with different ones."""

    def __init__(self) -> None:
        self.keys: dict[str, int] = {"access+key/1=": 0, "id+key/1=": 1}

    @property
    def jwks(self) -> dict[str, Any]:
        """The key set."""
        return {"keys": [jwk(key_id, number) for key_id, number in self.keys.items()]}

    def rotate(self) -> None:
        """Replace the keys."""
        generation = max(self.keys.values()) // 2 + 2
        self.keys = {f"access+key/{generation}=": generation * 2 - 2, f"id+key/{generation}=": generation * 2 - 1}

    def sign(self, payload: bytes, header: bytes | None = None, *, key: int | None = None) -> str:
        """Sign any payload, under any header."""
        key_id, number = next(iter(self.keys.items()))
        head = dump({"kid": key_id, "alg": "RS256"}) if header is None else header
        signed = f"{encode(head)}.{encode(payload)}"
        signer = private_key(number if key is None else key)
        return f"{signed}.{encode(signer.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def access_token(self, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Issue an access token of which claims and header can be changed or dropped."""
        key_id, number = next(iter(self.keys.items()))
        head = _changed({"kid": key_id, "alg": "RS256"}, header or {})
        return self.sign(dump(self.access_claims(**changes)), dump(head), key=number)

    def id_token(self, **changes: Any) -> str:
        """Issue an ID token of which claims can be changed or dropped."""
        key_id, number = list(self.keys.items())[1]
        return self.sign(dump(self.id_claims(**changes)), dump({"kid": key_id, "alg": "RS256"}), key=number)

    def access_claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of an access token; underscores at the start of a name stand for ``cognito:``."""
        claims = {
            "sub": "1f7d3c1e-0000-4000-8000-2f6f1f0a9b11",
            "cognito:groups": ["staff", "beta"],
            "iss": ISSUER,
            "version": 2,
            "client_id": CLIENT,
            "origin_jti": "0b5c8a2c-1111-4000-8000-2f6f1f0a9b11",
            "event_id": "7a1d6e0c-2222-4000-8000-2f6f1f0a9b11",
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin shop/read",
            "auth_time": NOW - 60,
            "exp": NOW + 3600,
            "iat": NOW - 60,
            "jti": "9d3f7b55-3333-4000-8000-2f6f1f0a9b11",
            "username": "ada",
        }
        return _changed(claims, changes)

    def id_claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of an ID token; see ``access_claims``."""
        claims = {
            "at_hash": "bPJ6rNOEtu4oA2Fh1A3Ggw",
            "sub": "1f7d3c1e-0000-4000-8000-2f6f1f0a9b11",
            "cognito:groups": ["staff"],
            "email_verified": True,
            "iss": ISSUER,
            "cognito:username": "ada",
            "nonce": "n-1",
            "aud": CLIENT,
            "token_use": "id",
            "auth_time": NOW - 60,
            "exp": NOW + 3600,
            "iat": NOW - 60,
            "email": "ada@example.com",
        }
        return _changed(claims, changes)


def _changed(content: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    named = {name.replace("_", "cognito:", 1) if name.startswith("_") else name: changes[name] for name in changes}
    return {name: value for name, value in {**content, **named}.items() if value is not DROP}


class JwksTransport:
    """A transport that serves the key set of an issuer, or fails."""

    def __init__(self, issuer: JwtIssuer) -> None:
        self.issuer = issuer
        self.requests: list[HttpRequest] = []
        """The requests."""

        self.failure: Exception | HttpResponse | None = None
        """Raised, or returned, in place of the key set; None for the key set."""

        self.delay = 0.0
        """The seconds between a request and its response."""

        self.closed = 0

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Respond with the key set as it was when the request arrived."""
        self.requests.append(request)
        response = self.failure or respond(body=dump(self.issuer.jwks))
        if self.delay:
            await asyncio.sleep(self.delay)
        if isinstance(response, Exception):
            raise response
        return response

    async def close(self) -> None:
        """Count the call."""
        self.closed += 1
