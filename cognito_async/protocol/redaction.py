"""Masking of secrets that the service's messages repeat, such as "Value '123 456' at 'confirmationCode' …".

Only passwords, codes, tokens, hashes and the like are masked: messages make no sense without names and attributes.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (walks values of any type)

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cognito_async.operations.facts import SECRET_MEMBERS
from cognito_async.protocol.operation import Request
from cognito_async.protocol.secret_names import is_secret_name
from cognito_async.protocol.shapes import MASK, Structure, members

# Members marked secret, and keys of their maps, that hold personal data or settings. Everything else that is marked
# secret is masked, so new members and keys are masked until they are listed here.
NOT_MASKED = frozenset(
    {
        # Members of requests
        *("AnalyticsEndpointId", "ClientId", "ClientMetadata", "Filter", "IpAddress"),
        *("ProviderAttributeValue", "ServerName", "ServerPath", "Username", "Value", "headerName"),
        # Keys of AuthParameters and ChallengeResponses
        *("AUTH_FLOW", "CHALLENGE_NAME", "DEVICE_NAME", "PREFERRED_CHALLENGE", "TIMESTAMP", "USERNAME"),
        *("USER_ID_FOR_SRP", "requiredAttributes", "userAttributes"),
        # Keys of ProviderDetails
        *("IDPInit", "IDPSignout", "MetadataFile", "MetadataURL", "api_version", "attributes_request_method"),
        *("attributes_url", "attributes_url_add_attributes", "authorize_scopes", "authorize_url", "client_id"),
        *("jwks_uri", "key_id", "oidc_issuer", "team_id", "token_url"),
        # Keys of a passkey's Credential
        *("authenticatorAttachment", "transports", "type"),
    }
)
# ANSWER is a secret in custom challenges, but in SELECT_CHALLENGE and SELECT_MFA_TYPE it is one of these.
_CHOICES = frozenset({"EMAIL_OTP", "PASSWORD", "PASSWORD_SRP", "SMS_MFA", "SMS_OTP", "SOFTWARE_TOKEN_MFA", "WEB_AUTHN"})
_SECRET_HEADER = re.compile(r"auth|cookie|credential|key|password|secret|session|token", re.IGNORECASE)
_JSON_WORDS = frozenset({"true", "false", "null"})
_PLAIN = re.compile(r"[A-Za-z0-9]+")
_SHORT = 4
_ENTITIES = {'"': "quot", "&": "amp", "'": "apos", "<": "lt", ">": "gt"}
_CONTROLS = dict(zip("\b\f\n\r\t", "bfnrt", strict=True))


def redact(text: str, request: Request[Any], others: Iterable[str] = ()) -> str:
    """Mask the secrets of a request, and others, in a text: plain, escaped, URL-encoded or base64."""
    found = (*_secrets(request), *_secrets(request.extra, by_name=True), *others)
    secrets = {secret.strip() for secret in found} - _JSON_WORDS - {""}
    for secret in sorted(secrets, key=len, reverse=True):  # longest first: a secret may contain another one
        for encoded in _base64(secret):
            text = text.replace(encoded, MASK)
        if all(part in text for part in _PLAIN.findall(secret)):  # no encoding changes these parts
            text = re.sub(_pattern(secret), MASK, text)
    return text


def _secrets(value: object, *, by_name: bool = False, secret: bool = False) -> Iterator[str]:
    """Yield the secrets of a value: all that secret members hold or, in free-form JSON, secret names stand for."""
    if isinstance(value, Structure | Mapping):
        for name, element, is_marked in _entries(value):
            if name not in NOT_MASKED:
                is_named = by_name and (name in SECRET_MEMBERS or is_secret_name(name))
                yield from _secrets(element, by_name=by_name, secret=secret or is_marked or is_named)
    elif isinstance(value, list | tuple):
        for element in value:
            yield from _secrets(element, by_name=by_name, secret=secret)
    elif secret and isinstance(value, str):
        yield value
    elif secret and by_name and isinstance(value, int | float):
        yield str(value).lower() if isinstance(value, bool) else str(value)


def _entries(value: object) -> Iterator[tuple[str, object, bool]]:
    """Yield the name and value of each member or key, and whether it is marked secret."""
    if isinstance(value, Structure):
        for name, about in members(type(value)):
            if about.wire_name != "headerValue" or _SECRET_HEADER.search(getattr(value, "header_name", None) or ""):
                yield about.wire_name, getattr(value, name), about.secret
    elif isinstance(value, Mapping):
        for key, element in value.items():
            if key != "ANSWER" or element not in _CHOICES:
                yield str(key).partition(".")[0], element, False  # userAttributes.email is one of userAttributes


def _base64(secret: str) -> list[str]:
    content = secret.encode(errors="surrogatepass")
    encoded = {encode(content).decode().rstrip("=") for encode in (b64encode, urlsafe_b64encode)}
    return [text for text in encoded if len(text) >= 2 * _SHORT]


def _pattern(secret: str) -> str:
    """Return a regular expression for a secret; words, numbers and short secrets only match as a whole."""
    pattern = "".join(map(_spellings, secret))
    if len(secret) < _SHORT:
        # A secret is a string: a bare number in JSON, or a part of a decimal, is something else.
        before, after = (r"(?<!\d[.,:])(?<!\":)(?<!\": )", r"(?![.,:]?\d)") if secret.isdigit() else ("", "")
        return rf"(?<!\w){before}{pattern}{after}(?!\w)"
    if not all(map(_is_ordinary, secret.split())):
        return pattern
    return rf"(?<!{_same_kind(secret[0])})(?:{pattern})+(?!{_same_kind(secret[-1])})"


def _is_ordinary(word: str) -> bool:
    return word.isdigit() or (word.isalpha() and word in {word.lower(), word.upper(), word.capitalize()})


def _same_kind(character: str) -> str:
    return r"\d" if character.isdigit() else r"[^\W\d_]"


def _spellings(character: str) -> str:
    """Return a regular expression for a character, plain or escaped by JSON, HTML or URL encoding at any depth."""
    if character.isascii() and character.isalnum():
        return character
    utf_16, utf_8 = character.encode("utf-16-be", "surrogatepass"), character.encode(errors="surrogatepass")
    units = [utf_16[start : start + 2].hex() for start in range(0, len(utf_16), 2)]
    escapes = [
        "".join(rf"\\+u{unit}" for unit in units),
        "".join(f"%(?:25)*{byte:02x}" for byte in utf_8),
        f"&#(?:{ord(character)}|x{ord(character):x});",
    ]
    if character in _ENTITIES:
        escapes.append(f"&{_ENTITIES[character]};")
    if character in _CONTROLS:
        escapes.append(rf"\\+{_CONTROLS[character]}")
    if character == " ":
        escapes.append(r"\+")
    return rf"(?:\\*{re.escape(character)}|(?i:{'|'.join(escapes)}))"
