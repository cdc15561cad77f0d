"""The fake user pool as an HTTP server on the loopback interface."""

import asyncio
import contextlib
import json
import uuid
from collections import deque
from collections.abc import Generator, Mapping
from difflib import get_close_matches
from threading import Thread
from types import TracebackType
from typing import Final, NamedTuple, Self, Unpack

from aiohttp import web
from attrs import frozen

from cognito_async.client import CognitoClient
from cognito_async.errors import ParameterValidationError
from cognito_async.event_loop import running_loop
from cognito_async.operations.facts import IDEMPOTENCY
from cognito_async.protocol.endpoints import region_of_pool
from cognito_async.protocol.shapes import JsonValue
from cognito_async.session import AsyncCognitoSession
from cognito_async.testing.fake_cognito.accounts import Accounts
from cognito_async.testing.fake_cognito.passkeys import passkey_credential
from cognito_async.testing.fake_cognito.pool import FakeAppClient, FakePool, Operations, Payload, Refusal
from cognito_async.testing.fake_cognito.sign_in import SignInService
from cognito_async.testing.fake_cognito.tokens import Tokens
from cognito_async.testing.local_pool import (
    ADMINISTRATOR,
    SessionOptions,
    application_variables,
    new_state_key,
)

__all__ = ["FakeCognito", "ReceivedRequest"]

_CONTENT_TYPE: Final = "application/x-amz-json-1.1"


class ReceivedRequest(NamedTuple):
    """A request that the fake has received."""

    operation: str
    """The operation, such as ``InitiateAuth``."""

    payload: Payload
    """The parsed body."""


@frozen(kw_only=True)
class _Fault:
    """A scripted behaviour of the next request of an operation."""

    lose_response: bool
    status: int | None
    code: str | None
    message: str
    delay: float
    response: Payload | None


class FakeCognito(FakePool):
    """A user pool in this process that checks sign-ins as the service does; it runs in an ``async with`` block.

        async with FakeCognito() as fake, fake.session() as session:
            fake.create_user("ada", password="Analytical-1843", mfa=["SOFTWARE_TOKEN_MFA"])
            client = fake.client(session)
            result = await client.sign_in(username="ada", password="Analytical-1843")
            result = await result.respond(fake.totp_code("ada"))

    In synchronous tests, ``with FakeCognito() as fake`` runs it in a thread.

    It implements InitiateAuth, RespondToAuthChallenge, their Admin variants and every flow and challenge of them; the
    set-up of TOTP; devices; refresh with and without rotation, revocation and global sign-out; sign-up, forgotten and
    changed passwords; passkeys; and the administration of users. The guide lists the operations; others get
    ``UnknownOperationException``.

    It checks passwords, SRP proofs, secret hashes, codes, TOTP codes (each once), the sessions of challenges (used
    once, three minutes), the devices of refresh tokens, rotation with grace period and reuse, access tokens, and the
    password policy: 8 characters with upper and lower case (A to Z), a digit and a symbol, without whitespace at the
    beginning and end. After five wrong passwords a user is locked for a growing time. Its clock moves with ``advance``;
    the claims of tokens have this machine's time.

    It does not check AWS signatures, the signatures of passkeys, the attribute schema, scopes or quotas. It has no
    Lambda triggers, identity providers or managed login. It has no group operations: ``create_user`` sets the groups of
    a user. Messages are kept in ``messages``.

    Tokens are signed with keys of this process; ``{endpoint_url}/{user_pool_id}/.well-known/jwks.json`` has the
    public keys. This class needs the extra ``tokens``.
    """

    __module__ = "cognito_async.testing"

    def __init__(self, *, user_pool_id: str = "eu-west-1_FakePool1", updated_issuer: bool = False) -> None:
        """Configure the pool; nothing is started yet.

        Args:
            user_pool_id: The user pool ID, which names the region.
            updated_issuer: Whether tokens have the issuer ``https://issuer-cognito-idp.…``.

        Raises:
            ParameterValidationError: The user pool ID has no region.
        """
        super().__init__(user_pool_id=user_pool_id, updated_issuer=updated_issuer)
        self.requests: list[ReceivedRequest] = []
        """All requests, with their payloads, in the order of their arrival."""
        self._faults: dict[str, deque[_Fault]] = {}
        tokens = Tokens(self)
        self._sign_in = SignInService(self, tokens)
        accounts = Accounts(self, tokens, self._sign_in)
        self._operations: Operations = {**self._sign_in.operations, **tokens.operations, **accounts.operations}
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()
        self._endpoint_url: str | None = None
        self._state_key = new_state_key()
        self._thread = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        """Start the server on a free port of the loopback interface.

        Raises:
            ImportError: The package cryptography is not installed.
        """
        running_loop()
        self._closing = asyncio.Event()
        _ = self.issuer.jwks  # without the extra, this fails here and not in a request
        app = web.Application()
        app.router.add_post("/", self._handle)
        app.router.add_get(f"/{self.user_pool_id}/.well-known/jwks.json", self._handle_jwks)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._endpoint_url = "http://127.0.0.1:{1}".format(*self._runner.addresses[0])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()  # ends the delays
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = self._endpoint_url = None

    def __enter__(self) -> Self:
        """Start the server in a thread, for synchronous tests.

        Raises:
            ImportError: The package cryptography is not installed.
        """
        self._thread.enter_context(_served_by_thread(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.close()

    @property
    def endpoint_url(self) -> str:
        """The endpoint, e.g. ``http://127.0.0.1:40123``.

        Raises:
            RuntimeError: The server is not running.
        """
        if self._endpoint_url is None:
            raise RuntimeError("FakeCognito is not running; use it within its `async with` or `with` block")
        return self._endpoint_url

    def session(self, **options: Unpack[SessionOptions]) -> AsyncCognitoSession:
        """Create a session for this pool, with AWS credentials for the operations that need them.

        Args:
            **options: Options of AsyncCognitoSession.

        Returns:
            A new session, for ``async with``.
        """
        options.setdefault("credentials", ADMINISTRATOR)
        options.setdefault("proxy", False)
        return AsyncCognitoSession(region_of_pool(self.user_pool_id), endpoint_url=self.endpoint_url, **options)

    def client(self, session: AsyncCognitoSession, app_client: FakeAppClient | None = None) -> CognitoClient:
        """Create a client of a session for one of the app clients.

        Args:
            session: A session of this pool.
            app_client: The app client; None for ``app_client``.

        Returns:
            The client, bound to the app client and the user pool.
        """
        app_client = app_client or self.app_client
        return session.client(app_client.client_id, app_client.client_secret, self.user_pool_id)

    def environment(self, app_client: FakeAppClient | None = None) -> dict[str, str]:
        """Return the environment variables for an application under test, such as ``COGNITO_USER_POOL_ID``.

        Args:
            app_client: The app client; None for ``app_client``.

        Returns:
            The IDs of the pool and the app client, the region, the endpoint, AWS credentials, and a random key for the
            challenges of ``sign_in_router``, which is the same for each call. They include the variables that would
            take precedence over these, except that there is no ``COGNITO_CLIENT_SECRET`` if the app client has no
            secret: unset it then, as the fixture ``fake_environ`` does. An empty value would not do, because clients
            refuse an empty secret.
        """
        app_client = app_client or self.app_client
        return application_variables(
            user_pool_id=self.user_pool_id,
            client_id=app_client.client_id,
            client_secret=app_client.client_secret,
            endpoint_url=self.endpoint_url,
            state_key=self._state_key,
        )

    def fail_next(
        self,
        operation: str,
        *,
        lose_response: bool = False,
        status: int | None = None,
        code: str | None = None,
        message: str = "",
        delay: float = 0.0,
        response: Mapping[str, object] | None = None,
        times: int = 1,
    ) -> None:
        """Script the next requests of an operation; faults that are queued apply in turn.

        Args:
            operation: The operation, such as ``InitiateAuth``.
            lose_response: Process the request, then close the connection without a response.
            status: The HTTP status of an error response; None for 400 if there is a ``code``.
            code: The code of an error response, such as ``TooManyRequestsException``; the request is not processed.
            message: The message of the error response.
            delay: How long to wait before the request is processed, in seconds.
            response: The body of a successful response in place of the real one; the request is not processed.
            times: The number of requests. The client repeats requests that were throttled, for example, so that one
                fault may have no effect but a delay.

        Raises:
            ParameterValidationError: The service has no such operation.
        """
        if operation not in IDEMPOTENCY:
            spelled = {name.lower(): name for name in IDEMPOTENCY}
            close = get_close_matches(operation.replace("_", "").lower(), spelled, 1)
            hint = f"; the closest name is {spelled[close[0]]}" if close else ""
            raise ParameterValidationError("operation", f"is not an operation of the service{hint}")
        body = None if response is None else dict(response)
        fault = _Fault(
            lose_response=lose_response, status=status, code=code, message=message, delay=delay, response=body
        )
        self._faults.setdefault(operation, deque()).extend([fault] * times)

    def passkey_credential(
        self, options: Mapping[str, object], credential_id: str | None = None
    ) -> dict[str, JsonValue]:
        """Return what the browser returns for the options of a sign-in or a registration with a passkey.

        It takes the place of ``navigator.credentials.get`` for the ``request_options`` of a WebAuthnChallenge, and of
        ``navigator.credentials.create`` for the options of StartWebAuthnRegistration. The signature is not valid.

        Args:
            options: The options, as the page gets them.
            credential_id: The credential ID of the passkey, in base64url. None for the first that the options allow,
                or for a random one of a registration.

        Returns:
            The credential, as JSON.

        Raises:
            LookupError: The options of a sign-in allow no passkey.
        """
        return passkey_credential(options, credential_id)

    def override_challenge(self, parameters: Mapping[str, str | None], *, name: str | None = None) -> None:
        """Replace parameters of the next challenge, such as ``SRP_B`` or ``SALT``, to test a malicious server.

        Args:
            parameters: The new values; None removes a parameter.
            name: The challenge, such as ``PASSWORD_VERIFIER``; None for the next one.
        """
        self._sign_in.overrides.append((name, dict(parameters)))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers.get("X-Amz-Target", "").partition(".")[2]
        try:
            payload: Payload = dict(json.loads(await request.read()))
        except (TypeError, ValueError):
            return _error(400, "SerializationException", "")
        self.requests.append(ReceivedRequest(operation, payload))
        faults = self._faults.get(operation)
        fault = faults.popleft() if faults else None
        if fault is None:
            return self._process(operation, payload)
        if fault.delay:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), fault.delay)
        if fault.code is not None or fault.status is not None:
            return _error(fault.status or 400, fault.code or "InternalErrorException", fault.message)
        response = self._process(operation, payload) if fault.response is None else _respond(200, fault.response)
        if fault.lose_response and request.transport is not None:
            request.transport.abort()
        return response

    def _process(self, operation: str, payload: Payload) -> web.Response:
        process = self._operations.get(operation)
        if process is None:
            return _error(400, "UnknownOperationException", f"FakeCognito does not implement {operation}")
        if (pool := payload.get("UserPoolId", self.user_pool_id)) != self.user_pool_id:
            return _error(400, "ResourceNotFoundException", f"User pool {pool} does not exist.")
        try:
            return _respond(200, process(payload))
        except Refusal as refusal:
            return _error(400, refusal.code, refusal.message)

    async def _handle_jwks(self, _: web.Request) -> web.Response:
        return web.json_response(self.issuer.jwks)


@contextlib.contextmanager
def _served_by_thread(fake: FakeCognito) -> Generator[None]:
    """Run a fake service in the event loop of a thread."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="FakeCognito", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(fake.__aenter__(), loop).result()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(fake.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _respond(status: int, body: Payload) -> web.Response:
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    if status != 200:  # noqa: PLR2004
        headers["x-amzn-ErrorType"] = f"{body['__type']}:"
        headers["x-amzn-ErrorMessage"] = body["message"]
    return web.Response(status=status, body=json.dumps(body).encode(), content_type=_CONTENT_TYPE, headers=headers)


def _error(status: int, code: str, message: str) -> web.Response:
    return _respond(status, {"__type": code, "message": message})
