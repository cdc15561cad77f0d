"""The filter expressions of ListUsers."""

import re

SEARCHABLE_ATTRIBUTES = (
    *("username", "email", "phone_number", "name", "given_name", "family_name", "preferred_username"),
    *("cognito:user_status", "status", "sub"),
)

_FILTER = re.compile(r'\s*([^\s"=^]+)\s*\^?=\s*"(?:[^"\\]|\\.)*"\s*', re.DOTALL)


def broken_filter(text: str) -> str | None:
    """Return the rule that a filter breaks, if any.

    See https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_ListUsers.html. Only what that
    page excludes is invalid.
    """
    if not text.strip():
        return None
    match = _FILTER.fullmatch(text)
    if match is None:
        return (
            'must have the form: attribute = "value", or attribute ^= "prefix"; '
            'put the value in double quotes, and write \\" for a quote in it'
        )
    if match[1].lower() not in SEARCHABLE_ATTRIBUTES:
        return f"must search for one of {', '.join(SEARCHABLE_ATTRIBUTES)}; other attributes are not searchable"
    return None
