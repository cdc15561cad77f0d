"""A site that sets forgotten passwords with cognito_async.fastapi: the ready router.

Its answers are given at once, not after half a second at the least, and one address may try as often as it likes: both
would measure the clock. What counts the tries for addresses and user names is there as ever.
"""

from fastapi import FastAPI

from cognito_async.fastapi import Cognito, CognitoSettings, MemoryRateLimit, password_reset_router


def site(url: str) -> FastAPI:
    """Make the site, which speaks with the service at that URL."""
    settings = CognitoSettings(client_id="3n4b5urk1ft4fl3mg5e62d9ado", region="eu-west-1", endpoint_url=url)
    app = FastAPI(lifespan=Cognito(settings=settings).lifespan)
    app.include_router(password_reset_router(floor=0.0, address_limit=MemoryRateLimit(1_000_000, 1.0)))
    return app
