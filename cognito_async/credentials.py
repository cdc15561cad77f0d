"""AWS credentials for signed operations: given, from the environment, or found by botocore off the event loop."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from cognito_async.errors import CredentialsError, SessionClosedError
from cognito_async.protocol.signing import Credentials

EXTRA = "pip install 'cognito_async[aws]'"
# botocore hands out credentials that are good for at least ten minutes more, so up to that age they need no waiting.
FRESH_SECONDS = 60.0
USABLE_SECONDS = 600.0


class CredentialsResolver:
    """Finds credentials once for any number of callers and keeps them fresh without stopping those callers."""

    def __init__(
        self,
        given: Credentials | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        find: Callable[[], Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take what was given; nothing is looked up yet.

        Args:
            given: Explicit credentials; None to look them up.
            environ: The environment.
            find: Looks up botocore's credentials object, in a thread; None for botocore's own chain.
            clock: The time in seconds.
        """
        self._given = given
        self._environ = environ
        self._find = find or find_with_botocore
        self._clock = clock
        self._source: Any = None
        self._kept: Credentials | None = None
        self._kept_at = 0.0
        self._refresh: asyncio.Task[Credentials] | None = None

    def at_hand(self) -> Credentials | None:
        """Give explicit credentials or the environment's, without any look-up; None if there are none.

        Raises:
            CredentialsError: The environment holds one half of a pair.
        """
        return self._given or from_environment(self._environ)

    async def resolve(self) -> Credentials:
        """Give credentials that are valid now.

        Raises:
            CredentialsError: None were found; the text names each place looked at.
        """
        at_hand = self.at_hand()
        if at_hand is not None:
            return at_hand
        age = self._clock() - self._kept_at
        if self._kept is None or not 0 <= age < USABLE_SECONDS:
            return await self._refreshed()
        if age >= FRESH_SECONDS:
            self._refreshing()
        return self._kept

    async def close(self) -> None:
        """End a refresh that is under way."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait([self._refresh])

    async def _refreshed(self) -> Credentials:
        refresh = self._refreshing()
        # Waited for and not awaited: one caller that is cancelled must not take the look-up away from the others.
        await asyncio.wait([refresh])
        if refresh.cancelled():
            raise SessionClosedError("the session was closed while it looked for AWS credentials")
        return refresh.result()

    def _refreshing(self) -> asyncio.Task[Credentials]:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._look_up())
            self._refresh.add_done_callback(_retrieve)
        return self._refresh

    async def _look_up(self) -> Credentials:
        started = self._clock()
        frozen = await asyncio.to_thread(self._frozen)
        self._kept = Credentials(
            access_key_id=frozen.access_key, secret_access_key=frozen.secret_key, session_token=frozen.token or None
        )
        self._kept_at = started
        return self._kept

    def _frozen(self) -> Any:
        """Ask botocore, in a thread; its own object refreshes itself when it is asked in time."""
        if self._source is None:
            self._source = self._find()
        try:
            return self._source.get_frozen_credentials()
        except Exception as error:
            raise CredentialsError(f"the AWS credentials could not be refreshed: {type(error).__name__}") from error


def _retrieve(task: asyncio.Task[Credentials]) -> None:
    """Look at a refresh that nobody waits for, so that asyncio does not complain; the next caller tries again."""
    if not task.cancelled():
        task.exception()


def from_environment(environ: Mapping[str, str]) -> Credentials | None:
    """Read AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.

    Returns:
        The credentials; None if neither key is set.

    Raises:
        CredentialsError: One of the two keys is missing.
    """
    key_id, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if not key_id and not secret:
        return None
    if not key_id or not secret:
        missing = "AWS_SECRET_ACCESS_KEY" if key_id else "AWS_ACCESS_KEY_ID"
        raise CredentialsError(f"the environment holds one half of the AWS credentials: {missing} is missing")
    token = environ.get("AWS_SESSION_TOKEN") or None
    return Credentials(access_key_id=key_id, secret_access_key=secret, session_token=token)


def find_with_botocore() -> Any:
    """Look through the places that boto3 looks at: files, profiles, SSO, roles, containers, instances.

    Returns:
        botocore's credentials object.

    Raises:
        CredentialsError: botocore is not installed, or it found none.
    """
    looked = (
        "looked at the session's credentials= and at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
    )
    try:
        from botocore.session import Session  # noqa: PLC0415 - an optional extra, and slow to import
    except ImportError as error:
        raise CredentialsError(
            f"no AWS credentials: {looked}. For profiles, SSO, assume-role, web identity, container and instance "
            f"credentials install the extra: {EXTRA}"
        ) from error
    try:
        session: Any = Session()
        found = session.get_credentials()
    except Exception as error:
        raise CredentialsError(f"the AWS credentials could not be looked up: {type(error).__name__}") from error
    if found is None:
        raise CredentialsError(
            f"no AWS credentials: {looked}, then, with botocore, at AWS_PROFILE and the shared credentials and config "
            "files (assume-role, web identity, SSO, process), the container endpoint and the instance metadata service"
        )
    return found
