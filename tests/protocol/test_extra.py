"""Members that this version does not know: ``extra`` of requests and responses."""

import copy
import json
import pickle
from typing import Any

import attrs
import pytest
from multidict import CIMultiDict

from cognito_async import ParameterValidationError, ServiceError
from cognito_async.operations import (
    AttributeType,
    ConfirmForgotPasswordRequest,
    GetGroupRequest,
    GroupType,
    UserType,
)
from cognito_async.protocol.shapes import Structure
from cognito_async.protocol.validation import validate
from cognito_async.protocol.wire import HttpResponse, decode, encode
from tests.support.canaries import CANARY, canary
from tests.support.scripted_transport import ScriptedTransport, respond, scripted_session
from tests.support.strategies import request_types, smallest

REQUEST: Any = GetGroupRequest(group_name="g", user_pool_id="eu-west-1_AbC")


def received(body: dict[str, Any], name: str = "GetGroup", status: int = 200) -> Any:
    """Decode a response."""
    response = HttpResponse(status, CIMultiDict(), json.dumps(body).encode())
    return decode(response, smallest(request_types()[name]))


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", request_types())
def test_extra_is_merged_into_the_json(name: str) -> None:
    """Of each request class; the other members stay as they are."""
    request = smallest(request_types()[name])
    more = attrs.evolve(request, extra={"NewMember": {"a": (1, None)}, "Other": True})
    validate(more)
    expected = {**json.loads(encode(request)), "NewMember": {"a": [1, None]}, "Other": True}
    assert json.loads(encode(more)) == expected


def test_extra_is_part_of_equality_and_copies_and_masked_in_reprs() -> None:
    """It is a field of the request."""
    request = attrs.evolve(REQUEST, extra={"NewMember": canary()})
    assert request != REQUEST
    assert copy.copy(request) == copy.deepcopy(request) == pickle.loads(pickle.dumps(request)) == request
    assert CANARY not in repr(request)
    assert "extra=***" in repr(request)
    assert "extra" not in repr(REQUEST)


@pytest.mark.parametrize(
    ("extra", "parameter"),
    [
        ([], "extra"),
        ("NewMember", "extra"),
        ({"NewMember": {1, 2}}, "extra['NewMember']"),
        ({"NewMember": b"bytes"}, "extra['NewMember']"),
        ({"NewMember": [float("inf")]}, "extra['NewMember'][0]"),
        ({1: "x"}, "extra[entry 0]"),
        ({"GroupName": "other"}, "extra['GroupName']"),
    ],
)
def test_invalid_extra_is_refused(extra: Any, parameter: str) -> None:
    """It must be JSON, and must not override a member that is set."""
    with pytest.raises(ParameterValidationError) as caught:
        validate(attrs.evolve(REQUEST, extra=extra))
    assert caught.value.parameter == parameter
    assert isinstance(extra, dict) or type(extra).__name__ in caught.value.rule


def test_extra_takes_a_known_member_that_is_not_set() -> None:
    """For example with a nested member that this version does not know."""
    request = ConfirmForgotPasswordRequest(
        client_id="abc", username="ada", confirmation_code="1", password="p" * 8, extra={"UserContextData": {"New": 1}}
    )
    assert json.loads(encode(request))["UserContextData"] == {"New": 1}


async def test_extra_is_sent_with_bound_values() -> None:
    """By ``client.send``; ``prepare`` keeps it."""
    transport = ScriptedTransport(respond(body=b"{}"))
    async with scripted_session(transport) as session:
        client = session.client("abc", "secret")
        request = ConfirmForgotPasswordRequest(
            username="ada", confirmation_code="1", password="p" * 8, extra={"NewMember": 1}
        )
        assert client.prepare(request).extra == {"NewMember": 1}
        await client.send(request)
    assert transport.attempts[0].json["NewMember"] == 1
    assert transport.attempts[0].json["ClientId"] == "abc"


def test_secrets_in_extra_are_masked_in_messages() -> None:
    """By name, at any depth."""
    request = attrs.evolve(REQUEST, extra={"NewToken": canary(), "Shoe": [{"Password": canary()}], "Size": "plain"})
    body = json.dumps({"__type": "InvalidParameterException", "message": f"{canary()} plain"}).encode()
    with pytest.raises(ServiceError) as caught:
        decode(HttpResponse(400, CIMultiDict(), body), request)
    assert caught.value.message == "*** plain"


# --- responses --------------------------------------------------------------------------------------------------------

GROUP = {"GroupName": "g", "Precedence": 1}


def test_unknown_members_are_in_extra() -> None:
    """At any depth, as in the JSON."""
    response = received({"Group": {**GROUP, "Shoe": {"Size": 43}}, "NewMember": [1], "Other": None})
    assert response.extra == {"NewMember": [1], "Other": None}
    assert response.group.extra == {"Shoe": {"Size": 43}}


@pytest.mark.parametrize("body", [{"Group": GROUP}, {"Group": {"GroupName": None}}, {"Group": None}, {}])
def test_response_without_unknown_members_has_an_empty_extra(body: dict[str, Any]) -> None:
    """A null member is known."""
    response = received(body)
    assert response.extra == {}
    assert response.group is None or response.group.extra == {}
    with pytest.raises(TypeError):
        response.extra["key"] = "value"


def test_extra_is_found_where_a_required_member_is_missing() -> None:
    """As many members as are known, but not the same ones."""
    user = received({"Users": [{"Attributes": [{"New": 1}, {"Value": "v", "New": 2}]}]}, "ListUsers").users[0]
    assert [attribute.extra for attribute in user.attributes] == [{"New": 1}, {"New": 2}]
    assert [attribute.name for attribute in user.attributes] == [None, None]


def test_extra_is_not_part_of_equality_and_repr() -> None:
    """A new member of the service must not break comparisons, and may be a secret."""
    plain, more = received({"Group": GROUP}), received({"Group": {**GROUP, "Shoe": canary()}, "New": canary()})
    assert plain == more
    assert hash(plain.group) == hash(more.group)
    assert repr(plain) == repr(more)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_keep_extra(copied: Any) -> None:
    """Shallow and deep copies, and pickles."""
    response = received({"Group": {**GROUP, "Shoe": 43}, "New": 1})
    assert copied(response) == response
    assert copied(response).extra == {"New": 1}
    assert copied(response).group.extra == {"Shoe": 43}
    assert copied(received({})).extra == {}


def test_hash_depends_on_the_members() -> None:
    """Sets of structures are quick."""
    assert len({hash(GroupType(group_name=str(number))) for number in range(100)}) > 90


def test_pickle_of_another_version_is_refused() -> None:
    """It has another number of members."""
    with pytest.raises(ValueError, match="zip"):
        GroupType().__setstate__(("g", None))


@pytest.mark.parametrize("made", [GroupType(), UserType(), AttributeType(name="a")])
def test_own_instances_have_an_empty_extra(made: Structure) -> None:
    """Such as those of tests."""
    assert made.extra == {}
