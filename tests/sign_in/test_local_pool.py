"""Real exchanges with MiniStack, whose SRP, TOTP, refresh and revocation are independent of this project."""

import asyncio
import base64
import hmac
import sys
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from cognito_async import CognitoClient, CognitoError, NotAuthorizedException
from cognito_async.operations import AttributeType, SoftwareTokenMfaConfigType, SoftwareTokenMfaSettingsType
from cognito_async.sign_in import NewPasswordRequiredChallenge, SoftwareTokenMfaChallenge
from cognito_async.testing import LocalPool
from tests.sign_in.support import NEW_PASSWORD, PASSWORD, expect, signed_in
from tests.support.processes import running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Start a pool for all tests of this file."""
    with running(LocalPool()) as made:
        yield made


@pytest.fixture(scope="module")
def secret_app(pool: LocalPool) -> tuple[str, str | None]:
    """Return an app client with a secret."""
    return asyncio.run(pool.create_client(secret=True))


@pytest.fixture(params=["plain", "secret"])
async def client(
    request: pytest.FixtureRequest, pool: LocalPool, secret_app: tuple[str, str | None]
) -> AsyncIterator[CognitoClient]:
    """Return a client of an app client without a secret, then of one with a secret."""
    app = (pool.client_id, None) if request.param == "plain" else secret_app
    async with pool.session() as session:
        yield session.client(*app, pool.user_pool_id)


@pytest.fixture
async def email(pool: LocalPool) -> str:
    """Create a user; the address is an alias of the username, a UUID."""
    address = f"{uuid4()}@example.com"
    await pool.create_user(address, PASSWORD)
    return address


def totp(secret: str) -> str:
    """Return the code of an authenticator app (RFC 6238)."""
    digest = hmac.digest(base64.b32decode(secret), (int(time.time()) // 30).to_bytes(8), "sha1")
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4]) & 0x7FFFFFFF) % 10**6:06d}"


@pytest.mark.parametrize("admin", [False, True])
async def test_password_of_an_alias_signs_in(client: CognitoClient, email: str, *, admin: bool) -> None:
    """The result has the username of the pool."""
    if admin:
        done = signed_in(await client.admin_sign_in(username=email, password=PASSWORD))
    else:
        done = signed_in(await client.sign_in(username=email, password=PASSWORD))
        user = await client.get_user(access_token=done.tokens.access_token)
        assert done.username == user.username != email
    assert done.tokens.id_token
    assert done.device is None


async def test_wrong_password_is_refused(client: CognitoClient, email: str) -> None:
    """As for an unknown user."""
    for name, password in ((email, NEW_PASSWORD), ("unknown@example.com", PASSWORD)):
        with pytest.raises(NotAuthorizedException) as caught:
            await client.sign_in(username=name, password=password)
        assert caught.value.code == "NotAuthorizedException"


async def test_password_is_verified(client: CognitoClient, email: str) -> None:
    """Without a sign-in that stays."""
    assert await client.verify_password(username=email, password=PASSWORD) is True
    assert await client.verify_password(username=email, password=NEW_PASSWORD) is False


async def test_many_passwords_sign_in(client: CognitoClient, pool: LocalPool) -> None:
    """Salts, ephemeral keys and passwords of all kinds."""
    passwords = ["Straße e\u0301-Aa1!…🔑", "Aa1! " + "x" * 200]
    for password in passwords:
        address = f"{uuid4()}@example.com"
        await pool.create_user(address, password)
        signed_in(await client.sign_in(username=address, password=password))


async def test_temporary_password_is_replaced(client: CognitoClient) -> None:
    """The new one signs in."""
    address = f"{uuid4()}@example.com"
    attributes = [AttributeType(name="email", value=address), AttributeType(name="email_verified", value="true")]
    await client.admin_create_user(
        username=address, temporary_password=PASSWORD, user_attributes=attributes, message_action="SUPPRESS"
    )
    result = await client.sign_in(username=address, password=PASSWORD)
    challenge = expect(result, NewPasswordRequiredChallenge)
    assert challenge.required_attributes == ()
    signed_in(await challenge.respond(NEW_PASSWORD))
    signed_in(await client.sign_in(username=address, password=NEW_PASSWORD))


async def test_authenticator_app_is_the_second_factor(client: CognitoClient, email: str) -> None:
    """A wrong code leaves the challenge open."""
    enabled = SoftwareTokenMfaConfigType(enabled=True)
    await client.set_user_pool_mfa_config(software_token_mfa_configuration=enabled, mfa_configuration="OPTIONAL")
    token = signed_in(await client.sign_in(username=email, password=PASSWORD)).tokens.access_token
    secret = (await client.associate_software_token(access_token=token)).secret_code
    assert secret is not None
    await client.verify_software_token(access_token=token, user_code=totp(secret))
    settings = SoftwareTokenMfaSettingsType(enabled=True, preferred_mfa=True)
    await client.set_user_mfa_preference(access_token=token, software_token_mfa_settings=settings)
    challenge = expect(await client.sign_in(username=email, password=PASSWORD), SoftwareTokenMfaChallenge)
    wrong = f"{(int(totp(secret)) + 500_000) % 10**6:06d}"
    with pytest.raises(CognitoError):
        await challenge.respond(wrong)
    signed_in(await challenge.respond(totp(secret)))


async def test_tokens_are_refreshed_and_revoked(client: CognitoClient, email: str) -> None:
    """After the revocation, the refresh token is refused."""
    tokens = signed_in(await client.sign_in(username=email, password=PASSWORD)).tokens
    assert tokens.refresh_token is not None
    refreshed = await client.get_tokens_from_refresh_token(refresh_token=tokens.refresh_token)
    assert refreshed.authentication_result is not None
    assert refreshed.authentication_result.access_token
    await client.revoke_token(token=tokens.refresh_token)
    with pytest.raises(NotAuthorizedException):
        await client.get_tokens_from_refresh_token(refresh_token=tokens.refresh_token)
