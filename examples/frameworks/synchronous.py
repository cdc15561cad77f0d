"""Flask, Celery, Django under WSGI and other synchronous code: one session, in the event loop of a thread."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from cognito_async import AsyncCognitoSession
from cognito_async.sign_in import SignInResult
from cognito_async.tokens import AccessToken, TokenVerifier, bearer_token

Result = TypeVar("Result")


class Cognito:
    """A client and a verifier for all threads of a process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cognito", daemon=True)
        self._thread.start()
        self._session = AsyncCognitoSession()
        pool, client_id = os.environ["COGNITO_USER_POOL_ID"], os.environ["COGNITO_CLIENT_ID"]
        self.client = self._session.client(
            client_id=client_id, client_secret=os.environ.get("COGNITO_CLIENT_SECRET"), user_pool_id=pool
        )
        self.verifier = TokenVerifier(
            user_pool_id=pool, token_use="access", client_ids={client_id}, session=self._session
        )

    def run(self, call: Coroutine[Any, Any, Result]) -> Result:
        """Run a call in the event loop, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def close(self) -> None:
        """Close the session, and end the thread."""
        self.run(self.verifier.close())
        self.run(self._session.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


_lock = threading.Lock()
_opened: dict[int, Cognito] = {}


def cognito() -> Cognito:
    """Return that of this process. It is opened by the first call, because a thread does not survive a fork."""
    with _lock:
        if os.getpid() not in _opened:
            _opened[os.getpid()] = Cognito()
        return _opened[os.getpid()]


def sign_in(username: str, password: str) -> SignInResult:
    """Sign a user in, from a view or a task."""
    return cognito().run(cognito().client.sign_in(username=username, password=password))


def user_of(authorization: str | None) -> AccessToken:
    """Return the verified access token of a request; TokenError: respond with status 401."""
    return cognito().run(cognito().verifier.verify(bearer_token(authorization)))
