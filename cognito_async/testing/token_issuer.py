"""Signed test tokens: access and ID tokens as a user pool issues them."""

import base64
import json
import secrets
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from attrs import field, frozen

from cognito_async.errors import ParameterValidationError
from cognito_async.protocol.endpoints import check_pool_id, region_of_pool, service_url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from cognito_async.tokens import AccessToken, IdToken, TokenVerifier

__all__ = ["TokenIssuer", "TokenUse"]

TokenUse = Literal["access", "id"]

SIGN_IN_SCOPE: Final = "aws.cognito.signin.user.admin"


class TokenIssuer:
    """Issues tokens of a user pool that does not exist, signed with RSA keys that live in this process.

        issuer = TokenIssuer(user_pool_id="eu-west-1_TestPool1", client_id="test-client")
        token = issuer.access_token(username="ada", groups=["staff"])

    Claims, headers and key IDs have the form of Amazon Cognito's: RS256, with one key for access tokens and another
    for ID tokens. Every keyword argument that is not listed is a claim; it replaces the default, and None removes it.
    Keys are generated on first use and shared by the issuers of a process, since that takes 0.1 s; key IDs are not
    shared, so no issuer accepts the tokens of another. This class needs the extra ``tokens``.
    """

    __module__ = "cognito_async.testing"

    def __init__(
        self,
        *,
        user_pool_id: str = "eu-west-1_TestPool1",
        client_id: str = "test-client",
        issuer: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Configure the issuer.

        Args:
            user_pool_id: The user pool ID, which names the region.
            client_id: The app client ID.
            issuer: The ``iss`` claim; None for the user pool's original issuer, ``https://cognito-idp.…``.
            clock: Returns the time of the claims, in seconds since the epoch.

        Raises:
            ParameterValidationError: The user pool ID has no region, and ``issuer`` is None.
        """
        self.user_pool_id = user_pool_id
        """The user pool ID."""
        self.client_id = client_id
        """The app client ID."""
        self.issuer: str = issuer_url(user_pool_id) if issuer is None else issuer
        """The ``iss`` claim."""
        self._clock = clock
        self._rotations = 0
        self._signing: dict[TokenUse, _Key] = {}
        self._published: list[_Key] = []

    def __repr__(self) -> str:
        return f"TokenIssuer(user_pool_id={self.user_pool_id!r}, client_id={self.client_id!r})"

    def access_token(
        self,
        *,
        username: str = "ada",
        sub: str | None = None,
        groups: Sequence[str] = (),
        scopes: Sequence[str] = (SIGN_IN_SCOPE,),
        expires_in: float = 3600,
        **claims: object,
    ) -> str:
        """Issue an access token.

        Args:
            username: The username.
            sub: The user's unique ID; None to derive one from the username.
            groups: The names of the user's groups.
            scopes: The scopes.
            expires_in: The lifetime, in seconds. Negative for an expired token.
            **claims: Other claims; None removes a claim.

        Returns:
            The token.

        Raises:
            ParameterValidationError: ``groups`` or ``scopes`` is a single string.
            ImportError: The package cryptography is not installed.
        """
        defaults = self._claims("access", sub or _sub(username), groups, expires_in)
        scope = " ".join(listed("scopes", scopes))
        defaults |= {"client_id": self.client_id, "scope": scope, "username": username, "version": 2}
        return self.sign("access", defaults | claims)

    def id_token(
        self,
        *,
        username: str = "ada",
        sub: str | None = None,
        groups: Sequence[str] = (),
        expires_in: float = 3600,
        **claims: object,
    ) -> str:
        """Issue an ID token.

        Args:
            username: The username.
            sub: The user's unique ID; None to derive one from the username.
            groups: The names of the user's groups.
            expires_in: The lifetime, in seconds. Negative for an expired token.
            **claims: Other claims, such as ``email``; None removes a claim.

        Returns:
            The token.

        Raises:
            ParameterValidationError: ``groups`` is a single string.
            ImportError: The package cryptography is not installed.
        """
        defaults = self._claims("id", sub or _sub(username), groups, expires_in)
        defaults |= {"aud": self.client_id, "cognito:username": username}
        return self.sign("id", defaults | claims)

    def sign(self, token_use: TokenUse, claims: Mapping[str, object]) -> str:
        """Sign claims as they are, for tokens that no user pool would issue.

        Args:
            token_use: The key that signs: that of access tokens or that of ID tokens.
            claims: All claims; those that are None are left out.

        Returns:
            The token.

        Raises:
            ImportError: The package cryptography is not installed.
        """
        key = self._keys()[token_use]
        payload = {name: value for name, value in claims.items() if value is not None}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in ({"kid": key.kid, "alg": "RS256"}, payload))
        return f"{signed}.{_encode(key.sign(signed.encode()))}"

    @property
    def jwks(self) -> dict[str, Any]:
        """The JSON Web Key Set with the public keys, as in ``/.well-known/jwks.json``."""
        self._keys()
        return {"keys": [key.public() for key in self._published]}

    @overload
    def verifier(
        self, token_use: Literal["access"] = "access", *, client_ids: Collection[str] | None = None
    ) -> "TokenVerifier[AccessToken]": ...
    @overload
    def verifier(
        self, token_use: Literal["id"], *, client_ids: Collection[str] | None = None
    ) -> "TokenVerifier[IdToken]": ...
    def verifier(
        self, token_use: TokenUse = "access", *, client_ids: Collection[str] | None = None
    ) -> "TokenVerifier[Any]":
        """Create a verifier that accepts this issuer's tokens, and needs no network.

        It knows the keys of this moment: create another after ``rotate_keys``.

        Args:
            token_use: ``"access"`` or ``"id"``.
            client_ids: The app clients whose tokens are accepted; None for that of the issuer.

        Returns:
            The verifier, whose clock is the issuer's.

        Raises:
            ImportError: The package cryptography is not installed.
        """
        from cognito_async.tokens import TokenVerifier  # noqa: PLC0415 - needs the extra `tokens`

        return TokenVerifier.offline(
            token_use=token_use,
            user_pool_id=self.user_pool_id,
            client_ids={self.client_id} if client_ids is None else client_ids,
            issuers={self.issuer},
            jwks=self.jwks,
            clock=self._clock,
        )

    def rotate_keys(self, *, keep_old: bool = True) -> None:
        """Sign later tokens with new keys.

        Args:
            keep_old: Whether the old keys stay in the JWKS, so that tokens that they signed are still valid.
        """
        if not keep_old:
            self._published.clear()
        self._signing.clear()
        self._rotations += 1

    def _keys(self) -> "dict[TokenUse, _Key]":
        if not self._signing:
            first = 2 * self._rotations
            self._signing = {"access": _Key(_private_key(first)), "id": _Key(_private_key(first + 1))}
            self._published += self._signing.values()
        return self._signing

    def _claims(self, token_use: TokenUse, sub: str, groups: Sequence[str], expires_in: float) -> dict[str, object]:
        now = int(self._clock())
        return {
            "sub": sub,
            "cognito:groups": listed("groups", groups) or None,
            "iss": self.issuer,
            "origin_jti": str(uuid.uuid4()),
            "event_id": str(uuid.uuid4()),
            "token_use": token_use,
            "auth_time": now,
            "exp": now + int(expires_in),
            "iat": now,
            "jti": str(uuid.uuid4()),
        }


def issuer_url(user_pool_id: str, *, updated: bool = False) -> str:
    """Return the issuer of a user pool: the original one, or the one of the issuer configuration ``UPDATED``."""
    check_pool_id(user_pool_id, at_aws=False)
    region = region_of_pool(user_pool_id)
    if region is None:
        raise ParameterValidationError("user_pool_id", "must start with a region, such as 'eu-west-1_AbC123'")
    url = service_url(region)
    return f"{url.replace('https://', 'https://issuer-') if updated else url}/{user_pool_id}"


@cache
def _private_key(number: int) -> "RSAPrivateKey":  # noqa: ARG001 - the number distinguishes keys
    try:
        from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError(
            "signing tokens needs cryptography; in a checkout of cognito_async: pip install '.[tokens]'"
        ) from error
    return generate_private_key(public_exponent=65537, key_size=2048)


@frozen
class _Key:
    """A signing key; its ID is standard base64, as the service's are."""

    private: "RSAPrivateKey"
    kid: str = field(factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    def sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        return self.private.sign(data, PKCS1v15(), SHA256())

    def public(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        e, n = (_encode(number.to_bytes((number.bit_length() + 7) // 8)) for number in (numbers.e, numbers.n))
        return {"alg": "RS256", "e": e, "kid": self.kid, "kty": "RSA", "n": n, "use": "sig"}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def listed(parameter: str, names: Iterable[str]) -> list[str]:
    """Return names as a list; a single string is an error."""
    if isinstance(names, str):  # a sequence of its letters
        raise ParameterValidationError(parameter, "must be a list of strings, not a single string")
    return list(names)


def _sub(username: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, username))
