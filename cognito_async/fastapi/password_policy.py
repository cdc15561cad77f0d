"""A user pool's password policy, checked before the pool is asked, and the same for everybody.

Were the check left to the pool, and did the pool check only for users that exist, its answer would tell who does.
"""

import re
from typing import Final, Self

from attrs import field, frozen

from cognito_async.client import CognitoClient
from cognito_async.operations import PasswordPolicyType
from cognito_async.protocol.settings import number

_LENGTH: Final = 8
# The service's own: letters without accents, this list of symbols, and what its pattern for passwords takes for blank.
_SYMBOL: Final = r"""[\^$*.\[\]\{\}\(\)?\-"!@#%&\/\\,><':;\|_~`+= ]"""
_BLANK: Final = r"[ \t\n\v\f\r]"
_REQUIRED: Final = (
    ("require_lowercase", "a lower-case letter (a to z)", "[a-z]"),
    ("require_uppercase", "an upper-case letter (A to Z)", "[A-Z]"),
    ("require_numbers", "a digit", "[0-9]"),
    ("require_symbols", "a symbol (such as ! or -)", _SYMBOL),
)


@frozen
class PasswordRule:
    """Something that a password must have.

    Attributes:
        text: What it is, as it stands behind "must have".
        pattern: A regular expression that finds something in each password that has it. Python reads it, and so does
            JavaScript with the flag ``u`` or ``v``, for hints that tick while a password is typed.
    """

    text: str
    pattern: str

    def is_kept(self, password: str) -> bool:
        """Tell whether a password keeps the rule."""
        return re.search(self.pattern, password) is not None


@frozen(kw_only=True)
class PasswordPolicy:
    """The rules for new passwords; the defaults are those of a new user pool. Give the same as your pool has.

    Attributes:
        minimum_length: The least length in characters, at least 6, as the service has it.
        require_lowercase: Whether one of a to z is needed.
        require_uppercase: Whether one of A to Z is needed.
        require_numbers: Whether a digit is needed.
        require_symbols: Whether a symbol is needed.
    """

    minimum_length: int = field(default=_LENGTH, validator=number(6))
    require_lowercase: bool = True
    require_uppercase: bool = True
    require_numbers: bool = True
    require_symbols: bool = True

    @classmethod
    async def from_pool(cls, client: CognitoClient) -> Self:
        """Ask the pool for its policy, with DescribeUserPool.

        Args:
            client: A client bound to the pool. The operation is signed: it needs AWS credentials that allow
                ``cognito-idp:DescribeUserPool``.

        Returns:
            The policy; the default one if the pool tells none.

        Raises:
            CognitoError: The pool can't be asked, see ``CognitoClient.describe_user_pool``.
        """
        answer = await client.describe_user_pool()
        policies = answer.user_pool and answer.user_pool.policies
        told = policies and policies.password_policy
        return cls.of(told) if told else cls()

    @classmethod
    def of(cls, told: PasswordPolicyType) -> Self:
        """Take the policy as the service tells it.

        Args:
            told: A part of the answer to DescribeUserPool; what is not in it is not required.

        Returns:
            The policy.
        """
        return cls(
            minimum_length=told.minimum_length or _LENGTH,
            require_lowercase=bool(told.require_lowercase),
            require_uppercase=bool(told.require_uppercase),
            require_numbers=bool(told.require_numbers),
            require_symbols=bool(told.require_symbols),
        )

    @property
    def rules(self) -> tuple[PasswordRule, ...]:
        """All that a password must have."""
        return (
            PasswordRule(f"at least {self.minimum_length} characters", rf"[\s\S]{{{self.minimum_length}}}"),
            *(PasswordRule(text, pattern) for name, text, pattern in _REQUIRED if getattr(self, name)),
            # Neither reads the other's sign for "the very end", hence "nothing follows".
            PasswordRule("no blank at the beginning or end", rf"^(?!{_BLANK}|[\s\S]*{_BLANK}(?![\s\S]))"),
        )

    def broken_rules(self, password: str) -> tuple[str, ...]:
        """Name the rules that a password breaks.

        Args:
            password: The password.

        Returns:
            The rules, as sentences without a subject; empty if it breaks none.
        """
        return tuple(f"must have {rule.text}" for rule in self.rules if not rule.is_kept(password))
