"""Setting a new password with a code, so that neither the answer nor its time tells who exists."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from attrs import field, frozen

from cognito_async.client import CognitoClient
from cognito_async.errors import CognitoError, InvalidPasswordException, PasswordHistoryPolicyViolationException
from cognito_async.fastapi.guards import admit_user
from cognito_async.fastapi.password_policy import PasswordPolicy
from cognito_async.fastapi.rate_limit import MemoryRateLimit, RateLimit
from cognito_async.fastapi.refusals import PasswordNotAcceptedError, WeakPasswordError
from cognito_async.operations import UserContextDataType
from cognito_async.protocol.settings import number

_LOG = logging.getLogger("cognito_async.fastapi")
SIGN_OUT_SECONDS: Final = 10.0


@frozen(kw_only=True, eq=False)
class ResetConfirmation:
    """Confirms password resets; make one for the application, since it counts.

    Attributes:
        password_policy: The pool's password policy, checked before the pool is asked, so that the answer says nothing
            about the user; then the pool's own refusal of a password looks like a wrong code. None to leave it to the
            pool.
        username_limit: Counts the attempts for each user name, real or not; by default 5 within 15 minutes.
        sign_out_elsewhere: Whether to end all sessions of the user after the reset, with AWS credentials.
        floor: The least time that an answer about a code takes, in seconds, so that time tells less about the user.
    """

    password_policy: PasswordPolicy | None = field(factory=PasswordPolicy)
    username_limit: RateLimit = field(factory=partial(MemoryRateLimit, 5, 900.0))
    sign_out_elsewhere: bool = False
    floor: float = field(default=0.5, validator=number(0))

    async def confirm(
        self,
        client: CognitoClient,
        *,
        username: str,
        code: str,
        password: str,
        user_context_data: UserContextDataType | None = None,
        client_metadata: Mapping[str, str] | None = None,
    ) -> bool | None:
        """Set a new password.

        Args:
            client: A client bound to the app client, and to the pool if sessions are to be ended.
            username: The user's name or alias, as typed; there need be no such user.
            code: The code that was sent.
            password: The new password.
            user_context_data: The user's address and device; None for none.
            client_metadata: What the pool's Lambda functions get; None for nothing.

        Returns:
            Whether the user's other sessions were ended; None where they are not to be.

        Raises:
            WeakPasswordError: The password breaks the policy; nobody was asked.
            RateLimitedError: There were too many attempts for this name; nobody was asked.
            PasswordNotAcceptedError: The pool refuses a password that keeps to the policy.
            CognitoError: Any other failure of ConfirmForgotPassword.
        """
        policy = self.password_policy
        broken = policy.broken_rules(password) if policy is not None else ()
        if broken:
            raise WeakPasswordError("the password breaks the policy", faults={"password": broken})
        await admit_user(self.username_limit, username)
        async with at_least(self.floor):
            try:
                await client.confirm_forgot_password(
                    username=username,
                    confirmation_code=code,
                    password=password,
                    user_context_data=user_context_data,
                    client_metadata=client_metadata,
                )
            except (InvalidPasswordException, PasswordHistoryPolicyViolationException):
                if policy is None:
                    raise
                _LOG.info("the pool refused a password that keeps to the policy: is the policy that of the pool?")
                raise PasswordNotAcceptedError("the pool refused the password") from None
        return await sign_out(client, username) if self.sign_out_elsewhere else None


@asynccontextmanager
async def at_least(seconds: float) -> AsyncGenerator[None]:
    """Let the block take no less time than given, also where it fails.

    Args:
        seconds: The least time in seconds.

    Yields:
        Nothing.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    try:
        yield
    except Exception:
        await asyncio.sleep(end - clock())
        raise
    await asyncio.sleep(end - clock())


async def sign_out(client: CognitoClient, username: str) -> bool:
    """End all sessions of a user whose password was changed.

    Args:
        client: A client bound to the pool.
        username: The user's name.

    Returns:
        Whether it worked. If not, it is logged: the password is changed, and no failure here may say otherwise.
    """
    try:
        async with asyncio.timeout(SIGN_OUT_SECONDS):
            await client.admin_user_global_sign_out(username=username)
    except Exception as error:  # noqa: BLE001 - see above
        name = (error.code if isinstance(error, CognitoError) else None) or type(error).__name__
        _LOG.error("a password was changed, but the user's other sessions were not ended: %s", name)
        return False
    return True
