"""The oracle: botocore and this package say and understand the same, for each operation.

Fifteen examples per operation and direction take less than a minute on two cores. The seed is not fixed here: each run
tries new inputs, except where the variable CI is set, so that a build fails only because of its change.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from cognito_async.errors import ServiceError, modelled
from cognito_async.protocol.validation import validate
from cognito_async.protocol.wire import HttpResponse, decode, encode, headers_for
from tests.support.strategies import (
    CHARACTERS,
    answers,
    by_wire_names,
    request_types,
    requests,
    service_model,
    smallest,
)

OPERATIONS = tuple(service_model().operation_names)
SERIALIZER = create_serializer("json", include_validation=False)
PARSER = create_parser("json")
oracle = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def comparable(value: Any) -> Any:
    """Return a value with strict equality: True is not 1, instants are compared as instants."""
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    if isinstance(value, datetime):
        assert value.tzinfo is not None
        return "instant", value.astimezone(UTC)
    return type(value).__name__, value


def response_of(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a response of the transport."""
    return HttpResponse(status, CIMultiDict(headers or {}), body)


def parsed_by_botocore(
    body: bytes, shape: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what botocore reads from a response, without its metadata."""
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    parsed: dict[str, Any] = PARSER.parse({"status_code": status, "headers": lower, "body": body}, shape)
    parsed.pop("ResponseMetadata", None)
    return parsed


def test_all_operations_have_request_classes() -> None:
    """All operations of the model have a request class with AWS's name and target."""
    assert len(OPERATIONS) == len(request_types()) > 150
    for name, kind in request_types().items():
        assert kind.OPERATION.name == name
        assert kind.__name__ == service_model().operation_model(name).input_shape.name


@pytest.mark.parametrize("name", OPERATIONS)
@oracle
@given(data=st.data())
def test_requests_equal_those_of_botocore(name: str, data: st.DataObject) -> None:
    """Target, headers and JSON; botocore finds the request valid, too."""
    request = data.draw(requests(name))
    model = service_model().operation_model(name)
    parameters = by_wire_names(request)
    validate(request)
    assert not ParamValidator().validate(parameters, model.input_shape).has_errors()
    theirs = SERIALIZER.serialize_to_request(parameters, model)
    assert theirs["headers"].items() <= headers_for(request.OPERATION, "an agent", "an id").items()
    assert (theirs["method"], theirs["url_path"], theirs["query_string"]) == ("POST", "/", "")
    assert comparable(json.loads(encode(request))) == comparable(json.loads(theirs["body"]))


@pytest.mark.parametrize("name", OPERATIONS)
@oracle
@given(data=st.data())
def test_responses_equal_those_of_botocore(name: str, data: st.DataObject) -> None:
    """The same values; null, absent and unknown members are absent on both sides."""
    drawn = data.draw(answers(name))
    assume(not isinstance(drawn.get("__type"), str))  # an error, whatever the status
    body = json.dumps(drawn).encode()
    request = smallest(request_types()[name])
    answer = decode(response_of(body), request)
    if request.OPERATION.response is None:
        assert answer is None
        return
    theirs = parsed_by_botocore(body, service_model().operation_model(name).output_shape)
    assert comparable(by_wire_names(answer)) == comparable(theirs)


# The smallest request consists of a character that no message below contains, so nothing in them is masked.
UNHEARD_OF = "\u2603"
MESSAGES = st.text(CHARACTERS.filter(lambda character: character != UNHEARD_OF), max_size=20)
FORMS = ("{0}", "com.amazonaws.cognito.identity.idp.model#{0}", "{0}:http://internal.amazon.com/coral/x/#y", "a.b#{0}:")


def error_codes(name: str) -> st.SearchStrategy[str]:
    """Return codes that an operation declares, and undeclared ones."""
    declared = [shape.name for shape in service_model().operation_model(name).error_shapes]
    return st.sampled_from([*declared, "NextYearsException", "ThrottlingException", "UnrecognizedClientException"])


@pytest.mark.parametrize("name", OPERATIONS)
@oracle
@given(data=st.data())
def test_errors_equal_those_of_botocore(name: str, data: st.DataObject) -> None:
    """Code, message and further members, in all forms and with any status."""
    code = data.draw(error_codes(name))
    error_members = {
        "__type": data.draw(st.sampled_from(FORMS)).format(code),
        **data.draw(st.fixed_dictionaries({}, optional={"message": MESSAGES, "reasonCode": st.text(max_size=8)})),
        **data.draw(st.fixed_dictionaries({}, optional={"Message": MESSAGES, "Unknown": st.integers()})),
    }
    status = data.draw(st.sampled_from([400, 401, 403, 404, 429, 500, 503]))
    headers = {"x-amzn-RequestId": "1-2-3"}
    body = json.dumps(error_members).encode()
    model = service_model().operation_model(name)
    theirs = parsed_by_botocore(body, model.output_shape, status, headers)["Error"]
    with pytest.raises(ServiceError) as caught:
        decode(response_of(body, status, headers), smallest(request_types()[name], UNHEARD_OF))
    ours = caught.value
    assert (ours.code, ours.message) == (theirs["Code"], theirs["Message"] or theirs["Code"])
    assert type(ours).__name__ == (code if code in modelled.BY_CODE else "ServiceError")
    assert (ours.status, ours.request_id, ours.operation) == (status, "1-2-3", name)
    error_shape = service_model().shape_for_error_code(code)
    if error_shape is not None:
        extra = parsed_by_botocore(body, error_shape, status)
        for attribute, wire_name in type(ours).EXTRA_MEMBERS.items():
            assert getattr(ours, attribute) == extra.get(wire_name)


def test_declared_errors_have_classes_and_members() -> None:
    """The exceptions of the model are the generated classes, with their members beyond the message."""
    declared = {shape.name: shape for shape in service_model().error_shapes}
    assert set(declared) == set(modelled.BY_CODE) == set(modelled.__all__)
    for code, shape in declared.items():
        extra = {wire_name for wire_name in shape.members if wire_name.lower() != "message"}
        assert set(modelled.BY_CODE[code].EXTRA_MEMBERS.values()) == extra, code


# AWS's rules for codes outside of ``__type``, which botocore's JSON parser does not follow.
ELSEWHERE: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
    ("the header", {}, {"x-amzn-ErrorType": "{0}"}),
    ("the header as it is on the wire", {}, {"x-amzn-ErrorType": "{0}:"}),
    ("the header with an address", {}, {"X-AMZN-ERRORTYPE": "{0}:http://internal.amazon.com/coral/x/"}),
    ("the header with a namespace", {}, {"x-amzn-errortype": "com.amazonaws#{0}:"}),
    ("code", {"code": "{0}"}, {"x-amzn-RequestId": "r-1"}),
    ("code with a namespace", {"code": "com.amazonaws.x#{0}:http://a/"}, {"x-amzn-RequestId": "r-1"}),
    ("__type before the header", {"__type": "a#{0}"}, {"x-amzn-ErrorType": "OtherException:"}),
    ("the header before code", {"code": "OtherException"}, {"x-amzn-ErrorType": "{0}:"}),
    ("__type before code", {"code": "OtherException", "__type": "{0}"}, {}),
    ("the header where __type is empty", {"__type": ""}, {"x-amzn-ErrorType": "{0}:"}),
    ("the header where __type is null", {"__type": None}, {"x-amzn-ErrorType": "{0}:"}),
    ("code where __type is not text", {"__type": 7, "code": "{0}"}, {"x-amzn-RequestId": "r-1"}),
)


@pytest.mark.parametrize("code", ["CodeMismatchException", "InvalidParameterException", "NextYearsException"])
@pytest.mark.parametrize(("body", "headers"), [row[1:] for row in ELSEWHERE], ids=[row[0] for row in ELSEWHERE])
def test_error_code_is_found_in_all_places(code: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    """``__type``, header or ``code``, with and without namespace and suffix."""
    written = {name: value.format(code) if isinstance(value, str) else value for name, value in body.items()}
    content = json.dumps({"message": "No.", "reasonCode": "R", **written}).encode()
    request = smallest(request_types()["ConfirmForgotPassword"])
    with pytest.raises(ServiceError) as caught:
        decode(response_of(content, 400, {name: value.format(code) for name, value in headers.items()}), request)
    assert (caught.value.code, caught.value.message) == (code, "No.")
    assert type(caught.value) is modelled.BY_CODE.get(code, ServiceError)
    assert getattr(caught.value, "reason_code", "R") == "R"
