"""Checks for the blocks of docs/sign-in.md: each is run against a fake user pool."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cognito_async import AttributeType, CognitoClient, NotAuthorizedException
from cognito_async.sign_in import (
    EmailOtpChallenge,
    MfaSetupChallenge,
    NewPasswordRequiredChallenge,
    SelectMfaTypeChallenge,
    SignedIn,
    SmsMfaChallenge,
    SoftwareTokenMfaChallenge,
)
from cognito_async.testing import FakeCognito
from tests.docs.reader import ADA, NEW, OLD, Check, Reader, fake_pool, last_code, operations, typed, wrong
from tests.support.docs import Block

PHONE = "+4915112345678"


async def answers_challenges(block: Block, reader: Reader) -> None:
    """A loop that answers the challenges of three users."""
    sign_in = reader.names(block)["sign_in"]
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD, mfa=["SOFTWARE_TOKEN_MFA"])
        with typed(lambda: fake.totp_code("ada")):
            assert isinstance(await sign_in(client, "ada", OLD), SignedIn)
        fake.create_user("grace", password=OLD, phone_number=PHONE, mfa=["SMS_MFA"])
        with typed(last_code(fake)):
            assert (await sign_in(client, "grace", OLD)).username == "grace"
        fake.create_user("alan", password=OLD, status="FORCE_CHANGE_PASSWORD", required_attributes=["nickname"])
        with typed("Al", NEW):
            await sign_in(client, "alan", OLD)
        assert fake.users["alan"].attributes["nickname"] == "Al"
        fake.create_user("sue", password=OLD, mfa=["SOFTWARE_TOKEN_MFA", "SMS_MFA"])
        with pytest.raises(SystemExit, match="SELECT_MFA_TYPE"):
            await sign_in(client, "sue", OLD)


async def use_code(fake: FakeCognito, client: CognitoClient, username: str) -> str:
    """Sign a user in with the code of the authenticator app; return the code."""
    challenge = await client.sign_in(username=username, password=OLD)
    assert isinstance(challenge, SoftwareTokenMfaChallenge)
    code = fake.totp_code(username)
    await challenge.respond(code)
    return code


async def asks_again(block: Block, reader: Reader) -> None:
    """A function that asks until the code is right."""
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD, email=ADA, mfa=["EMAIL_OTP"])
        challenge = await client.sign_in(username="ada", password=OLD)
        assert isinstance(challenge, EmailOtpChallenge)
        ask_for_code = reader.names(block)["ask_for_code"]
        with typed(lambda: wrong(last_code(fake)()), last_code(fake)):
            assert isinstance(await ask_for_code(challenge), SignedIn)
        fake.create_user("grace", password=OLD, mfa=["SOFTWARE_TOKEN_MFA"])
        used = await use_code(fake, client, "grace")
        challenge = await client.sign_in(username="grace", password=OLD)

        def next_code() -> str:
            fake.advance(30)
            return fake.totp_code("grace")

        with typed(used, next_code):
            assert isinstance(await ask_for_code(challenge), SignedIn)


async def chooses_a_factor(block: Block, reader: Reader) -> None:
    """A function that selects a second factor."""
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD, phone_number=PHONE, mfa=["SOFTWARE_TOKEN_MFA", "SMS_MFA"])
        challenge = await client.sign_in(username="ada", password=OLD)
        assert isinstance(challenge, SelectMfaTypeChallenge)
        with typed("SMS_MFA"):
            assert isinstance(await reader.names(block)["choose_factor"](challenge), SmsMfaChallenge)


async def sets_up_an_app(block: Block, reader: Reader) -> None:
    """A function that sets up TOTP during a sign-in."""
    async with fake_pool() as (fake, client):
        fake.mfa_setup = ("SOFTWARE_TOKEN_MFA", "EMAIL_OTP")
        fake.create_user("ada", password=OLD)
        challenge = await client.sign_in(username="ada", password=OLD)
        assert isinstance(challenge, MfaSetupChallenge)
        with typed(lambda: wrong(fake.totp_code("ada")), lambda: fake.totp_code("ada")):
            assert isinstance(await reader.names(block)["set_up_app"](challenge), SignedIn)


async def enables_an_app(block: Block, reader: Reader) -> None:
    """A function that sets up TOTP for a user who is signed in."""
    async with fake_pool() as (fake, client):
        user = fake.create_user("ada", password=OLD)
        done = await client.sign_in(username="ada", password=OLD)
        assert isinstance(done, SignedIn)
        with typed(lambda: fake.totp_code("ada")):
            await reader.names(block)["enable_app"](client, done.tokens.access_token)
        assert user.preferred_mfa == "SOFTWARE_TOKEN_MFA"


async def sets_a_password(block: Block, reader: Reader) -> None:
    """A function that asks again for a weak password."""
    async with fake_pool() as (fake, client):
        user = fake.create_user("ada", password=OLD, status="FORCE_CHANGE_PASSWORD", required_attributes=["nickname"])
        challenge = await client.sign_in(username="ada", password=OLD)
        assert isinstance(challenge, NewPasswordRequiredChallenge)
        with typed("Ada", "weak", NEW):
            assert isinstance(await reader.names(block)["set_password"](challenge), SignedIn)
        assert (user.password, user.attributes["nickname"]) == (NEW, "Ada")


async def signs_in_with_a_code(block: Block, reader: Reader) -> None:
    """A passwordless sign-in, with and without an e-mail address."""
    sign_in_with_code = reader.names(block)["sign_in_with_code"]
    async with fake_pool() as (fake, client):
        fake.create_user("ada", email=ADA)
        fake.create_user("grace", phone_number=PHONE)
        with typed(last_code(fake)):
            assert isinstance(await sign_in_with_code(client, "ada"), SignedIn)
        with typed("SMS_OTP", last_code(fake)):
            assert isinstance(await sign_in_with_code(client, "grace"), SignedIn)


async def confirms_and_signs_in(block: Block, reader: Reader) -> None:
    """A sign-in with the session of ConfirmSignUp."""
    async with fake_pool() as (fake, client):
        await client.sign_up(username="ada", password=OLD, user_attributes=[AttributeType(name="email", value=ADA)])
        result = await reader.names(block)["confirm_and_sign_in"](client, "ada", last_code(fake)())
        assert isinstance(result, SignedIn)


async def registers_a_passkey(block: Block, reader: Reader) -> None:
    """Functions that register a passkey."""
    names = reader.names(block)
    async with fake_pool() as (fake, client):
        user = fake.create_user("ada", password=OLD)
        done = await client.sign_in(username="ada", password=OLD)
        assert isinstance(done, SignedIn)
        options = await names["begin_registration"](client, done.tokens.access_token)
        assert options["user"]["name"] == "ada"
        created = fake.passkey_credential(options)
        await names["complete_registration"](client, done.tokens.access_token, created)
        assert user.passkeys == [created["id"]]


async def signs_in_with_a_passkey(block: Block, reader: Reader) -> None:
    """A sign-in with a passkey."""
    async with fake_pool() as (fake, client):

        async def browser(options: Mapping[str, Any]) -> Mapping[str, Any]:
            return fake.passkey_credential(options)

        fake.create_user("ada", passkeys=["cGFzc2tleQ"])
        assert isinstance(await reader.names(block)["sign_in_with_passkey"](client, "ada", browser), SignedIn)


async def answers_questions(block: Block, reader: Reader) -> None:
    """A sign-in with custom challenges."""
    sign_in = reader.names(block)["sign_in_with_question"]
    async with fake_pool() as (fake, client):
        fake.create_user("ada")
        fake.custom_challenges = [({"question": "6 * 7?"}, "42"), ({"question": "Colour?"}, "blue")]
        with typed("41", "42", "blue"):
            assert isinstance(await sign_in(client, "ada"), SignedIn)
        assert fake.requests[-1].payload["ClientMetadata"] == {"source": "app"}
        with typed("1", "2", "3"), pytest.raises(NotAuthorizedException):
            await sign_in(client, "ada")


async def remembers_a_device(block: Block, reader: Reader) -> None:
    """A sign-in that skips MFA on a remembered device."""
    sign_in_again = reader.names(block)["sign_in_again"]
    async with fake_pool() as (fake, client):
        fake.remembers_devices = "ALWAYS"
        fake.create_user("ada", password=OLD, mfa=["SOFTWARE_TOKEN_MFA"])
        challenge = await sign_in_again(client, "ada", OLD, None)
        assert isinstance(challenge, SoftwareTokenMfaChallenge)
        done = await challenge.respond(fake.totp_code("ada"))
        assert isinstance(done, SignedIn)
        assert done.device is not None
        assert isinstance(await sign_in_again(client, "ada", OLD, done.device), SignedIn)


async def resumes_in_another_request(block: Block, reader: Reader) -> None:
    """Functions for two requests of a web application."""
    names = reader.names(block)
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD, mfa=["SOFTWARE_TOKEN_MFA"])
        fake.create_user("grace", password=OLD)
        stored: dict[str, str] = {}
        assert await names["first_request"](client, stored, "grace", OLD) == "Welcome!"
        used = await use_code(fake, client, "ada")
        assert "code" in await names["first_request"](client, stored, "ada", OLD)
        assert OLD not in stored["sign_in"]
        assert "wrong" in await names["second_request"](client, stored, wrong(fake.totp_code("ada")))
        assert "already used" in await names["second_request"](client, stored, used)
        fake.advance(30)
        assert await names["second_request"](client, stored, fake.totp_code("ada")) == "Welcome!"
        assert stored == {}


async def handles_errors(block: Block, reader: Reader) -> None:
    """A function that returns a message for each error."""
    answer = reader.names(block)["answer"]
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD, mfa=["SOFTWARE_TOKEN_MFA"])

        async def challenge() -> Any:
            fake.advance(30)  # a code is accepted once
            return await client.sign_in(username="ada", password=OLD)

        first = await challenge()
        assert await answer(first, wrong(fake.totp_code("ada"))) == "The code is wrong."
        used = fake.totp_code("ada")
        assert await answer(first, used) == "Signed in."
        assert await answer(first, fake.totp_code("ada")) == "The code was already entered."
        again: Any = await client.sign_in(username="ada", password=OLD)
        assert await answer(again, used) == "The code was already used. Wait for the next one."
        late = await challenge()
        fake.advance(200)
        assert await answer(late, fake.totp_code("ada")) == "Sign in again."
        lost = await challenge()
        fake.fail_next("RespondToAuthChallenge", lose_response=True)
        assert "may have been accepted" in await answer(lost, fake.totp_code("ada"))
        assert list(operations(fake))[-1] == "RespondToAuthChallenge"


CHECKS: Sequence[Check] = [
    answers_challenges,
    asks_again,
    chooses_a_factor,
    sets_up_an_app,
    enables_an_app,
    sets_a_password,
    signs_in_with_a_code,
    confirms_and_signs_in,
    registers_a_passkey,
    signs_in_with_a_passkey,
    answers_questions,
    remembers_a_device,
    resumes_in_another_request,
    handles_errors,
]
