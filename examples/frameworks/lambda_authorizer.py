"""AWS Lambda: an authorizer of an API Gateway HTTP API (payload format 2.0, simple responses)."""

import asyncio
import os
from typing import Any

from cognito_async import TokenError
from cognito_async.tokens import TokenVerifier, bearer_token

# Both are kept between the invocations of an execution environment: keys are fetched once, connections are reused.
runner = asyncio.Runner()
verifier = TokenVerifier(
    user_pool_id=os.environ["COGNITO_USER_POOL_ID"],
    token_use="access",
    client_ids={os.environ["COGNITO_CLIENT_ID"]},
)


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Verify the access token of a request."""
    return runner.run(authorize(event["headers"].get("authorization")))


async def authorize(header: str | None) -> dict[str, Any]:
    """Return whether the request is allowed, with the user for the integration."""
    try:
        token = await verifier.verify(bearer_token(header))
    except TokenError:
        return {"isAuthorized": False}
    return {"isAuthorized": True, "context": {"username": token.username, "groups": sorted(token.groups)}}
