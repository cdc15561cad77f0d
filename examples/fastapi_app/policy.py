"""The pool's password policy: asked for when the site starts, and shown as hints that tick while you type."""

import logging
from collections.abc import Sequence

from attrs import frozen

from cognito_async import CognitoClient, CognitoError, Timeouts
from cognito_async.fastapi import PasswordPolicy

_LOG = logging.getLogger("fastapi_app")
_PATIENCE = Timeouts(total=5.0)
_DEFAULT = PasswordPolicy()


@frozen(kw_only=True)
class Hint:
    """A rule for passwords.

    Attributes:
        text: The rule in words.
        pattern: What a password that keeps it matches somewhere; Python and JavaScript read it alike.
    """

    text: str
    pattern: str


async def read_policy(client: CognitoClient) -> PasswordPolicy:
    """Ask the pool for its policy, which needs AWS credentials.

    Args:
        client: A client bound to the pool; it may lack the pool's id.

    Returns:
        The policy; that of a new pool where this one can't be asked. Then the pool may refuse what the hints allow, and
        visitors are told so.
    """
    try:
        answer = await client.with_options(timeouts=_PATIENCE).describe_user_pool()
    except CognitoError as error:
        # A site that resets passwords needs no credentials: that there are none is no reason to stop.
        _LOG.warning("the password policy can't be read, the default is used: %s", error.code or type(error).__name__)
        return _DEFAULT
    policies = answer.user_pool and answer.user_pool.policies
    told = policies and policies.password_policy
    if not told:
        return _DEFAULT
    return PasswordPolicy(
        minimum_length=told.minimum_length or _DEFAULT.minimum_length,
        require_lowercase=bool(told.require_lowercase),
        require_uppercase=bool(told.require_uppercase),
        require_numbers=bool(told.require_numbers),
        require_symbols=bool(told.require_symbols),
    )


def hints_of(policy: PasswordPolicy) -> Sequence[Hint]:
    """Put a policy into hints.

    Args:
        policy: The policy.

    Returns:
        A hint for each rule.
    """
    hints = (
        (True, Hint(text=f"At least {policy.minimum_length} characters", pattern=f".{{{policy.minimum_length}}}")),
        (policy.require_lowercase, Hint(text="A lower-case letter", pattern="[a-z]")),
        (policy.require_uppercase, Hint(text="An upper-case letter", pattern="[A-Z]")),
        (policy.require_numbers, Hint(text="A digit", pattern="[0-9]")),
        (policy.require_symbols, Hint(text="A symbol, such as ! or -", pattern=_SYMBOL)),
    )
    return tuple(hint for needed, hint in hints if needed)


_SYMBOL = r"""[\^$*.\[\]{}()?\-"!@#%&\/\\,><':;|_~`+= ]"""
