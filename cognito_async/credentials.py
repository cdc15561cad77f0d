"""AWS credentials: explicit, from the environment, or found by botocore in a thread."""

import asyncio
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from cognito_async.errors import CredentialsError, ParameterValidationError, SessionClosedError
from cognito_async.protocol.shapes import MASK
from cognito_async.protocol.signing import Credentials

EXTRA = "pip install '.[aws]' in a checkout of cognito_async"
# botocore returns credentials that are valid for at least ten more minutes, so younger ones are used without waiting.
FRESH_SECONDS = 60.0
USABLE_SECONDS = 600.0
MAX_CAUSE_LENGTH = 500
# A secret access key (40 characters) or a session token, which a credential_process may print.
SECRET = re.compile(r"(?=\S*\d)(?=\S*[A-Z])(?=\S*[a-z])[\w/+=-]{40,}", re.ASCII)
VARIABLES = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
}


class CredentialsResolver:
    """Resolve credentials once for any number of callers, and refresh them in the background."""

    def __init__(
        self,
        given: Credentials | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        find: Callable[[], Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create a resolver; ``find`` returns botocore's credentials object and is called in a thread."""
        self._given = given
        self._environ = environ
        self._find = find or find_with_botocore
        self._clock = clock
        self._source: Any = None
        self._kept: Credentials | None = None
        self._kept_at = 0.0
        self._refresh: asyncio.Task[Credentials] | None = None

    def without_lookup(self) -> Credentials | None:
        """Return explicit credentials or those of the environment, without a lookup; None if there are none."""
        if self._given is not None:
            return self._given
        found, problem = _from_environment(self._environ)
        if problem:
            raise CredentialsError(problem)
        return found

    async def resolve(self) -> Credentials:
        """Return credentials that are valid now; raise CredentialsError if there are none."""
        without_lookup = self.without_lookup()
        if without_lookup is not None:
            return without_lookup
        age = self._clock() - self._kept_at
        if self._kept is not None and 0 <= age < USABLE_SECONDS:
            if age >= FRESH_SECONDS:
                self._start_refresh()
            return self._kept
        refresh = self._start_refresh()
        # asyncio.wait, because awaiting the task would cancel the shared lookup together with one of its callers.
        await asyncio.wait([refresh])
        if refresh.cancelled():
            raise SessionClosedError("the session was closed during the lookup of AWS credentials")
        return refresh.result()

    async def close(self) -> None:
        """Cancel a refresh in progress."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait([self._refresh])

    def _start_refresh(self) -> asyncio.Task[Credentials]:
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._look_up())
            # Retrieves the error, so that asyncio does not log it; the next caller tries again.
            self._refresh.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._refresh

    async def _look_up(self) -> Credentials:
        started = self._clock()
        found, problem = await asyncio.to_thread(self._ask_botocore)
        if found is None:
            raise CredentialsError(problem)
        self._kept = found
        self._kept_at = started
        return found

    def _ask_botocore(self) -> tuple[Credentials | None, str]:
        """Ask botocore, in a thread; its credentials object refreshes itself."""
        if self._source is None:
            self._source = self._find()
        try:
            return _from_botocore(self._source.get_frozen_credentials())
        except Exception as error:  # noqa: BLE001 - botocore's providers raise errors of many libraries
            failure, cause = _failed("the AWS credentials could not be refreshed", error), _bare(error)
        raise failure from cause  # raised here, so that its context is not the original error


def _from_environment(environ: Mapping[str, str]) -> tuple[Credentials | None, str]:
    """Return the credentials of the environment and the problem with them, to be raised from a frame without them."""
    key_id, secret, token = (environ.get(variable) or None for variable in VARIABLES.values())
    if key_id is None and secret is None:
        return None, ""
    if key_id is None or secret is None:
        absent, present = [*VARIABLES.values()][:2][:: -1 if key_id else 1]
        return None, f"{present} is set but {absent} is missing: set both or neither"
    try:
        return Credentials(access_key_id=key_id, secret_access_key=secret, session_token=token), ""
    except ParameterValidationError as error:
        return None, f"{VARIABLES[error.parameter]} in the environment {error.rule}"


def _from_botocore(frozen: Any) -> tuple[Credentials | None, str]:
    """Convert botocore's credentials; return the problem with them as ``_from_environment`` does."""
    try:
        keys = Credentials(
            access_key_id=frozen.access_key, secret_access_key=frozen.secret_key, session_token=frozen.token or None
        )
    except ParameterValidationError as error:
        return None, f"the AWS credentials that botocore found are invalid: {error.parameter} {error.rule}"
    return keys, ""


def find_with_botocore() -> Any:
    """Search the places that boto3 searches: files, profiles, SSO, roles, containers, instances."""
    searched = "searched the session's credentials= and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
    try:
        from botocore.session import Session  # noqa: PLC0415 - an optional extra, and slow to import
    except ImportError as error:
        raise CredentialsError(
            f"no AWS credentials: {searched}. For profiles, SSO, assume-role, web identity, container and instance "
            f"credentials install the extra: {EXTRA}"
        ) from error
    try:
        session: Any = Session()
        found = session.get_credentials()
    except Exception as error:  # noqa: BLE001 - botocore's providers raise errors of many libraries
        failure, cause = _failed("the AWS credentials could not be looked up", error), _bare(error)
    else:
        if found is not None:
            return found
        cause = None
        failure = CredentialsError(
            f"no AWS credentials: {searched}, then, with botocore, AWS_PROFILE and the shared credentials and config "
            "files (assume-role, web identity, SSO, process), the container endpoint and the instance metadata service"
        )
    raise failure from cause  # raised here, so that its context is not the original error


def _failed(problem: str, error: Exception) -> CredentialsError:
    """Quote botocore's own errors; others, such as a JSON decoder's, may quote the data."""
    text = SECRET.sub(MASK, " ".join(str(error).split()))[:MAX_CAUSE_LENGTH] if _is_botocore(error) else ""
    return CredentialsError(f"{problem}: {type(error).__name__}{text and f': {text}'}")


def _bare(error: Exception) -> Exception | None:
    """Strip an error to its message: the frames of botocore, and the errors that it handled, contain secrets."""
    if (not _is_botocore(error) and not isinstance(error, OSError)) or SECRET.search(str(error)):
        return None
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _is_botocore(error: Exception) -> bool:
    return type(error).__module__ == "botocore.exceptions"
