"""A site that sets forgotten passwords with cognito_async.fastapi: the ready router.

Without the minimum duration and with a high limit per client IP, which would measure the clock. Both rate limits still
count.
"""

from fastapi import FastAPI

from cognito_async.fastapi import Cognito, CognitoSettings, MemoryRateLimit, ResetConfirmation, password_reset_router


def site(url: str) -> FastAPI:
    """Make the site, which speaks with the service at that URL."""
    settings = CognitoSettings(client_id="3n4b5urk1ft4fl3mg5e62d9ado", region="eu-west-1", endpoint_url=url)
    app = FastAPI(lifespan=Cognito(settings=settings).lifespan)
    confirmation = ResetConfirmation(minimum_duration=0.0)
    app.include_router(password_reset_router(confirmation=confirmation, address_limit=MemoryRateLimit(1_000_000, 1.0)))
    return app
