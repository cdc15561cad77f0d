"""The Python blocks of docs/operations.md, run in their order as one program."""

import ast
import inspect
import json
import re
from typing import Any

import pytest
from multidict import CIMultiDict

import cognito_async
from cognito_async import AsyncCognitoSession, CognitoClient, Credentials
from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.processes import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
KEYS = Credentials(access_key_id="AKID", secret_access_key="a secret of many characters")
BODIES: dict[str, Any] = {
    "AdminGetUser": {"Username": "ada", "UserStatus": "CONFIRMED", "UserAttributes": [{"Name": "email"}]},
    "ForgotPassword": {"CodeDeliveryDetails": {"Destination": "a***"}},
    "ListUsers": {"Users": [{"Username": "ada"}]},
    "DescribeNewThing": {"NewThing": {"NewThingId": "t-1"}},
    "CreateGroup": {"Group": {"GroupName": "staff", "Color": "blue"}, "NewMember": 7},
}


class Service:
    """Responds to each operation with its body."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Keep the request and respond."""
        name = request.headers["X-Amz-Target"].partition(".")[2]
        self.sent.append((name, json.loads(request.body)))
        return HttpResponse(200, CIMultiDict(), json.dumps(BODIES[name]).encode())

    async def close(self) -> None:
        """Do nothing."""


async def test_blocks_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each block works with the names of the blocks before it."""
    service = Service()

    def session(region: str) -> AsyncCognitoSession:
        return AsyncCognitoSession(region, transport=service, credentials=KEYS)

    monkeypatch.setattr(cognito_async, "AsyncCognitoSession", session)
    names: dict[str, Any] = {}
    async with session("eu-west-1") as opened:
        for block in BLOCKS:
            code = compile(block, "docs/operations.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, names)
            if inspect.isawaitable(result):
                await result
            names["client"] = opened.client(client_id="abc", user_pool_id="eu-west-1_AbC123")
    assert {name for name, _ in service.sent} == set(BODIES)
    assert dict(service.sent)["CreateGroup"]["NewMember"] == {"Color": "blue"}
    output = capsys.readouterr().out.splitlines()
    assert output[0] == "CONFIRMED ['email']"
    assert output[-3:] == ["{'NewThingId': 't-1'}", "7", "{'Color': 'blue'}"]


def test_named_methods_exist() -> None:
    """The text names methods of the client."""
    text = (ROOT / "docs" / "operations.md").read_text()
    for name in set(re.findall(r"`client\.(\w+)", text)):
        assert callable(getattr(CognitoClient, name))
