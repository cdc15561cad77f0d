"""The oracle: botocore and this package say and understand the same, for each operation.

Fifteen examples an operation and direction: the file stays far under a minute on two noisy cores, and six thousand
examples a run, over shapes that the operations share, are plenty. The seed is not fixed here. On a developer's machine
each run tries new inputs, which is what an oracle is for; where the variable CI is set, hypothesis's own profile
derandomizes, so that no build fails for a reason that its change did not bring.
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
    """Turn a value into one whose equality is strict: True is not 1, an instant is an instant, bytes are bytes."""
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    if isinstance(value, datetime):
        assert value.tzinfo is not None
        return "instant", value.astimezone(UTC)
    return type(value).__name__, value


def response_of(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Make an answer as the transport gives it."""
    return HttpResponse(status, CIMultiDict(headers or {}), body)


def parsed_by_botocore(
    body: bytes, shape: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Read an answer with botocore; its own notes on the transport are left out."""
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    parsed: dict[str, Any] = PARSER.parse({"status_code": status, "headers": lower, "body": body}, shape)
    parsed.pop("ResponseMetadata", None)
    return parsed


def test_the_oracle_covers_every_operation() -> None:
    """All operations of the model have a request class, named and targeted as AWS names them."""
    assert len(OPERATIONS) == len(request_types()) > 150
    for name, kind in request_types().items():
        assert kind.OPERATION.name == name
        assert kind.__name__ == service_model().operation_model(name).input_shape.name


@pytest.mark.parametrize("name", OPERATIONS)
@oracle
@given(data=st.data())
def test_requests_are_those_of_botocore(name: str, data: st.DataObject) -> None:
    """Any valid request gives botocore's target, headers and JSON, and botocore finds it valid too."""
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
def test_answers_are_read_as_botocore_reads_them(name: str, data: st.DataObject) -> None:
    """Any answer gives the same values by AWS's names; what is null, absent or unknown is absent on both sides."""
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


# The smallest request consists of a character that no message below holds, so that nothing in them gets redacted.
UNHEARD_OF = "\u2603"
MESSAGES = st.text(CHARACTERS.filter(lambda character: character != UNHEARD_OF), max_size=20)
FORMS = ("{0}", "com.amazonaws.cognito.identity.idp.model#{0}", "{0}:http://internal.amazon.com/coral/x/#y", "a.b#{0}:")


def error_codes(name: str) -> st.SearchStrategy[str]:
    """Choose among the codes that an operation declares, and codes that nobody declares."""
    declared = [shape.name for shape in service_model().operation_model(name).error_shapes]
    return st.sampled_from([*declared, "NextYearsException", "ThrottlingException", "UnrecognizedClientException"])


@pytest.mark.parametrize("name", OPERATIONS)
@oracle
@given(data=st.data())
def test_errors_are_read_as_botocore_reads_them(name: str, data: st.DataObject) -> None:
    """Code, message and further members are botocore's, whatever the status and however the code is dressed up."""
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


def test_every_declared_error_has_its_class_and_members() -> None:
    """The exceptions of the model are the generated classes, with the members that they carry beyond the message."""
    declared = {shape.name: shape for shape in service_model().error_shapes}
    assert set(declared) == set(modelled.BY_CODE) == set(modelled.__all__)
    for code, shape in declared.items():
        extra = {wire_name for wire_name in shape.members if wire_name.lower() != "message"}
        assert set(modelled.BY_CODE[code].EXTRA_MEMBERS.values()) == extra, code


# What botocore's JSON parser leaves out: the code outside ``__type``. These are AWS's rules for the protocol.
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
def test_the_code_is_found_wherever_it_is(code: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    """The code may stand in ``__type``, in the header or in ``code``, with a namespace and a tail or without."""
    written = {name: value.format(code) if isinstance(value, str) else value for name, value in body.items()}
    content = json.dumps({"message": "No.", "reasonCode": "R", **written}).encode()
    request = smallest(request_types()["ConfirmForgotPassword"])
    with pytest.raises(ServiceError) as caught:
        decode(response_of(content, 400, {name: value.format(code) for name, value in headers.items()}), request)
    assert (caught.value.code, caught.value.message) == (code, "No.")
    assert type(caught.value) is modelled.BY_CODE.get(code, ServiceError)
    assert getattr(caught.value, "reason_code", "R") == "R"
