"""Secrets by name: in the generator, for members that its tables lack, and at run time, for free-form JSON."""

import re

_ANYWHERE = re.compile(r"api_?key|credential|jwt|passcode|passphrase|passwd|password|private_?key|pwd|secret|token")
_WORDS = frozenset(
    {
        *("answer", "assertion", "code", "codes", "cookie", "cookies", "hash", "key", "keys", "otp", "pin", "proof"),
        *("salt", "session", "signature", "totp", "verifier"),
    }
)
# Names such as ClientSecretArn, TokenType and PasswordPolicy describe a secret and do not contain it.
_DESCRIPTIONS = frozenset(
    {
        *("algorithm", "arn", "config", "configuration", "count", "date", "details", "duration", "enabled", "id"),
        *("ids", "length", "mode", "name", "names", "period", "policy", "rotation", "setting", "settings", "state"),
        *("status", "time", "timestamp", "type", "types", "units", "validity", "version"),
    }
)
_PAGE_TOKENS = frozenset({"nexttoken", "paginationtoken"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_secret_name(name: str) -> bool:
    """Return whether a member or key, such as ``SMS_MFA_CODE`` or ``private_key``, probably holds a secret."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _DESCRIPTIONS or "".join(words) in _PAGE_TOKENS:
        return False
    return not _WORDS.isdisjoint(words) or _ANYWHERE.search("_".join(words)) is not None
