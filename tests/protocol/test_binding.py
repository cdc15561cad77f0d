"""Bound values: a table of the members that a client fills for each operation."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from hmac import HMAC
from typing import Any

import pytest
from multidict import CIMultiDict

from cognito_async import AsyncCognitoSession, Credentials, ParameterValidationError
from cognito_async.protocol.binding import Bound, missing
from cognito_async.protocol.operation import Request
from cognito_async.protocol.secret_hash import secret_hash
from cognito_async.protocol.shapes import members
from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.strategies import by_wire_names, changed, request_types, service_model, smallest

CLIENT, SECRET, POOL = "bound-client", "bound-client-secret-0123456789", "eu-west-1_Bound"
BOUND = Bound(client_id=CLIENT, client_secret=SECRET, user_pool_id=POOL)

# From the service's documentation; the members' names do not show it.
OWN_SECRET = {
    "GetClientToken": "Secret",
    "GetDerivedToken": "ClientSecret",
    "GetTokensFromRefreshToken": "ClientSecret",
    "RevokeToken": "ClientSecret",
}
NEW_SECRET = {"AddUserPoolClientSecret": "ClientSecret", "CreateUserPoolClient": "ClientSecret"}
HASH_IN_MAP = {
    "AdminInitiateAuth": "AuthParameters",
    "AdminRespondToAuthChallenge": "ChallengeResponses",
    "InitiateAuth": "AuthParameters",
    "RespondToAuthChallenge": "ChallengeResponses",
}
HASH_MEMBER = {"ConfirmForgotPassword", "ConfirmSignUp", "ForgotPassword", "ResendConfirmationCode", "SignUp"}


def expected_hash(username: str, client_id: str = CLIENT) -> str:
    """Return the secret hash by its definition."""
    return b64encode(HMAC(SECRET.encode(), (username + client_id).encode(), sha256).digest()).decode()


def table() -> list[tuple[str, dict[str, str]]]:
    """Return the members that a client fills, by operation and with AWS's names."""
    rows = []
    for name in service_model().operation_names:
        wire_names = set(service_model().operation_model(name).input_shape.members)
        row = {"UserPoolId": POOL, "ClientId": CLIENT, "SecretHash": "the hash"}
        row = {wire_name: value for wire_name, value in row.items() if wire_name in wire_names}
        if name in OWN_SECRET:
            row[OWN_SECRET[name]] = SECRET
        if name in HASH_IN_MAP:
            row[HASH_IN_MAP[name]] = "the hash in the map"
        rows.append((name, row))
    return rows


ROWS = table()
NAMES = [name for name, _ in ROWS]


def python_names(kind: type[Request[Any]]) -> Mapping[str, str]:
    """Return our names of a request's members by AWS's names."""
    return {about.wire_name: name for name, about in members(kind)}


def bare(name: str) -> Request[Any]:
    """Return a request for the user ada without the members that a client fills."""
    request = smallest(request_types()[name])
    ours = python_names(type(request))
    changes: dict[str, Any] = {ours[wire_name]: None for wire_name in dict(ROWS)[name]}
    if "Username" in ours:
        changes["username"] = "ada"
    if name in HASH_IN_MAP:
        changes[ours[HASH_IN_MAP[name]]] = {"USERNAME": "ada", "PASSWORD": "p"}
    bared: Request[Any] = changed(request, **changes)
    return bared


def filled(request: Request[Any], bound: Bound = BOUND) -> dict[str, Any]:
    """Return the members that a client fills, by AWS's names."""
    wire_names = {name: about.wire_name for name, about in members(type(request))}
    return {wire_names[name]: value for name, value in missing(request, bound).items()}


def resolved_row(name: str, row: Mapping[str, str]) -> dict[str, Any]:
    """Return the row with the hash in its place."""
    in_map = {"USERNAME": "ada", "PASSWORD": "p", "SECRET_HASH": expected_hash("ada")}
    special = {"the hash": expected_hash("ada"), "the hash in the map": in_map}
    return {wire_name: special.get(value, value) for wire_name, value in row.items()}


def test_binding_table_covers_all_operations() -> None:
    """Exceptions name existing operations and members, and no other member could be meant."""
    assert len(ROWS) == len(NAMES)
    shapes = {name: service_model().operation_model(name).input_shape.members for name in NAMES}
    for name, wire_name in [*OWN_SECRET.items(), *NEW_SECRET.items(), *HASH_IN_MAP.items()]:
        assert wire_name in shapes[name]
    assert {name for name in NAMES if "SecretHash" in shapes[name]} == HASH_MEMBER
    secrets = {
        (name, wire_name) for name in NAMES for wire_name in shapes[name] if wire_name in {"ClientSecret", "Secret"}
    }
    assert secrets == {*OWN_SECRET.items(), *NEW_SECRET.items()}
    maps = {name for name in NAMES if {"AuthParameters", "ChallengeResponses"} & set(shapes[name])}
    assert maps == set(HASH_IN_MAP)


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_bound_values_fill_exactly_the_members_of_the_row(name: str, row: dict[str, str]) -> None:
    """With the bound value, or with the hash computed from it."""
    assert filled(bare(name)) == resolved_row(name, row)


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_values_of_the_call_take_precedence(name: str, row: dict[str, str]) -> None:
    """A member that is passed to the call is not changed."""
    request = bare(name)
    ours = python_names(type(request))
    given: dict[str, Any] = {ours[wire_name]: f"given {wire_name}" for wire_name in row}
    if name in HASH_IN_MAP:
        given[ours[HASH_IN_MAP[name]]] = {"USERNAME": "ada", "SECRET_HASH": "given"}
    assert filled(changed(request, **given)) == {}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_one_value_of_the_call_keeps_the_others_bound(name: str, row: dict[str, str]) -> None:
    """The other members are filled, unless the call names another app client."""
    expected = resolved_row(name, row)
    for wire_name in row.keys() - {"ClientId"} - set(HASH_IN_MAP.values()):
        request = bare(name)
        given = changed(request, **{python_names(type(request))[wire_name]: "given"})
        assert filled(given) == {other: value for other, value in expected.items() if other != wire_name}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_secret_is_not_used_for_another_app_client(name: str, row: dict[str, str]) -> None:
    """The secret and the hashes belong to the bound app client."""
    if "ClientId" not in row:
        return
    request = changed(bare(name), client_id="another-client")
    assert filled(request) == {wire_name: value for wire_name, value in row.items() if wire_name == "UserPoolId"}
    same = changed(request, client_id=CLIENT)
    assert filled(same) == {key: value for key, value in resolved_row(name, row).items() if key != "ClientId"}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_client_without_bound_values_fills_nothing(name: str, row: dict[str, str]) -> None:
    """The request is sent as it is."""
    assert filled(bare(name), Bound()) == {}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_client_without_secret_sends_no_hash(name: str, row: dict[str, str]) -> None:
    """The IDs are filled, and nothing that needs a secret."""
    plain = {key: value for key, value in row.items() if key in {"UserPoolId", "ClientId"}}
    assert filled(bare(name), Bound(client_id=CLIENT, user_pool_id=POOL)) == plain


@pytest.mark.parametrize(("name", "wire_name"), NEW_SECRET.items())
def test_bound_secret_is_not_sent_as_new_client_secret(name: str, wire_name: str) -> None:
    """Operations whose ClientSecret is a new one do not get the bound one."""
    assert wire_name not in filled(bare(name))
    assert SECRET not in str(filled(bare(name)))


@pytest.mark.parametrize("name", sorted(HASH_IN_MAP))
@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"PASSWORD": "p"},
        {"USERNAME": None},
        {"USERNAME": 7},
        {"USERNAME": "ada", "SECRET_HASH": ""},
        "USERNAME",
        ["USERNAME"],
    ],
    ids=repr,
)
def test_parameter_maps_without_username_get_no_hash(name: str, given: Any) -> None:
    """Nor do maps that have a hash, or requests without a map."""
    request = bare(name)
    wire_name = HASH_IN_MAP[name]
    assert wire_name not in filled(changed(request, **{python_names(type(request))[wire_name]: given}))


@pytest.mark.parametrize("name", sorted(HASH_IN_MAP))
def test_parameter_map_of_the_caller_is_not_changed(name: str) -> None:
    """The hash goes into a copy."""
    given = {"USERNAME": "ada"}
    request = bare(name)
    wire_name = HASH_IN_MAP[name]
    result = filled(changed(request, **{python_names(type(request))[wire_name]: given}))[wire_name]
    assert given == {"USERNAME": "ada"}
    assert result == {"USERNAME": "ada", "SECRET_HASH": expected_hash("ada")}


@pytest.mark.parametrize("name", sorted(HASH_MEMBER))
@pytest.mark.parametrize("username", [None, 7, b"ada", ["ada"]], ids=repr)
def test_invalid_username_gets_no_hash(name: str, username: Any) -> None:
    """Validation reports it afterwards."""
    assert "SecretHash" not in filled(changed(bare(name), username=username))


def test_secret_hash_equals_rfc_4231_vector() -> None:
    """The second test case of RFC 4231, split into username and client ID."""
    expected = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    assert b64decode(secret_hash("Jefe", "what do ya want ", "for nothing?")) == expected


def test_secret_hash_covers_utf8_of_username() -> None:
    """Lone surrogates are left to validation."""
    assert secret_hash(SECRET, "ада 😀", CLIENT) == expected_hash("ада 😀")
    assert len(secret_hash(SECRET, "\ud800", CLIENT)) == 44
    assert len(secret_hash("\ud800", "ada", CLIENT)) == 44


def test_longest_bound_values_are_valid() -> None:
    """A secret may contain spaces; without values there is nothing to check."""
    Bound(client_id="c" * 128, client_secret=f"a secret {'x' * 55}", user_pool_id=f"p_{'x' * 53}").check(at_aws=False)
    Bound().check(at_aws=True)


def test_repr_of_client_hides_secret_and_id() -> None:
    """Reprs end up in logs."""
    shown = f"{BOUND!r} {AsyncCognitoSession('eu-west-1').client(CLIENT, SECRET, POOL)!r}"
    assert SECRET not in shown
    assert CLIENT not in shown
    assert POOL in shown


class Echo:
    """A transport that keeps the last request and responds without a body."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Keep the body."""
        self.body = json.loads(request.body)
        return HttpResponse(200, CIMultiDict(), b"{}")

    async def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
async def test_client_sends_filled_members(name: str, row: dict[str, str]) -> None:
    """They are on the wire, and the caller's request is unchanged."""
    echo = Echo()
    keys = Credentials(access_key_id="AKID", secret_access_key="secret")
    request = bare(name)
    before = by_wire_names(request)
    async with AsyncCognitoSession("eu-west-1", transport=echo, credentials=keys) as session:
        await session.client(CLIENT, SECRET, POOL).send(request)
    sent = {wire_name: echo.body.get(wire_name) for wire_name in row}
    assert sent == resolved_row(name, row)
    assert by_wire_names(request) == before
    assert not echo.body.get("ClientSecret") or name in OWN_SECRET


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
async def test_required_member_without_bound_value_is_refused(name: str, row: dict[str, str]) -> None:
    """The error names the member, and nothing is sent."""
    needed = set(service_model().operation_model(name).input_shape.required_members) & row.keys()
    if not needed:
        return
    echo = Echo()
    async with AsyncCognitoSession("eu-west-1", transport=echo) as session:
        with pytest.raises(ParameterValidationError, match="is required") as caught:
            await session.client().send(bare(name))
    names = python_names(request_types()[name])
    assert caught.value.parameter in {names[wire_name] for wire_name in needed}
    assert caught.value.operation == name
    assert echo.body == {}
