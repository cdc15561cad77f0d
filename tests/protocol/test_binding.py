"""Bound values: one row per operation tells what a client fills in, and nothing else is ever filled."""

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

# What the names of the members don't tell, from the service's documentation.
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
    """Compute the secret hash by its definition."""
    return b64encode(HMAC(SECRET.encode(), (username + client_id).encode(), sha256).digest()).decode()


def table() -> list[tuple[str, dict[str, str]]]:
    """Tell for each operation which members a client fills, by AWS's names: a row for each."""
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
    """Map AWS's names of a request's members to ours."""
    return {about.wire_name: name for name, about in members(kind)}


def bare(name: str) -> Request[Any]:
    """Make a request that leaves out all that a client fills in, with the user ada."""
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
    """Give what a client fills in, by AWS's names."""
    wire_names = {name: about.wire_name for name, about in members(type(request))}
    return {wire_names[name]: value for name, value in missing(request, bound).items()}


def resolved_row(name: str, row: Mapping[str, str]) -> dict[str, Any]:
    """Put the hash where the table says so."""
    in_map = {"USERNAME": "ada", "PASSWORD": "p", "SECRET_HASH": expected_hash("ada")}
    special = {"the hash": expected_hash("ada"), "the hash in the map": in_map}
    return {wire_name: special.get(value, value) for wire_name, value in row.items()}


def test_the_table_is_whole() -> None:
    """Each operation has a row; exceptions name existing operations and members, and no other member could be meant."""
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
def test_what_is_left_out_is_filled_in(name: str, row: dict[str, str]) -> None:
    """Exactly the members of the row are filled, with the bound value or what is computed from it."""
    assert filled(bare(name)) == resolved_row(name, row)


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_what_the_call_gives_wins(name: str, row: dict[str, str]) -> None:
    """A member that the call gives is left as it is, whatever the client is bound to."""
    request = bare(name)
    ours = python_names(type(request))
    given: dict[str, Any] = {ours[wire_name]: f"given {wire_name}" for wire_name in row}
    if name in HASH_IN_MAP:
        given[ours[HASH_IN_MAP[name]]] = {"USERNAME": "ada", "SECRET_HASH": "given"}
    assert filled(changed(request, **given)) == {}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_each_value_alone_wins(name: str, row: dict[str, str]) -> None:
    """One member that the call gives does not keep the others from being filled, unless it names another client."""
    expected = resolved_row(name, row)
    for wire_name in row.keys() - {"ClientId"} - set(HASH_IN_MAP.values()):
        request = bare(name)
        given = changed(request, **{python_names(type(request))[wire_name]: "given"})
        assert filled(given) == {other: value for other, value in expected.items() if other != wire_name}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_another_client_gets_no_secret(name: str, row: dict[str, str]) -> None:
    """The secret, and each hash made of it, belongs to the bound client; a call for another one goes without."""
    if "ClientId" not in row:
        return
    request = changed(bare(name), client_id="another-client")
    assert filled(request) == {wire_name: value for wire_name, value in row.items() if wire_name == "UserPoolId"}
    same = changed(request, client_id=CLIENT)
    assert filled(same) == {key: value for key, value in resolved_row(name, row).items() if key != "ClientId"}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_nothing_bound_fills_nothing(name: str, row: dict[str, str]) -> None:
    """A client that is bound to nothing sends what it is given."""
    assert filled(bare(name), Bound()) == {}


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
def test_a_client_without_a_secret_sends_no_hash(name: str, row: dict[str, str]) -> None:
    """The two ids are filled in, and nothing that would need a secret."""
    plain = {key: value for key, value in row.items() if key in {"UserPoolId", "ClientId"}}
    assert filled(bare(name), Bound(client_id=CLIENT, user_pool_id=POOL)) == plain


@pytest.mark.parametrize(("name", "wire_name"), NEW_SECRET.items())
def test_the_bound_secret_is_no_new_secret(name: str, wire_name: str) -> None:
    """Where ClientSecret is the one to be made, the bound one stays out of the whole request."""
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
def test_maps_without_a_user_are_left_alone(name: str, given: Any) -> None:
    """No user in the map, a hash already there, or no map at all: nothing is computed, and nothing fails."""
    request = bare(name)
    wire_name = HASH_IN_MAP[name]
    assert wire_name not in filled(changed(request, **{python_names(type(request))[wire_name]: given}))


@pytest.mark.parametrize("name", sorted(HASH_IN_MAP))
def test_the_callers_map_is_not_changed(name: str) -> None:
    """The hash goes into a copy: the caller may use the same map for the next call."""
    given = {"USERNAME": "ada"}
    request = bare(name)
    wire_name = HASH_IN_MAP[name]
    result = filled(changed(request, **{python_names(type(request))[wire_name]: given}))[wire_name]
    assert given == {"USERNAME": "ada"}
    assert result == {"USERNAME": "ada", "SECRET_HASH": expected_hash("ada")}


@pytest.mark.parametrize("name", sorted(HASH_MEMBER))
@pytest.mark.parametrize("username", [None, 7, b"ada", ["ada"]], ids=repr)
def test_a_user_name_that_is_none_is_left_to_validation(name: str, username: Any) -> None:
    """A missing or mistyped user name gets no hash and no crash; the check that follows names it."""
    assert "SecretHash" not in filled(changed(bare(name), username=username))


def test_a_known_hash() -> None:
    """The second test case of RFC 4231, cut in two where the user name ends and the client id starts."""
    expected = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    assert b64decode(secret_hash("Jefe", "what do ya want ", "for nothing?")) == expected


def test_the_hash_of_unusual_names() -> None:
    """The hash covers the user name's UTF-8; half of a surrogate pair is left for validation to refuse."""
    assert secret_hash(SECRET, "ада 😀", CLIENT) == expected_hash("ада 😀")
    assert len(secret_hash(SECRET, "\ud800", CLIENT)) == 44


def test_bound_secrets_are_not_shown() -> None:
    """A client's repr, which ends up in logs, shows neither its secret nor its id."""
    shown = f"{BOUND!r} {AsyncCognitoSession('eu-west-1').client(CLIENT, SECRET, POOL)!r}"
    assert SECRET not in shown
    assert CLIENT not in shown
    assert POOL in shown


class Echo:
    """A transport that keeps the last request and answers with nothing."""

    def __init__(self) -> None:
        self.body: dict[str, Any] = {}

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Keep the body."""
        self.body = json.loads(request.body)
        return HttpResponse(200, CIMultiDict(), b"{}")

    async def close(self) -> None:
        """Have nothing to close."""


@pytest.mark.parametrize(("name", "row"), ROWS, ids=NAMES)
async def test_clients_send_what_they_fill_in(name: str, row: dict[str, str]) -> None:
    """Through a client it reaches the wire, and the caller's request is as it was."""
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
async def test_what_nobody_gives_is_required(name: str, row: dict[str, str]) -> None:
    """Without a bound value a member that the service requires is asked for by its name, before anything is sent."""
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
