"""cognito_async.tokens: the type of a verified token follows from the verifier's ``token_use``."""

from collections.abc import Mapping
from datetime import datetime
from typing import assert_type

from cognito_async import CognitoClient, TokenError
from cognito_async.protocol.shapes import JsonValue
from cognito_async.tokens import (
    ANY_CLIENT,
    AccessToken,
    FileTokenStore,
    IdToken,
    MemoryTokenStore,
    TokenProvider,
    Tokens,
    TokenStore,
    TokenVerifier,
    bearer_challenge,
    bearer_token,
    verify_signature,
)

POOL = "eu-west-1_AbCdEfGhI"


async def verifiers_return_their_kind_of_token() -> None:
    async with TokenVerifier(user_pool_id=POOL, token_use="access", client_ids={"abc"}) as verifier:
        assert_type(verifier, TokenVerifier[AccessToken])
        access = await verifier.verify("…")
    assert_type(access, AccessToken)
    assert_type(access.scopes, frozenset[str])
    assert_type(access.expires_at, datetime)
    assert_type(access.claims, Mapping[str, JsonValue])
    identities = TokenVerifier(user_pool_id=POOL, token_use="id", client_ids=ANY_CLIENT)
    assert_type((await identities.verify("…")).email, str | None)
    offline = TokenVerifier.offline(user_pool_id=POOL, token_use="id", client_ids=["abc"], jwks={"keys": []})
    assert_type(offline, TokenVerifier[IdToken])


def headers_are_text(error: TokenError) -> None:
    assert_type(bearer_token(None), str)
    assert_type(bearer_challenge(error), str)


async def providers_return_tokens(client: CognitoClient, tokens: Tokens) -> None:
    store: TokenStore = FileTokenStore("tokens.json")
    provider = TokenProvider(client, tokens=tokens, store=store)
    assert_type(await provider.access_token(), str)
    assert_type(Tokens.from_dict(tokens.to_dict()), Tokens)
    assert_type(verify_signature("…", b"{}"), bytes)
    TokenProvider(client, tokens=tokens, store=MemoryTokenStore())


def important_choices_are_required() -> None:
    TokenVerifier(user_pool_id=POOL, token_use="access")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    TokenVerifier(user_pool_id=POOL, client_ids={"abc"})  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    TokenVerifier(user_pool_id=POOL, token_use="refresh", client_ids={"abc"})  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
