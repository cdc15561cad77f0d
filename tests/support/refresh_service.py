"""A service in place of Amazon Cognito that refreshes, rotates and revokes tokens."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cognito_async.protocol.wire import HttpRequest, HttpResponse
from cognito_async.tokens import Tokens
from tests.support.canaries import CANARY
from tests.support.scripted_server import Connection, answer
from tests.support.scripted_transport import Step, refuse, respond

LIFETIME = 3600


def jwt(**claims: Any) -> str:
    """Return a token with some claims and without a valid signature; it contains a canary."""
    header, payload = (
        urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "RS256"}, claims)
    )
    return f"{header}.{payload}.{CANARY}"


class RefreshService:
    """The refresh tokens of one user; a rotated token that is used after its grace period revokes all of them."""

    def __init__(self, *, rotation: bool = False, grace: float = 0.0, sub: str = "ada") -> None:
        self.rotation = rotation
        self.grace = grace
        self.sub = sub
        self.script: list[Step | None] = []
        """Steps for the next requests, before the service responds itself; None for its response."""

        self.latency = 0.0
        """Seconds that a response takes."""

        self.requests: list[tuple[str, Mapping[str, Any]]] = []
        """The operation and the members of each request."""

        self.refreshes = 0
        """The number of successful refreshes."""

        self.refusals = 0
        """The number of refused refreshes."""

        self.revoked = False
        self._rotated: dict[str, float | None] = {}
        self._issued = 0

    def sign_in(self, issued: datetime | None = None, **changes: Any) -> Tokens:
        """Return the tokens of a new sign-in, issued now unless a time is passed."""
        result = self._issue(rotate=True)
        issued = issued or datetime.now(UTC)
        values = {
            "access_token": result["AccessToken"],
            "id_token": result["IdToken"],
            "refresh_token": result["RefreshToken"],
            "expires_at": issued + timedelta(seconds=LIFETIME),
            "lifetime": float(LIFETIME),
        }
        return Tokens(**{**values, **changes})

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Respond as a transport."""
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        members = json.loads(request.body)
        step = self.script.pop(0) if self.script else None
        if step is not None:
            self.requests.append((operation, members))
            if isinstance(step, BaseException):
                raise step
            return step if isinstance(step, HttpResponse) else await step(request)
        response = self.respond(operation, members)
        if self.latency:
            await asyncio.sleep(self.latency)
        return response

    async def close(self) -> None:
        """Do nothing."""

    async def serve(self, connection: Connection) -> None:
        """Respond as the action of a scripted server."""
        assert connection.request is not None
        operation = connection.request.headers["x-amz-target"].rpartition(".")[2]
        response = self.respond(operation, connection.request.json)
        await answer(response.body, response.status)(connection)

    def respond(self, operation: str, members: Mapping[str, Any]) -> HttpResponse:
        """Apply a request and return the response."""
        self.requests.append((operation, members))
        if operation == "RevokeToken":
            self.revoked = True
            return respond()
        rotated = self._rotated.get(members["RefreshToken"], -1.0)
        now = asyncio.get_running_loop().time()
        if rotated is not None and now > rotated + self.grace:
            self.revoked = True
            self.refusals += 1
            return refuse("RefreshTokenReuseException", "Refresh token has been reused")
        if self.revoked:
            self.refusals += 1
            return refuse("NotAuthorizedException", "Refresh Token has been revoked")
        self.refreshes += 1
        if self.rotation and rotated is None:
            self._rotated[members["RefreshToken"]] = now
        return respond(body=json.dumps({"AuthenticationResult": self._issue(rotate=self.rotation)}).encode())

    def _issue(self, *, rotate: bool) -> dict[str, Any]:
        self._issued += 1
        claims = {"sub": self.sub, "origin_jti": f"{self.sub}-1", "jti": str(self._issued)}
        result: dict[str, Any] = {
            "AccessToken": jwt(token_use="access", **claims),
            "IdToken": jwt(token_use="id", **claims),
            "ExpiresIn": LIFETIME,
            "TokenType": "Bearer",
        }
        if rotate:
            result["RefreshToken"] = refresh_token = f"{CANARY}-refresh-{self.sub}-{self._issued}"
            self._rotated[refresh_token] = None
        return result
