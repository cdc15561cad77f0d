"""Password resets, sign-ins, client secrets and signatures, from end to end with a local user pool."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest

from cognito_async import (
    AsyncCognitoSession,
    CodeMismatchException,
    CognitoClient,
    Credentials,
    ExpiredCodeException,
    InvalidParameterException,
    InvalidPasswordException,
    NotAuthorizedException,
    ResourceNotFoundException,
    ServiceError,
    UserNotFoundException,
)
from cognito_async.operations import AuthenticationResultType, GroupType
from cognito_async.protocol.secret_hash import secret_hash
from cognito_async.testing import LocalPool
from tests.support.processes import running

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

OLD, NEW = "Analytical-1843", "Differential-1822"
WRONG_CODE = "000000"
AppClient = tuple[str, str | None]


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Start a pool for all tests of this file; its app client has no secret."""
    with running(LocalPool()) as made:
        yield made


@pytest.fixture(scope="module")
def app_clients(pool: LocalPool) -> Mapping[str, AppClient]:
    """Return the IDs and secrets of two app clients."""
    return {"secret": asyncio.run(pool.create_client(secret=True)), "plain": (pool.client_id, None)}


@pytest.fixture
async def session(pool: LocalPool) -> AsyncIterator[AsyncCognitoSession]:
    """Open a session without AWS credentials."""
    async with AsyncCognitoSession(pool.region, endpoint_url=pool.endpoint_url) as opened:
        yield opened


@pytest.fixture(params=["plain", "secret"])
def app_client(request: pytest.FixtureRequest, app_clients: Mapping[str, AppClient]) -> AppClient:
    """Return an app client without a secret, then one with a secret."""
    return app_clients[request.param]


@pytest.fixture
def client(session: AsyncCognitoSession, app_client: AppClient) -> CognitoClient:
    """Return a client that is bound to the app client."""
    return session.client(*app_client)


@pytest.fixture
async def email(pool: LocalPool) -> str:
    """Create a user with the old password for one test."""
    address = f"{uuid4()}@example.com"
    await pool.create_user(address, OLD)
    return address


async def sign_in(client: CognitoClient, email: str, password: str) -> AuthenticationResultType:
    """Sign a user in and return the tokens."""
    answer = await client.initiate_auth(
        auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": email, "PASSWORD": password}
    )
    assert answer.authentication_result is not None
    return answer.authentication_result


# --- password resets --------------------------------------------------------------------------------------------------


async def test_reset_changes_the_password(client: CognitoClient, pool: LocalPool, email: str) -> None:
    """A wrong code is rejected; after the right one, only the new password works."""
    await sign_in(client, email, OLD)
    sent = (await client.forgot_password(username=email)).code_delivery_details
    assert sent is not None
    assert (sent.delivery_medium, sent.attribute_name) == ("EMAIL", "email")
    with pytest.raises(CodeMismatchException) as caught:
        await client.confirm_forgot_password(username=email, confirmation_code=WRONG_CODE, password=NEW)
    assert (caught.value.operation, caught.value.status) == ("ConfirmForgotPassword", 400)
    assert caught.value.attempts == 1
    assert caught.value.request_id
    await sign_in(client, email, OLD)
    code = await pool.code_for(email)
    await client.confirm_forgot_password(username=email, confirmation_code=code, password=NEW)
    assert (await sign_in(client, email, NEW)).access_token
    with pytest.raises(NotAuthorizedException):
        await sign_in(client, email, OLD)


async def test_code_works_once(client: CognitoClient, pool: LocalPool, email: str) -> None:
    """A used code, and one that was never sent, are expired."""
    with pytest.raises(ExpiredCodeException):
        await client.confirm_forgot_password(username=email, confirmation_code="654321", password=NEW)
    await client.forgot_password(username=email)
    code = await pool.code_for(email)
    await client.confirm_forgot_password(username=email, confirmation_code=code, password=NEW)
    with pytest.raises(ExpiredCodeException):
        await client.confirm_forgot_password(username=email, confirmation_code=code, password=OLD)
    await sign_in(client, email, NEW)


async def test_weak_password_keeps_the_code_valid(client: CognitoClient, pool: LocalPool, email: str) -> None:
    """A better password can follow."""
    await client.forgot_password(username=email)
    code = await pool.code_for(email)
    with pytest.raises(InvalidPasswordException):
        await client.confirm_forgot_password(username=email, confirmation_code=code, password="password")
    await sign_in(client, email, OLD)
    await client.confirm_forgot_password(username=email, confirmation_code=code, password=NEW)
    await sign_in(client, email, NEW)


async def test_unknown_user_gets_the_same_errors(client: CognitoClient) -> None:
    """As with a wrong code or a wrong password."""
    await client.forgot_password(username="unknown@example.com")
    with pytest.raises(CodeMismatchException):
        await client.confirm_forgot_password(username="unknown@example.com", confirmation_code="654321", password=NEW)
    with pytest.raises(NotAuthorizedException):
        await sign_in(client, "unknown@example.com", OLD)


async def test_unknown_user_is_an_error_with_legacy_setting(pool: LocalPool, session: AsyncCognitoSession) -> None:
    """With AWS's older setting of the app client."""
    async with pool.session() as administrator:
        made = await administrator.client(user_pool_id=pool.user_pool_id).create_user_pool_client(
            client_name="old", prevent_user_existence_errors="LEGACY"
        )
    assert made.user_pool_client is not None
    client = session.client(made.user_pool_client.client_id)
    with pytest.raises(UserNotFoundException):
        await client.forgot_password(username="unknown@example.com")
    with pytest.raises(UserNotFoundException):
        await client.confirm_forgot_password(username="unknown@example.com", confirmation_code="654321", password=NEW)


async def test_unknown_app_client_is_an_error(session: AsyncCognitoSession, email: str) -> None:
    """ResourceNotFoundException."""
    with pytest.raises(ResourceNotFoundException):
        await session.client("nosuchclient").forgot_password(username=email)


async def test_fifty_concurrent_resets(client: CognitoClient, pool: LocalPool) -> None:
    """Fifty users request a code, confirm it and sign in."""
    emails = [f"{uuid4()}@example.com" for _ in range(50)]
    await asyncio.gather(*(pool.create_user(email, OLD) for email in emails))

    async def migrate(email: str) -> None:
        await client.forgot_password(username=email)
        await client.confirm_forgot_password(username=email, confirmation_code="654321", password=NEW)
        await sign_in(client, email, NEW)

    await asyncio.gather(*map(migrate, emails))


# --- app client secrets -----------------------------------------------------------------------------------------------


async def test_wrong_client_secret_is_rejected(
    session: AsyncCognitoSession, app_clients: Mapping[str, AppClient], email: str
) -> None:
    """So is a missing one; no part of the error contains the secret."""
    client_id, secret = app_clients["secret"]
    assert secret is not None
    wrong = session.client(client_id, secret[::-1])
    with pytest.raises(NotAuthorizedException, match="secret hash") as caught:
        await wrong.confirm_forgot_password(username=email, confirmation_code="654321", password=NEW)
    assert secret[::-1] not in f"{caught.value!r} {caught.value}"
    with pytest.raises(NotAuthorizedException, match="secret hash"):
        await sign_in(wrong, email, OLD)
    with pytest.raises(NotAuthorizedException, match="SECRET_HASH"):
        await session.client(client_id).confirm_forgot_password(
            username=email, confirmation_code="654321", password=NEW
        )


async def test_secret_for_app_client_without_secret_is_rejected(
    session: AsyncCognitoSession, app_clients: Mapping[str, AppClient], email: str
) -> None:
    """The service names the problem."""
    with pytest.raises(InvalidParameterException, match="secret"):
        await session.client(app_clients["plain"][0], "a secret of many characters").forgot_password(username=email)


async def test_secret_hash_can_be_passed(
    session: AsyncCognitoSession, app_clients: Mapping[str, AppClient], pool: LocalPool, email: str
) -> None:
    """It takes precedence over a bound secret."""
    client_id, secret = app_clients["secret"]
    assert secret is not None
    given = secret_hash(secret, email, client_id)
    await session.client(client_id).forgot_password(username=email, secret_hash=given)
    code = await pool.code_for(email)
    client = session.client(client_id, "another secret, no longer in use")
    await client.confirm_forgot_password(username=email, confirmation_code=code, password=NEW, secret_hash=given)


async def test_refresh_returns_new_tokens(client: CognitoClient, app_client: AppClient, email: str) -> None:
    """With a secret, the hash is that of the user's ``sub``, which the caller passes."""
    tokens = await sign_in(client, email, OLD)
    attributes = (await client.get_user(access_token=tokens.access_token or "")).user_attributes or ()
    sub = next(attribute.value for attribute in attributes if attribute.name == "sub")
    parameters = {"REFRESH_TOKEN": tokens.refresh_token or ""}
    client_id, secret = app_client
    if secret is not None:
        parameters["SECRET_HASH"] = secret_hash(secret, sub or "", client_id)
    answer = await client.initiate_auth(auth_flow="REFRESH_TOKEN_AUTH", auth_parameters=parameters)
    assert answer.authentication_result is not None
    assert answer.authentication_result.access_token not in {None, tokens.access_token}


# --- signatures -------------------------------------------------------------------------------------------------------


def query(pool: LocalPool, service: str, **parameters: str) -> Mapping[str, str]:
    """Call another AWS service of the emulator as administrator, and return the texts of the response by tag."""
    scope = f"test/20260101/{pool.region}/{service}/aws4_request"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
    }
    with closing(HTTPConnection(urlsplit(pool.endpoint_url).netloc, timeout=10)) as connection:
        connection.request("POST", "/", urlencode(parameters), headers)
        answer = connection.getresponse()
        text = answer.read()
    assert answer.status == 200, text
    return {element.tag.rpartition("}")[2]: element.text or "" for element in ET.fromstring(text).iter()}


@pytest.fixture(scope="module")
def operator(pool: LocalPool) -> Credentials:
    """Return the key of an IAM user who may manage groups."""
    query(pool, "iam", Action="CreateUser", UserName="operator", Version="2010-05-08")
    key = query(pool, "iam", Action="CreateAccessKey", UserName="operator", Version="2010-05-08")
    allowed = {"Effect": "Allow", "Action": "cognito-idp:*Group*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    query(
        pool, "iam", Action="PutUserPolicy", UserName="operator", PolicyName="groups", PolicyDocument=policy,
        Version="2010-05-08",
    )  # fmt: skip
    return Credentials(access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])


async def test_signature_is_accepted(pool: LocalPool, operator: Credentials) -> None:
    """Also of a body that is not ASCII; a wrong secret is rejected."""
    async with pool.session(credentials=operator) as session:
        client = session.client(user_pool_id=pool.user_pool_id)
        made = await client.create_group(group_name="Zürich-東京", description="größer, wie “🏔”")
        assert made.group is not None
        assert [group async for group in client.iter_list_groups()] == [made.group]
        assert isinstance(made.group, GroupType)
        assert made.group.description == "größer, wie “🏔”"
    wrong = Credentials(access_key_id=operator.access_key_id, secret_access_key=operator.secret_access_key[::-1])
    async with pool.session(credentials=wrong) as session:
        with pytest.raises(ServiceError) as caught:
            await session.client(user_pool_id=pool.user_pool_id).list_groups()
    assert caught.value.code == "InvalidSignatureException"
    assert wrong.secret_access_key not in f"{caught.value!r} {caught.value}"


async def test_missing_permission_is_access_denied(pool: LocalPool, operator: Credentials) -> None:
    """Not an invalid signature; it is not retried."""
    async with pool.session(credentials=operator) as session:
        with pytest.raises(ServiceError, match="not authorized to perform: cognito-idp:ListUserPools") as caught:
            await session.client().list_user_pools(max_results=1)
    assert (caught.value.code, caught.value.attempts) == ("AccessDeniedException", 1)


async def test_session_token_is_sent_and_signed(pool: LocalPool) -> None:
    """Without it the key is rejected."""
    given = query(pool, "sts", Action="GetSessionToken", Version="2011-06-15")
    key = {"access_key_id": given["AccessKeyId"], "secret_access_key": given["SecretAccessKey"]}
    async with pool.session(credentials=Credentials(**key, session_token=given["SessionToken"])) as session:
        assert (await session.client().list_user_pools(max_results=1)).user_pools
    async with pool.session(credentials=Credentials(**key)) as session:
        with pytest.raises(ServiceError) as caught:
            await session.client().list_user_pools(max_results=1)
    assert caught.value.code == "UnrecognizedClientException"
