"""Tokens of the fake user pool: issue, refresh, rotate and revoke."""

import hmac
import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any

from attrs import define

from cognito_async.testing.fake_cognito.pool import (
    FakeAppClient,
    FakePool,
    FakeUser,
    Operations,
    Payload,
    Refusal,
    check_enabled,
    required,
)


@define(eq=False)
class Grant:
    """One sign-in, to which its refresh tokens and access tokens belong."""

    user: FakeUser
    client: FakeAppClient
    device_key: str | None
    auth_time: int
    origin_jti: str
    revoked: bool = False


@define(eq=False)
class RefreshToken:
    """A refresh token; ``rotated`` is the time at which another replaced it."""

    grant: Grant
    expires: float
    rotated: float | None = None


class Tokens:
    """The tokens that the pool has issued, and the operations on them."""

    def __init__(self, pool: FakePool) -> None:
        self._pool = pool
        self._refresh: dict[str, RefreshToken] = {}
        self._access: dict[str, tuple[Grant, float]] = {}

    @property
    def operations(self) -> Operations:
        """The operations by their names."""
        return {
            "GetTokensFromRefreshToken": self._get_tokens_from_refresh_token,
            "RevokeToken": self._revoke_token,
            "GlobalSignOut": self._global_sign_out,
        }

    def sign_in(self, user: FakeUser, client: FakeAppClient, device_key: str | None) -> Payload:
        """Return the AuthenticationResult of a new sign-in."""
        # Claims have the time of this machine, which is the verifier's, and not that of the service's clock.
        grant = Grant(user, client, device_key, int(time.time()), str(uuid.uuid4()))
        return self._result(grant) | {"RefreshToken": self._new_refresh_token(grant, client.refresh_token_validity)}

    def signed_in_user(self, request: Payload) -> FakeUser:
        """Return the user of the access token in a request."""
        return self._grant(request).user

    def sign_out(self, user: FakeUser) -> None:
        """Revoke all tokens of a user."""
        for token in self._refresh.values():
            if token.grant.user is user:
                token.grant.revoked = True

    def refresh_token_auth(self, client: FakeAppClient, parameters: Mapping[str, str]) -> Payload:
        """Serve the flow REFRESH_TOKEN_AUTH; it checks the token before the secret hash."""
        if client.refresh_token_rotation or "ALLOW_REFRESH_TOKEN_AUTH" not in client.auth_flows:
            raise Refusal("InvalidParameterException", "REFRESH_TOKEN_AUTH flow not enabled for this client")
        (text,) = required(parameters, "REFRESH_TOKEN")
        grant = self._usable(client, text, parameters.get("DEVICE_KEY")).grant
        self._pool.check_secret_hash(client, grant.user.username, parameters.get("SECRET_HASH"), initial=False)
        return {"ChallengeParameters": {}, "AuthenticationResult": self._result(grant)}

    def _get_tokens_from_refresh_token(self, request: Payload) -> Payload:
        client_id, text = required(request, "ClientId", "RefreshToken")
        client = self._pool.client_of(client_id)
        _check_client_secret(client, request.get("ClientSecret"))
        token = self._usable(client, text, request.get("DeviceKey"))
        result = self._result(token.grant)
        if client.refresh_token_rotation:
            now = self._pool.now
            if token.rotated is None:
                token.rotated = now
            # A rotated token is valid for the remaining time of the first.
            result["RefreshToken"] = self._new_refresh_token(token.grant, token.expires - now)
        return {"AuthenticationResult": result}

    def _revoke_token(self, request: Payload) -> Payload:
        client_id, text = required(request, "ClientId", "Token")
        client = self._pool.client_of(client_id)
        _check_client_secret(client, request.get("ClientSecret"))
        if text in self._access:
            raise Refusal("UnsupportedTokenTypeException", "Unsupported token type")
        if token := self._refresh.get(text):
            if token.grant.client is not client:
                raise Refusal("UnauthorizedException", "Refresh Token has different Client")
            token.grant.revoked = True
        return {}

    def _global_sign_out(self, request: Payload) -> Payload:
        self.sign_out(self.signed_in_user(request))
        return {}

    def _result(self, grant: Grant) -> Payload:
        user, client = grant.user, grant.client
        lifetime = client.access_token_validity
        claims: dict[str, Any] = {
            "username": user.username,
            "sub": user.sub,
            "groups": user.groups,
            "expires_in": lifetime,
            "auth_time": grant.auth_time,
            "origin_jti": grant.origin_jti,
            "event_id": str(uuid.uuid4()),
        }
        attributes: dict[str, Any] = {
            name: value == "true" if name.endswith("_verified") else value for name, value in user.attributes.items()
        }
        issuer = self._pool.issuer
        access_token = issuer.access_token(**claims, client_id=client.client_id, device_key=grant.device_key)
        id_token = issuer.id_token(**(attributes | claims), aud=client.client_id)
        self._access[access_token] = (grant, self._pool.now + lifetime)
        return {"AccessToken": access_token, "ExpiresIn": lifetime, "TokenType": "Bearer", "IdToken": id_token}

    def _new_refresh_token(self, grant: Grant, lifetime: float) -> str:
        text = secrets.token_urlsafe(900)
        self._refresh[text] = RefreshToken(grant, self._pool.now + lifetime)
        return text

    def _usable(self, client: FakeAppClient, text: str, device_key: str | None) -> RefreshToken:
        token = self._refresh.get(text)
        if token is None:
            raise Refusal("NotAuthorizedException", "Invalid Refresh Token")
        grant, now = token.grant, self._pool.now
        if grant.client is not client:
            raise Refusal("NotAuthorizedException", "Refresh Token has different Client")
        if token.rotated is not None and now > token.rotated + client.retry_grace_period:
            grant.revoked = True
            raise Refusal("RefreshTokenReuseException", "Refresh token has been reused")
        check_enabled(grant.user)
        if grant.revoked:
            raise Refusal("NotAuthorizedException", "Refresh Token has been revoked")
        if now >= token.expires:
            raise Refusal("NotAuthorizedException", "Refresh Token has expired")
        # Refresh tokens of a pool that remembers devices belong to their device.
        forgotten = grant.device_key is not None and grant.device_key not in grant.user.devices
        if forgotten or grant.device_key != device_key:
            raise Refusal("NotAuthorizedException", "Invalid Refresh Token")
        return token

    def _grant(self, request: Payload) -> Grant:
        (text,) = required(request, "AccessToken")
        grant, expires = self._access.get(text, (None, 0.0))
        if grant is None:
            raise Refusal("NotAuthorizedException", "Invalid Access Token")
        if self._pool.now >= expires:
            raise Refusal("NotAuthorizedException", "Access Token has expired")
        check_enabled(grant.user)
        if grant.revoked:
            raise Refusal("NotAuthorizedException", "Access Token has been revoked")
        return grant


def _check_client_secret(client: FakeAppClient, given: str | None) -> None:
    if client.client_secret is None:
        return
    if not hmac.compare_digest(client.client_secret.encode(), (given or "").encode()):
        raise Refusal("NotAuthorizedException", f"Unable to verify secret for client {client.client_id}")
