"""Secrets are masked in the service's messages, as whole values; everything else is kept."""

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_async import operations as ops
from cognito_async.protocol.operation import Operation, RawRequest, Request
from cognito_async.protocol.redaction import redact

POOL = "eu-west-1_AbC"


def sign_up(**values: Any) -> Request[Any]:
    """Return a SignUp request."""
    return ops.SignUpRequest(client_id="abc", username="ada", password="Long-Enough-1!", **values)


def confirm(code: str = "123456", password: str = "Long-Enough-1!") -> Request[Any]:
    """Return a ConfirmForgotPassword request."""
    return ops.ConfirmForgotPasswordRequest(
        client_id="abc", username="ada", confirmation_code=code, password=password, secret_hash="Zm9v/YmFy+g=="
    )


def answer(**responses: str) -> Request[Any]:
    """Return a response to a custom challenge."""
    return ops.RespondToAuthChallengeRequest(
        client_id="abc", challenge_name="CUSTOM_CHALLENGE", challenge_responses=responses, session="s" * 20
    )


# --- kept ---


@pytest.mark.parametrize("value", ["1", "42", "5.5", "true", "null", "team", "es", "email", "{}", "PreSignUp", "a"])
@pytest.mark.parametrize(
    "message",
    [
        'PreSignUp failed with error {"code":1,"retry":false,"team":null,"es":[1, 42, 5.5],"a":{}}.',
        "PreSignUp failed with error the steam room is full: true, null, es, email, team 42.",
    ],
)
def test_attributes_and_metadata_are_kept(value: str, message: str) -> None:
    """They give no access."""
    attributes = [ops.AttributeType(name="custom:plan", value=value)]
    for request in (
        sign_up(user_attributes=attributes, validation_data=attributes, client_metadata={"key": value}),
        ops.AdminCreateUserRequest(user_pool_id=POOL, username=value, user_attributes=attributes),
        ops.ForgotPasswordRequest(client_id=value, username=value, client_metadata={value: value}),
        ops.ListUsersRequest(user_pool_id=POOL, filter=value),
    ):
        assert redact(message, request) == message


def test_names_and_addresses_are_kept() -> None:
    """User names, client IDs, addresses and analytics IDs can be read in messages."""
    request = ops.InitiateAuthRequest(
        client_id="1example23456789",
        auth_flow="USER_AUTH",
        auth_parameters={"USERNAME": "ada@example.com", "PREFERRED_CHALLENGE": "EMAIL_OTP", "PASSWORD": "hunter22"},
        analytics_metadata=ops.AnalyticsMetadataType(analytics_endpoint_id="endpoint-1"),
        user_context_data=ops.UserContextDataType(ip_address="203.0.113.7", encoded_data="fingerprint"),
    )
    kept = "1example23456789 ada@example.com EMAIL_OTP endpoint-1 203.0.113.7"
    assert redact(f"{kept} hunter22 fingerprint", request) == f"{kept} *** ***"


def test_new_attributes_and_choices_are_kept() -> None:
    """Attributes of NEW_PASSWORD_REQUIRED and the choice of SELECT_CHALLENGE are kept, the password is masked."""
    request = answer(USERNAME="ada", NEW_PASSWORD="hunter22", **{"userAttributes.given_name": "password"})
    assert redact("password hunter22 ada", request) == "password *** ada"
    assert redact("PASSWORD_SRP is not available", answer(ANSWER="PASSWORD_SRP")) == "PASSWORD_SRP is not available"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("team", "the steam room, teams, Team"),
        ("12", "in 2012, 123, 12.5, 1.12, 12:30, EC12"),
        ("5", '{"attempts":5,"left": 5,"max":15}'),
        ("123456", "91234567 1234560"),
        ("true", '{"blocked":true} is true'),
        ("null", '{"blocked":null}'),
        ("correct horse", "incorrect horses"),
        ("a", "an error, as always"),
        ("TEAM", "STEAM TEAMS"),
        ("1 abc", "21 abc"),
        ("abc 1", "abc 12"),
        ("7", base64.b64encode(b"7").decode()),
    ],
)
def test_parts_of_words_and_numbers_are_kept(code: str, message: str) -> None:
    """A code that is an ordinary word or number is only masked as a whole value."""
    assert redact(message, confirm(code)) == message
    assert redact(message, answer(ANSWER=code)) == message


# --- masked ---


@pytest.mark.parametrize(
    ("code", "message", "masked"),
    [
        ("123456", "code 123456 is wrong", "code *** is wrong"),
        ("123456", '{"code":123456,"retry":false}', '{"code":***,"retry":false}'),
        ("123456", "otp_123456, Code123456", "otp_***, Code***"),
        ("123456", "123456123456", "***"),
        ("7", "'7', (7), 7; 7", "'***', (***), ***; ***"),
        ("42", "42", "***"),
        ("team", "team? 'team' team_1", "***? '***' ***_1"),
        ("123 456", "Value '123 456' at", "Value '***' at"),
        ("aZ9", "got aZ9.", "got ***."),
        ("aZ9", '{"code":aZ9}', '{"code":***}'),
        (" 123456 ", "code '123456'", "code '***'"),
        ("日本語", "'日本語'", "'***'"),
        ("a\\d+", "a\\d+ aad", "*** aad"),
        ("p\ud800q-1", "'p\ud800q-1'", "'***'"),
        ("123456", base64.b64encode(b"123456").decode(), "***"),
        ("hunter-2W", base64.b64encode(b"hunter-2W").decode(), "***"),
        (" ", "is ' ' empty?", "is ' ' empty?"),
        ("", "is '' empty?", "is '' empty?"),
    ],
)
def test_codes_are_masked_as_whole_values(code: str, message: str, masked: str) -> None:
    """Numeric and short codes are masked where they stand alone."""
    assert redact(message, confirm(code)) == masked


def test_secrets_within_secrets_are_masked() -> None:
    """The longer one is masked first, so that no part of it remains."""
    assert redact("hunter2 is mine, hunter2", confirm("hunter2", "hunter2 is mine")) == "***, ***"
    assert redact("my hunter2, hunter2", confirm("my hunter2", "hunter2")) == "***, ***"
    assert redact("a hunter2, hunter2", confirm("hunter2", "a hunter2")) == "***, ***"


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "quoted": lambda secret: f"'{secret}'",
    "within other text": lambda secret: f"x{secret}y",
    "twice": lambda secret: secret * 2,
    "JSON": json.dumps,
    "JSON in UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False),
    "JSON within JSON": lambda secret: json.dumps(json.dumps({"password": secret})),
    "JSON at depth 4": lambda secret: json.dumps(json.dumps(json.dumps(json.dumps([secret])))),
    "JSON for HTML": lambda secret: json.dumps(secret).replace("=", "\\u003d").replace("&", "\\U0026".lower()),
    "JSON with slashes": lambda secret: json.dumps(secret).replace("/", "\\/"),
    "JSON in upper case": lambda secret: json.dumps(secret).replace("\\u00e4", "\\u00E4"),
    "URL": lambda secret: quote(secret, safe=""),
    "form": quote_plus,
    "URL, lower case": lambda secret: quote(secret, safe="").lower() if secret.islower() else quote(secret),
    "URL in URL": lambda secret: quote(quote(secret, safe=""), safe=""),
    "HTML": html.escape,
    "Python": repr,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
}
SECRETS = (
    "hunter2-hunter2",
    "with \"quotes\" & 'more' <tags>",
    "tab\tnew\nline\\back/slash",
    "pässwörd ☃ 😀",
    "a=b&c=d+e%20f",
    "Zm9v/YmFy+g==",
    "eyJraWQiOiJ4In0.eyJzdWIiOiJhIn0.c2lnbmF0dXJl",
)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_masked_in_any_spelling(secret: str, spelling: Callable[[str], str]) -> None:
    """No characteristic part of the secret is left in any encoding."""
    masked = redact(f"before {spelling(secret)} after", confirm(password=secret))
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert "***" in masked
    longest = max(secret.replace("\\", "/").split("/"), key=len)
    for part in (longest, longest[:8], longest[-8:]):
        assert part not in masked
        assert spelling(part).strip("'\"[]{}\\") not in masked


@given(secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40).filter(lambda s: s.strip()))
def test_any_quoted_password_is_masked(secret: str) -> None:
    """Passwords of any characters are masked, plain and as JSON."""
    word = secret.strip()
    ordinary = word in {"true", "false", "null"}
    for text in (word, json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]):
        assert redact(f'"{text}"', confirm("000000", secret)) == ('"***"' if not ordinary else f'"{text}"')


VALUE = "Xk4-secret-Xk4"


@pytest.mark.parametrize(
    "request_",
    [
        ops.ChangePasswordRequest(access_token=VALUE, previous_password="a-old-1", proposed_password="a-new-1"),
        ops.ChangePasswordRequest(access_token="t", previous_password="a-old-1", proposed_password=VALUE),
        ops.ConfirmSignUpRequest(client_id="abc", username="ada", confirmation_code="1", session=VALUE),
        ops.VerifySoftwareTokenRequest(access_token=VALUE, user_code="123456"),
        ops.RevokeTokenRequest(token=VALUE, client_id="abc"),
        ops.RevokeTokenRequest(token="t", client_id="abc", client_secret=VALUE),
        ops.AdminCreateUserRequest(user_pool_id=POOL, username="ada", temporary_password=VALUE),
        ops.ConfirmDeviceRequest(
            access_token="t",
            device_key="k",
            device_secret_verifier_config=ops.DeviceSecretVerifierConfigType(password_verifier=VALUE, salt="salt-1"),
        ),
        ops.CompleteWebAuthnRegistrationRequest(access_token="t", credential={"response": {"deep": [VALUE]}}),
        ops.CreateIdentityProviderRequest(
            user_pool_id=POOL, provider_name="p", provider_type="OIDC", provider_details={"client_secret": VALUE}
        ),
        ops.AdminInitiateAuthRequest(
            user_pool_id=POOL,
            client_id="abc",
            auth_flow="ADMIN_USER_PASSWORD_AUTH",
            context_data=ops.ContextDataType(
                ip_address="203.0.113.7",
                server_name="s",
                server_path="/",
                http_headers=[ops.HttpHeader(header_name="Cookie", header_value=VALUE)],
            ),
        ),
        *[
            answer(**{key: VALUE})
            for key in (
                *("PASSWORD", "NEW_PASSWORD", "SECRET_HASH", "SMS_MFA_CODE", "SOFTWARE_TOKEN_MFA_CODE", "ANSWER"),
                *("EMAIL_OTP_CODE", "SMS_OTP_CODE", "PASSWORD_CLAIM_SIGNATURE", "PASSWORD_CLAIM_SECRET_BLOCK", "SRP_A"),
                *("DEVICE_KEY", "CREDENTIAL", "REFRESH_TOKEN", "KEY_OF_NEXT_YEAR"),
            )
        ],
    ],
    ids=lambda request: type(request).__name__,
)
def test_every_kind_of_secret_is_masked(request_: Request[Any]) -> None:
    """Passwords, codes, tokens, secrets, hashes, sessions and proofs, at any depth, in members and maps."""
    assert VALUE not in redact(f"Value '{VALUE}' and {VALUE}{VALUE} failed", request_)


def test_ordinary_headers_of_a_user_are_kept() -> None:
    """A header that carries no credentials, such as the language, is not masked."""
    headers = [
        ops.HttpHeader(header_name="Accept-Language", header_value="es"),
        ops.HttpHeader(header_name="Authorization", header_value="Basic YWRhOnB3"),
        ops.HttpHeader(),
    ]
    context = ops.ContextDataType(ip_address="::1", server_name="s", server_path="/", http_headers=headers)
    request = ops.AdminInitiateAuthRequest(
        user_pool_id=POOL, client_id="abc", auth_flow="USER_AUTH", context_data=context
    )
    assert redact("la cuenta no es valida: Basic YWRhOnB3", request) == "la cuenta no es valida: ***"


def test_secrets_beside_the_request_are_masked() -> None:
    """The session token of AWS credentials is sent in a header."""
    request = ops.GetUserRequest(access_token="t" * 9)
    assert redact("token FwoGZXIvYXdzEA== of ttttttttt", request, ["FwoGZXIvYXdzEA=="]) == "token *** of ***"


@pytest.mark.parametrize(
    ("payload", "message", "masked"),
    [
        ({"ApiToken": "xk4-9"}, "token xk4-9", "token ***"),
        ({"EncodedData": "xk4-9"}, "data xk4-9", "data ***"),  # secret in the model, without a name that says so
        ({"Config": {"ClientSecret": "xk4-9"}}, "secret xk4-9", "secret ***"),
        ({"Items": [{"Name": "ada", "Password": "xk4-9"}]}, "ada: xk4-9", "ada: ***"),
        ({"Passphrase": {"Parts": ["xk4-9"]}}, "parts xk4-9", "parts ***"),
        ({"private_keypair": "xk4-9"}, "keys xk4-9", "keys ***"),
        ({"12": "xk4-9"}, "12 is xk4-9", "12 is xk4-9"),
        ({"Pin": 123456}, "pin 123456", "pin ***"),
        ({"Pin": 12.5}, "pin 12.5", "pin ***"),
        ({"Limit": 123456, "Name": "xk4-9"}, "at most 123456 of xk4-9", "at most 123456 of xk4-9"),
        ({"Password": True, "Pin": None}, "True, TRUE, true, none", "True, TRUE, true, none"),
    ],
)
def test_secrets_of_raw_calls_are_masked_by_name(payload: dict[str, Any], message: str, masked: str) -> None:
    """At any depth, strings and numbers; other members are kept."""
    request = RawRequest(OPERATION=Operation("NewOperation", signed=True, response=dict), extra=payload)
    assert redact(message, request) == masked


def test_members_that_are_not_secret_are_kept() -> None:
    """Such as the user pool ID, and the values of tags, whatever their keys."""
    request = ops.AdminGetUserRequest(user_pool_id=POOL, username="ada")
    assert redact(f"user pool {POOL} does not exist", request) == f"user pool {POOL} does not exist"
    tagging = ops.TagResourceRequest(resource_arn="arn:aws:x", tags={"session": "winter"})
    assert redact("winter is no tag", tagging) == "winter is no tag"
