"""A user pool's password policy, checked before the pool is asked, and the same for everybody.

Were the check left to the pool, and did the pool check only for users that exist, its answer would tell who does.
"""

import re

from attrs import field, frozen

from cognito_async.protocol.settings import number

# The classes are those of the service: letters without accents, and this list of symbols.
_LOWERCASE = re.compile(r"[a-z]")
_UPPERCASE = re.compile(r"[A-Z]")
_NUMBER = re.compile(r"[0-9]")
_SYMBOL = re.compile(r"""[\^$*.\[\]{}()?\-"!@#%&/\\,><':;|_~`+= ]""")


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

    minimum_length: int = field(default=8, validator=number(6))
    require_lowercase: bool = True
    require_uppercase: bool = True
    require_numbers: bool = True
    require_symbols: bool = True

    def broken_rules(self, password: str) -> tuple[str, ...]:
        """Name the rules that a password breaks.

        Args:
            password: The password.

        Returns:
            The rules, as sentences without a subject; empty if it breaks none.
        """
        needed = (
            (len(password) >= self.minimum_length, f"must have at least {self.minimum_length} characters"),
            (not self.require_lowercase or _LOWERCASE.search(password), "must have a lower-case letter (a to z)"),
            (not self.require_uppercase or _UPPERCASE.search(password), "must have an upper-case letter (A to Z)"),
            (not self.require_numbers or _NUMBER.search(password), "must have a digit"),
            (password == password.strip(), "must not begin or end with a blank"),
            (not self.require_symbols or _SYMBOL.search(password), "must have a symbol, such as ! or -"),
        )
        return tuple(rule for met, rule in needed if not met)
