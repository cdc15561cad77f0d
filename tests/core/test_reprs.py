"""Reprs, as pretty-printers show them, mask secrets."""

import io
import pprint
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis.vendor import pretty
from rich.console import Console
from rich.pretty import pretty_repr
from rich.table import Table

from cognito_async import AsyncCognitoSession, Credentials, operations
from cognito_async.operations import AdminCreateUserRequest, AttributeType, AuthenticationResultType
from cognito_async.protocol.binding import Bound
from cognito_async.protocol.shapes import Structure, members
from tests.support.canaries import CANARY, canary, filled
from tests.support.scripted_transport import ScriptedTransport, scripted_session
from tests.support.strategies import request_types


def printed(value: object) -> str:
    """Return what rich prints for a value, alone and inside a table."""
    out = io.StringIO()
    table = Table()
    table.add_row(pretty_repr(value))
    Console(file=out, width=200).print(value, [value], {"key": value}, table)
    return out.getvalue()


PRINTERS: dict[str, Callable[[object], str]] = {
    "repr": repr,
    "str": str,
    "ascii": ascii,
    "format": "{}".format,
    "pprint": pprint.pformat,
    "rich": printed,
    "rich in full": lambda value: pretty_repr(value, expand_all=True),
    "IPython": pretty.pretty,  # in the copy of Hypothesis, which also knows attrs
}
STRUCTURES = [
    kind
    for kind in (getattr(operations, name) for name in dir(operations))
    if isinstance(kind, type) and issubclass(kind, Structure)
]


@pytest.mark.parametrize("how", PRINTERS)
def test_structures_are_masked(how: str) -> None:
    """All requests, responses and nested types, with a secret in each secret member at any depth."""
    assert len(STRUCTURES) > 300
    for kind in STRUCTURES:
        assert CANARY not in PRINTERS[how](filled(kind)), kind


@pytest.mark.parametrize("how", PRINTERS)
async def test_clients_sessions_and_credentials_are_masked(how: str) -> None:
    """Every public object that holds a secret."""
    keys = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key=canary(), session_token=canary())
    async with AsyncCognitoSession("eu-west-1", credentials=keys) as session:
        client = session.client(canary(), canary(), "eu-west-1_AbC")
        paginator = client.iter_list_users(filter=canary())
        for value in (keys, session, client, client.bound, client.with_options(), paginator, vars(client)):
            assert CANARY not in PRINTERS[how](value)
    assert "AKIDEXAMPLE" in PRINTERS[how](keys)
    assert "eu-west-1_AbC" in PRINTERS[how](client)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("eu-west-1",), "region='eu-west-1', endpoint_url='https://cognito-idp.eu-west-1.amazonaws.com'"),
        (("eu-west-1", "http://127.0.0.1:1"), "region='eu-west-1', endpoint_url='http://127.0.0.1:1'"),
        ((), "region=None, endpoint_url=None"),
    ],
)
async def test_repr_of_a_session_shows_region_endpoint_and_state(options: tuple[str, ...], expected: str) -> None:
    """As far as they are known without reading a profile."""
    session = AsyncCognitoSession(*options[:1], endpoint_url="".join(options[1:]) or None)
    assert repr(session) == f"AsyncCognitoSession({expected}, open)"
    await session.close()
    assert repr(session) == f"AsyncCognitoSession({expected}, closed)"


async def test_repr_of_a_client_shows_the_region_of_its_pool() -> None:
    """And the bound values, masked."""
    async with AsyncCognitoSession() as session:
        url = "https://cognito-idp.eu-west-1.amazonaws.com"
        bound = "Bound(client_id=***, client_secret=None, user_pool_id=eu-west-1_AbC)"
        expected = f"CognitoClient({bound}, region='eu-west-1', endpoint_url='{url}', open)"
        assert repr(session.client("abc", user_pool_id="eu-west-1_AbC")) == expected


def test_repr_does_not_show_an_invalid_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a misplaced secret."""
    monkeypatch.setenv("AWS_REGION", f"{CANARY} ")
    assert repr(AsyncCognitoSession()) == "AsyncCognitoSession(region=None, endpoint_url=None, open)"


def test_repr_shows_the_members_that_are_set() -> None:
    """Secrets are shown as three asterisks, members that are None not at all."""
    result = AuthenticationResultType(access_token="eyJ", expires_in=3600)
    assert repr(result) == pretty_repr(result) == "AuthenticationResultType(access_token=***, expires_in=3600)"
    assert pretty.pretty(result) == repr(result)
    keys = Credentials(access_key_id="AKID", secret_access_key="secret")
    assert repr(keys) == pretty_repr(keys) == "Credentials(access_key_id='AKID', secret_access_key=***)"


def test_repr_of_nested_structures_is_masked_by_member() -> None:
    """The list is shown, with its secrets masked."""
    request = AdminCreateUserRequest(username="ada", user_attributes=[AttributeType(name="email", value="a@b.c")])
    expected = "AdminCreateUserRequest(username=***, user_attributes=[AttributeType(name='email', value=***)])"
    assert repr(request) == expected


@pytest.mark.parametrize("given", [{"Value": CANARY}, [{"Value": CANARY}], CANARY, ({"Name": CANARY},)])
@pytest.mark.parametrize("how", PRINTERS)
def test_dicts_in_place_of_structures_are_masked(how: str, given: Any) -> None:
    """The dicts that boto3 takes are invalid here, but may be printed before anybody notices."""
    request = AdminCreateUserRequest(username="ada", user_attributes=given)
    assert CANARY not in PRINTERS[how](request)


@pytest.mark.parametrize("given", [{"a": {"AcrValue": CANARY}}, {"a": CANARY}, [{"AcrValue": CANARY}], CANARY])
def test_maps_of_dicts_in_place_of_structures_are_masked(given: Any) -> None:
    """Maps of structures are shown."""
    assert CANARY not in repr(operations.UserPoolType(acr_configuration=given))
    levels = {"a": operations.AcrLevelConfigType(acr_value="b")}
    assert repr(levels) in repr(operations.UserPoolType(acr_configuration=levels))


@pytest.mark.parametrize("pool_id", [f"{CANARY} ", f"{CANARY}\n", [CANARY]])
def test_repr_of_bound_values_masks_what_is_not_a_user_pool_id(pool_id: Any) -> None:
    """A secret may be passed as the wrong argument."""
    assert repr(Bound(user_pool_id=pool_id)) == "Bound(client_id=None, client_secret=None, user_pool_id=***)"


def test_repr_of_bound_values_shows_the_pool_of_an_emulator() -> None:
    """Its ID starts with no region."""
    assert repr(Bound(user_pool_id="local_AbC")).endswith("user_pool_id=local_AbC)")


async def test_secrets_are_data_for_those_who_ask_for_them() -> None:
    """Attributes and ``attrs.asdict`` return the values."""
    request = filled(request_types()["ConfirmForgotPassword"])
    assert (
        request.password == attrs.asdict(request)["password"] == canary(dict(members(type(request)))["password"].shape)
    )
    async with scripted_session(ScriptedTransport()) as session:
        assert session.client("abc", canary()).bound.client_secret == canary()
