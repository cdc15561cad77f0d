"""cognito_async.sign_in: results, challenges and devices."""

from collections.abc import Mapping
from typing import assert_never, assert_type

from cognito_async import CognitoClient
from cognito_async.protocol.shapes import JsonValue
from cognito_async.sign_in import (
    CustomChallenge,
    Device,
    EmailOtpChallenge,
    MfaSetupChallenge,
    NewPasswordRequiredChallenge,
    PasswordChallenge,
    SelectChallenge,
    SelectMfaTypeChallenge,
    SignedIn,
    SignInResult,
    SmsMfaChallenge,
    SmsOtpChallenge,
    SoftwareTokenMfaChallenge,
    SoftwareTokenSecret,
    Tokens,
    UnknownChallenge,
    WebAuthnChallenge,
)


async def sign_ins_return_a_union(client: CognitoClient) -> None:
    assert_type(await client.sign_in(username="ada", password="secret"), SignInResult)
    assert_type(await client.admin_sign_in(username="ada", password="secret"), SignInResult)
    assert_type(client.resume_sign_in("…"), SignInResult)
    assert_type(await client.verify_password(username="ada", password="secret"), bool)


async def the_union_is_closed(result: SignInResult) -> SignInResult:  # noqa: PLR0911
    match result:
        case SignedIn():
            assert_type(result.tokens, Tokens)
            assert_type(result.tokens.refresh_token, str | None)
            assert_type(result.device, Device | None)
            return result
        case SmsMfaChallenge() | SmsOtpChallenge() | EmailOtpChallenge():
            assert_type(result.destination, str | None)
            return await result.respond("123456")
        case SoftwareTokenMfaChallenge():
            assert_type(result.device_name, str | None)
            return await result.respond("123456")
        case SelectChallenge() | SelectMfaTypeChallenge():
            assert_type(result.options, tuple[str, ...])
            return await result.select(result.options[0])
        case MfaSetupChallenge():
            assert_type(await result.associate_software_token(), SoftwareTokenSecret)
            return await result.verify_software_token("123456")
        case NewPasswordRequiredChallenge():
            assert_type(result.user_attributes, Mapping[str, str])
            return await result.respond("secret", attributes={"name": "Ada"})
        case WebAuthnChallenge():
            assert_type(result.request_options, Mapping[str, JsonValue])
            return await result.respond("{}")
        case PasswordChallenge() | CustomChallenge():
            return await result.respond("secret")
        case UnknownChallenge():
            return await result.respond({"ANSWER": "secret"})
    assert_never(result)


async def a_result_is_narrowed_before_its_tokens_are_read(client: CognitoClient) -> None:
    result = await client.sign_in(username="ada", password="secret")
    result.tokens  # type: ignore[union-attr]  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnusedExpression]
    if isinstance(result, SignedIn):
        assert_type(result.tokens.access_token, str)


async def typos_in_flows_are_type_errors(client: CognitoClient) -> None:
    await client.sign_in(username="ada", auth_flow="USER_AUTH")
    await client.sign_in(username="ada", auth_flow="USER_SRP")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.admin_sign_in(username="ada", auth_flow="USER_SRP_ATUH")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
