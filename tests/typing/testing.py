"""cognito_async.testing: fakes create the objects that an application uses."""

from typing import Any, assert_type

from cognito_async import AsyncCognitoSession, CognitoClient
from cognito_async.testing import FakeCognito, LocalPool, TokenIssuer
from cognito_async.tokens import AccessToken, IdToken, TokenVerifier


async def fakes_create_sessions() -> None:
    async with FakeCognito(user_pool_id="eu-west-1_FakePool1") as fake, fake.session() as session:
        assert_type(session, AsyncCognitoSession)
        assert_type(fake.client(session), CognitoClient)
        assert_type(fake.endpoint_url, str)
    async with LocalPool() as pool, pool.session() as session:
        assert_type(session, AsyncCognitoSession)
        assert_type(pool.environment(), dict[str, str])
        assert_type(pool.client_secret, str | None)


def issuers_create_verifiers() -> None:
    issuer = TokenIssuer(user_pool_id="eu-west-1_FakePool1", client_id="abc")
    assert_type(issuer.access_token(username="ada"), str)
    assert_type(issuer.verifier(token_use="access"), TokenVerifier[AccessToken])
    assert_type(issuer.verifier(token_use="id"), TokenVerifier[IdToken])
    assert_type(issuer.jwks, dict[str, Any])
