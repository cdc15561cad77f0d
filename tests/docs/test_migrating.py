"""The tables of docs/migrating.md: what they say about responses, errors and operations holds."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable

import pytest

from cognito_async import (
    AmbiguousOutcomeError,
    AttributeType,
    CognitoClient,
    CognitoError,
    EnableSoftwareTokenMFAException,
    NotAuthorizedException,
    RequestTimeoutError,
    RetryPolicy,
    SignedOutError,
    SignInExpiredError,
    SoftwareTokenMfaSettingsType,
    Timeouts,
    UserNotFoundException,
)
from cognito_async.sign_in import NewPasswordRequiredChallenge, SignedIn, SoftwareTokenMfaChallenge
from cognito_async.testing import FakeCognito, LocalPool
from cognito_async.tokens import TokenProvider
from tests.docs.reader import ADA, NEW, OLD, fake_pool

SECRET = "secret-of-the-app-client"


@pytest.fixture
async def client() -> AsyncIterator[CognitoClient]:
    """A client of a local pool with one user."""
    async with LocalPool(users={ADA: OLD}) as pool, pool.session() as session:
        yield session.client(pool.client_id, user_pool_id=pool.user_pool_id)


async def signed_in(client: CognitoClient, username: str) -> SignedIn:
    """Sign a user in."""
    done = await client.sign_in(username=username, password=OLD)
    assert isinstance(done, SignedIn)
    return done


async def test_operations_have_the_same_parameters(client: CognitoClient) -> None:
    """Those of users take the access token; operations without response members return None."""
    email = AttributeType(name="email", value="grace@example.com")
    signed_up = await client.sign_up(username="grace@example.com", password=OLD, user_attributes=[email])
    assert signed_up.user_confirmed is False
    alan = AttributeType(name="email", value="alan@example.com")
    created = await client.admin_create_user(
        username="alan@example.com", temporary_password=OLD, user_attributes=[alan], message_action="SUPPRESS"
    )
    assert created.user is not None
    assert created.user.user_status == "FORCE_CHANGE_PASSWORD"
    challenge = await client.sign_in(username="alan@example.com", password=OLD)
    assert isinstance(challenge, NewPasswordRequiredChallenge)
    assert isinstance(await challenge.respond(NEW), SignedIn)
    assert len([user async for user in client.iter_list_users()]) == 3
    token = (await signed_in(client, ADA)).tokens.access_token
    name = AttributeType(name="name", value="Ada")
    await client.update_user_attributes(access_token=token, user_attributes=[name])
    assert name in ((await client.get_user(access_token=token)).user_attributes or [])
    assert (await client.associate_software_token(access_token=token)).secret_code
    with pytest.raises(EnableSoftwareTokenMFAException):
        await client.verify_software_token(access_token=token, user_code="000000")
    preferred = SoftwareTokenMfaSettingsType(enabled=True, preferred_mfa=True)
    await client.set_user_mfa_preference(access_token=token, software_token_mfa_settings=preferred)
    change = client.change_password(access_token=token, previous_password=OLD, proposed_password=NEW)
    (returned,) = await asyncio.gather(change)
    assert returned is None
    await client.delete_user(access_token=token)
    with pytest.raises(UserNotFoundException) as caught:
        await client.admin_get_user(username=ADA)
    assert caught.value.status == 400
    assert caught.value.request_id


async def test_page_token_continues_a_listing(client: CognitoClient) -> None:
    """``list_users`` returns a page and the token of the next one."""
    await client.admin_create_user(username="alan@example.com", message_action="SUPPRESS")
    first = await client.list_users(limit=1)
    second = await client.list_users(limit=1, pagination_token=first.pagination_token)
    assert first.users
    assert second.users
    assert first.users[0].username != second.users[0].username


async def test_responses_show_no_secrets() -> None:
    """``to_dict`` leaves them out and prints mask them, as they do usernames; the metadata has no member of boto3."""
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD, email=ADA)
        parameters = {"USERNAME": "ada", "PASSWORD": OLD}
        response = await client.initiate_auth(auth_flow="USER_PASSWORD_AUTH", auth_parameters=parameters)
        assert response.authentication_result is not None
        token = response.authentication_result.access_token or ""
        assert token not in json.dumps(response.to_dict()) + repr(response)
        assert token in json.dumps(response.to_dict(secrets=True))
        assert response.metadata is not None
        assert (response.metadata.status, response.metadata.attempts) == (200, 1)
        assert response.metadata.duration > 0


async def test_users_are_masked_in_prints(client: CognitoClient) -> None:
    """But not in ``to_dict``."""
    user = await client.admin_get_user(username=ADA)
    assert user.username
    assert user.username not in repr(user)
    assert ADA not in repr(user)
    assert ADA in json.dumps(user.to_dict())


async def test_timeout_is_ambiguous_if_the_request_may_have_been_applied() -> None:
    """The error has both classes."""
    async with FakeCognito() as fake, fake.session(retry=RetryPolicy(max_attempts=1)) as session:
        fake.create_user("ada", password=OLD, email=ADA)
        client = fake.client(session).with_options(timeouts=Timeouts(total=0.2))
        fake.fail_next("ForgotPassword", delay=1)
        with pytest.raises(RequestTimeoutError) as caught:
            await client.forgot_password(username="ada")
        assert isinstance(caught.value, AmbiguousOutcomeError)


async def test_expired_sign_ins_are_no_not_authorized_exceptions() -> None:
    """Their code is that of the service; the operations themselves raise the class."""
    async with fake_pool() as (fake, client):
        fake.create_user("ada", password=OLD)
        fake.create_user("grace", password=OLD, mfa=["SOFTWARE_TOKEN_MFA"])
        tokens = (await signed_in(client, "ada")).tokens
        challenge = await client.sign_in(username="grace", password=OLD)
        assert isinstance(challenge, SoftwareTokenMfaChallenge)
        await client.revoke_token(token=tokens.refresh_token or "")
        fake.advance(200)
        await refused(challenge.respond(fake.totp_code("grace")), SignInExpiredError)
        async with TokenProvider(client, tokens=tokens) as provider:
            await refused(provider.refresh(), SignedOutError)
        await refused(
            client.get_tokens_from_refresh_token(refresh_token=tokens.refresh_token or ""), NotAuthorizedException
        )


async def refused(call: Awaitable[object], kind: type[CognitoError]) -> None:
    """Await a call that raises an error of exactly this class with the code NotAuthorizedException."""
    with pytest.raises(CognitoError) as caught:
        await call
    assert (type(caught.value), caught.value.code) == (kind, "NotAuthorizedException")


async def test_refresh_needs_its_own_operation_with_a_secret() -> None:
    """REFRESH_TOKEN_AUTH has no username for the secret hash."""
    async with FakeCognito() as fake, fake.session() as session:
        fake.create_user("ada", password=OLD)
        client = fake.client(session, fake.create_app_client(client_secret=SECRET))
        token = (await signed_in(client, "ada")).tokens.refresh_token or ""
        with pytest.raises(NotAuthorizedException, match="SECRET_HASH was not received"):
            await client.initiate_auth(auth_flow="REFRESH_TOKEN_AUTH", auth_parameters={"REFRESH_TOKEN": token})
        response = await client.get_tokens_from_refresh_token(refresh_token=token)
        assert response.authentication_result is not None
        assert response.authentication_result.refresh_token is None


async def test_provider_per_call_loses_rotated_tokens() -> None:
    """The second one sends a refresh token that was already used."""
    async with FakeCognito() as fake, fake.session() as session:
        fake.create_user("ada", password=OLD)
        client = fake.client(session, fake.create_app_client(refresh_token_rotation=True))
        tokens = (await signed_in(client, "ada")).tokens
        async with TokenProvider(client, tokens=tokens) as provider:
            await provider.refresh()
        async with TokenProvider(client, tokens=tokens) as provider:
            with pytest.raises(SignedOutError) as caught:
                await provider.refresh()
        assert caught.value.code == "RefreshTokenReuseException"
