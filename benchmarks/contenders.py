"""The libraries that are measured: how each is opened, and how it makes the two calls.

Each library is imported where it is opened, so that a process loads only the one it measures. Every contender is set up
as its documentation recommends for this use: one session for all calls, a connection per task, no signature where
Cognito needs none, keys from the environment. Retries are at their defaults unless the name says otherwise.
"""
# ruff: noqa: PLC0415 - a process imports the one library that it measures

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import aiohttp
    import capo_cognito_identity_provider

    import cognito_async

REGION = "eu-west-1"
POOL = "eu-west-1_AbCdEfGhI"
CLIENT = "3n4b5urk1ft4fl3mg5e62d9ado"
PASSWORD = "Correct-Horse-9-Battery"
ACCESS_KEY = "AKIAEXAMPLEEXAMPLE00"
SECRET_KEY = "benchmarks-have-no-secret"
USERS_IN_PAGE = 60
WIDTH = 64
"""Connections per pool: the highest number of tasks in any measurement."""

PLAIN = "plain aiohttp"
OURS = "cognito_async"
AIOBOTOCORE = "aiobotocore"
CAPO = "capo"
BOTO3 = "boto3 in threads"
OURS_WITH_RATE = "cognito_async, rate configured"
OURS_WITHOUT_RATE = "cognito_async, rate unknown"
STANDARD = "aiobotocore standard"
ADAPTIVE = "aiobotocore adaptive"


class Caller(Protocol):
    """An open session of a library."""

    async def confirm(self, username: str, code: str) -> None:
        """Confirm a forgotten password."""

    async def list_users(self) -> int:
        """List users, with a signed request, and return their number."""


Opener = Callable[[str], AbstractAsyncContextManager[Caller]]


@dataclass(frozen=True, slots=True)
class Contender:
    """A library with its settings: its name in tables, its module and how it is opened."""

    name: str
    module: str
    opened: Opener

    def absence(self) -> str | None:
        """Return why the contender cannot be measured, for a table cell; None if it can."""
        spec = importlib.util.find_spec(self.module)
        installed = spec is not None and spec.origin is not None  # a folder without code has no origin
        return None if installed else "not installed"


class _PlainAiohttp:
    """A POST without an SDK."""

    def __init__(self, http: "aiohttp.ClientSession", url: str) -> None:
        self._http = http
        self._url = url

    async def confirm(self, username: str, code: str) -> None:
        body = {"ClientId": CLIENT, "Username": username, "ConfirmationCode": code, "Password": PASSWORD}
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AWSCognitoIdentityProviderService.ConfirmForgotPassword",
        }
        async with self._http.post(self._url, data=json.dumps(body), headers=headers) as response:
            content = json.loads(await response.read())
            if response.status != 200:
                raise RuntimeError(content["__type"])

    async def list_users(self) -> int:
        raise NotImplementedError("plain aiohttp has no request signing")


@asynccontextmanager
async def _plain_aiohttp(url: str) -> AsyncIterator[Caller]:
    import aiohttp

    async with aiohttp.ClientSession() as http:
        yield _PlainAiohttp(http, url)


class _CognitoAsync:
    def __init__(self, client: "cognito_async.CognitoClient") -> None:
        self._client = client

    async def confirm(self, username: str, code: str) -> None:
        await self._client.confirm_forgot_password(username=username, confirmation_code=code, password=PASSWORD)

    async def list_users(self) -> int:
        return len((await self._client.list_users(limit=USERS_IN_PAGE)).users or ())


@asynccontextmanager
async def _cognito_async(url: str, *, rate: float | None = None) -> AsyncIterator[Caller]:
    import cognito_async

    quotas = cognito_async.Quotas() if rate is None else cognito_async.Quotas(user_account_recovery=rate)
    async with cognito_async.AsyncCognitoSession(REGION, endpoint_url=url, quotas=quotas) as session:
        yield _CognitoAsync(session.client(client_id=CLIENT, user_pool_id=POOL))


class _Aiobotocore:
    def __init__(self, client: Any) -> None:
        self._client = client

    async def confirm(self, username: str, code: str) -> None:
        await self._client.confirm_forgot_password(
            ClientId=CLIENT, Username=username, ConfirmationCode=code, Password=PASSWORD
        )

    async def list_users(self) -> int:
        return len((await self._client.list_users(UserPoolId=POOL, Limit=USERS_IN_PAGE))["Users"])


@asynccontextmanager
async def _aiobotocore(url: str, *, mode: str = "legacy") -> AsyncIterator[Caller]:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    config = AioConfig(max_pool_connections=WIDTH, retries={"mode": mode})
    async with get_session().create_client(
        "cognito-idp", region_name=REGION, endpoint_url=url, config=config
    ) as client:
        yield _Aiobotocore(client)


class _Capo:
    def __init__(self, client: "capo_cognito_identity_provider.AsyncCognitoIdentityProviderClient") -> None:
        self._client = client

    async def confirm(self, username: str, code: str) -> None:
        await self._client.confirm_forgot_password(
            CLIENT, username, code, PASSWORD, config_overrides={"anonymous": True}
        )

    async def list_users(self) -> int:
        return len((await self._client.list_users(POOL, limit=USERS_IN_PAGE))["users"])


@asynccontextmanager
async def _capo(url: str) -> AsyncIterator[Caller]:
    from capo_cognito_identity_provider import AsyncCognitoIdentityProviderClient, Credentials

    credentials = Credentials(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    async with AsyncCognitoIdentityProviderClient(region=REGION, endpoint=url, credentials=credentials) as client:
        yield _Capo(client)


class _Boto3:
    def __init__(self, client: Any) -> None:
        self._client = client

    async def confirm(self, username: str, code: str) -> None:
        await asyncio.to_thread(
            self._client.confirm_forgot_password,
            ClientId=CLIENT,
            Username=username,
            ConfirmationCode=code,
            Password=PASSWORD,
        )

    async def list_users(self) -> int:
        return len((await asyncio.to_thread(self._client.list_users, UserPoolId=POOL, Limit=USERS_IN_PAGE))["Users"])


@asynccontextmanager
async def _boto3(url: str) -> AsyncIterator[Caller]:
    import boto3
    from botocore.config import Config

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WIDTH))
    client = boto3.client(
        "cognito-idp", region_name=REGION, endpoint_url=url, config=Config(max_pool_connections=WIDTH)
    )
    yield _Boto3(client)
    client.close()


def contenders(rate: float | None = None) -> dict[str, Contender]:
    """Return the contenders by name; `rate` is the configured one, in requests per second."""
    every = [
        Contender(PLAIN, "aiohttp", _plain_aiohttp),
        Contender(OURS, "cognito_async", _cognito_async),
        Contender(AIOBOTOCORE, "aiobotocore", _aiobotocore),
        Contender(CAPO, "capo_cognito_identity_provider", _capo),
        Contender(BOTO3, "boto3", _boto3),
        Contender(OURS_WITH_RATE, "cognito_async", partial(_cognito_async, rate=rate)),
        Contender(OURS_WITHOUT_RATE, "cognito_async", _cognito_async),
        Contender(STANDARD, "aiobotocore", partial(_aiobotocore, mode="standard")),
        Contender(ADAPTIVE, "aiobotocore", partial(_aiobotocore, mode="adaptive")),
    ]
    return {contender.name: contender for contender in every}
