"""The password policy of a user pool, checked before Cognito is called.

A pool that checks the policy only for existing users would reveal them; this check is the same for all usernames.
"""

import re
from typing import Final, Self

from attrs import field, frozen

from cognito_async.client import CognitoClient
from cognito_async.operations import PasswordPolicyType
from cognito_async.protocol.validators import number

_DEFAULT_LENGTH: Final = 8
# As the service defines them: ASCII letters, these symbols, and ASCII whitespace.
_SYMBOL: Final = r"""[\^$*.\[\]\{\}\(\)?\-"!@#%&\/\\,><':;\|_~`+= ]"""
_WHITESPACE: Final = r"[ \t\n\v\f\r]"
_REQUIRED: Final = (
    ("require_lowercase", "a lowercase letter (a to z)", "[a-z]"),
    ("require_uppercase", "an uppercase letter (A to Z)", "[A-Z]"),
    ("require_numbers", "a digit", "[0-9]"),
    ("require_symbols", "a symbol (such as ! or -)", _SYMBOL),
)


@frozen
class PasswordRule:
    """A rule of a password policy."""

    text: str
    """The rule as it follows "must have"."""

    pattern: str
    """A regular expression for Python and JavaScript (flag ``u`` or ``v``), found in every valid password."""

    def matches(self, password: str) -> bool:
        """Return whether a password meets the rule."""
        return re.search(self.pattern, password) is not None


@frozen(kw_only=True)
class PasswordPolicy:
    """The requirements for new passwords. Use the policy of your pool; the defaults are those of a new pool."""

    minimum_length: int = field(default=_DEFAULT_LENGTH, validator=number(6))
    """The minimum length in characters. The service does not accept less than 6."""

    require_lowercase: bool = True
    require_uppercase: bool = True
    require_numbers: bool = True
    require_symbols: bool = True

    @classmethod
    async def from_pool(cls, client: CognitoClient) -> Self:
        """Read the policy of the pool that a client is bound to; the default policy if it has none.

        This needs AWS credentials with the permission ``cognito-idp:DescribeUserPool``.

        Raises:
            CognitoError: The call failed, see ``CognitoClient.describe_user_pool``.
        """
        pool = (await client.describe_user_pool()).user_pool
        policy = pool and pool.policies and pool.policies.password_policy
        return cls.from_type(policy) if policy else cls()

    @classmethod
    def from_type(cls, policy: PasswordPolicyType) -> Self:
        """Convert the policy in a response of the service. Members that are None are not required."""
        return cls(
            minimum_length=policy.minimum_length or _DEFAULT_LENGTH,
            **{name: bool(getattr(policy, name)) for name, _, _ in _REQUIRED},
        )

    @property
    def rules(self) -> tuple[PasswordRule, ...]:
        """The rules of this policy."""
        return (
            PasswordRule(f"at least {self.minimum_length} characters", rf"[\s\S]{{{self.minimum_length}}}"),
            *(PasswordRule(text, pattern) for name, text, pattern in _REQUIRED if getattr(self, name)),
            # Python and JavaScript have no common anchor for the end of the text, hence the lookahead.
            PasswordRule(
                "no whitespace at the beginning or end", rf"^(?!{_WHITESPACE}|[\s\S]*{_WHITESPACE}(?![\s\S]))"
            ),
        )

    def broken_rules(self, password: str) -> tuple[str, ...]:
        """Return the rules that a password breaks, such as ``"must have a digit"``."""
        return tuple(f"must have {rule.text}" for rule in self.rules if not rule.matches(password))
