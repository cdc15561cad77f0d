"""Encoding of requests and decoding of any response: a value or a CognitoError, never a secret."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from time import tzset
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from cognito_async import operations as ops
from cognito_async.errors import (
    CodeMismatchException,
    CognitoError,
    InvalidResponseError,
    ParameterValidationError,
    ServiceError,
    TransportError,
)
from cognito_async.protocol import wire
from cognito_async.protocol.idempotency import is_ambiguous
from cognito_async.protocol.operation import Request
from cognito_async.protocol.shapes import Structure, members
from cognito_async.protocol.validation import validate
from cognito_async.protocol.wire import (
    Body,
    HttpRequest,
    HttpResponse,
    decode,
    encode,
    from_json,
    headers_for,
    needs_no_body,
    to_json,
)
from tests.support.strategies import (
    DOCUMENTS,
    by_wire_names,
    request_types,
    requests,
    service_model,
    smallest,
    wire_values,
)

CANARY = "canary-7f3a"
POOL = "eu-west-1_AbC"
DEEP_LIST: list[Any] = []
DEEP_LIST.append(DEEP_LIST)


def response(body: bytes | str = b"", status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """Return a response of the transport."""
    return HttpResponse(status, CIMultiDict(headers or {}), body.encode() if isinstance(body, str) else body)


def read(name: str, answer: Any) -> Any:
    """Decode the JSON response of an operation."""
    return decode(response(json.dumps(answer)), smallest(request_types()[name]))


def outcome(answer: HttpResponse, request: Request[Any]) -> Any:
    """Decode a response, and return the error if there is one."""
    try:
        return decode(answer, request)
    except CognitoError as error:
        return error


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error with its causes and contexts."""
    seen: list[BaseException] = []
    ends: list[BaseException | None] = [error]
    while ends:
        end = ends.pop()
        if end is not None and end not in seen:
            seen.append(end)
            yield end
            ends += [end.__cause__, end.__context__]


def texts_of(error: BaseException) -> str:
    """Return the texts and attributes of an error and its causes."""
    return " ".join(f"{each} {each!r} {each.args!r} {vars(each)!r}" for each in chain(error))


# --- requests ---


def test_encoded_request() -> None:
    """AWS's names, no None, ASCII only."""
    request = ops.ConfirmForgotPasswordRequest(
        client_id="c",
        username="åda",
        confirmation_code="1",
        password="correct horse",
        user_context_data=ops.UserContextDataType(ip_address="::1"),
        client_metadata={},
    )
    body = encode(request)
    assert body.isascii()
    assert json.loads(body) == {
        "ClientId": "c",
        "Username": "åda",
        "ConfirmationCode": "1",
        "Password": "correct horse",
        "UserContextData": {"IpAddress": "::1"},
        "ClientMetadata": {},
    }
    assert headers_for(request.OPERATION, "an agent", "an id") == {
        "Accept-Encoding": "identity",
        "User-Agent": "an agent",
        "amz-sdk-invocation-id": "an id",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.ConfirmForgotPassword",
    }


def test_falsy_values_are_sent() -> None:
    """Zero, False, and empty texts, lists and maps; only None is omitted."""
    request = ops.CreateGroupRequest(user_pool_id=POOL, group_name="g", description="", precedence=0, role_arn=None)
    assert json.loads(encode(request)) == {"UserPoolId": POOL, "GroupName": "g", "Description": "", "Precedence": 0}
    create = ops.AdminCreateUserRequest(
        user_pool_id=POOL, username="ada", user_attributes=[], client_metadata={}, force_alias_creation=False
    )
    assert json.loads(encode(create)) == {
        "UserPoolId": POOL,
        "Username": "ada",
        "UserAttributes": [],
        "ClientMetadata": {},
        "ForceAliasCreation": False,
    }


@given(content=st.binary(max_size=200))
def test_blobs_are_base64(content: bytes) -> None:
    """In both directions, also inside lists."""
    sent = json.loads(encode(ops.SetUICustomizationRequest(user_pool_id=POOL, image_file=content)))
    assert sent["ImageFile"] == b64encode(content).decode()
    asset = ops.AssetType(category="FORM_LOGO", color_mode="LIGHT", extension="PNG", bytes_=content)
    body = json.loads(encode(ops.CreateManagedLoginBrandingRequest(user_pool_id=POOL, client_id="c", assets=[asset])))
    assert body["Assets"][0]["Bytes"] == b64encode(content).decode()
    answer = read("DescribeManagedLoginBranding", {"ManagedLoginBranding": {"Assets": body["Assets"]}})
    assert answer.managed_login_branding.assets == [asset]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(document=DOCUMENTS)
def test_documents_are_unchanged(document: Any) -> None:
    """Whatever looks like a member or a null in them."""
    request = ops.UpdateManagedLoginBrandingRequest(settings=document)
    validate(request)
    sent = json.loads(encode(request))
    assert json.dumps(sent.get("Settings")) == json.dumps(document)
    assert ("Settings" in sent) == (document is not None)
    answer = read("UpdateManagedLoginBranding", {"ManagedLoginBranding": {"Settings": document}})
    assert json.dumps(answer.managed_login_branding.settings) == json.dumps(document)


def test_tuples_in_documents_are_lists() -> None:
    """At any depth, as are other mappings."""
    request = ops.UpdateManagedLoginBrandingRequest(
        settings=MappingProxyType({"a": (MappingProxyType({"b": (1, None)}),)})
    )
    assert json.loads(encode(request))["Settings"] == {"a": [{"b": [1, None]}]}


@pytest.mark.parametrize(
    ("time", "number"),
    [
        (datetime(2025, 11, 1, 12, 26, 40, tzinfo=UTC), "1762000000"),
        (datetime(2025, 11, 1, 14, 26, 40, tzinfo=timezone(timedelta(hours=2))), "1762000000"),
        (datetime(2025, 11, 1, 12, 26, 40, 1, tzinfo=UTC), "1762000000.000001"),
        (datetime(2025, 11, 1, 12, 26, 40, 999_999, tzinfo=UTC), "1762000000.999999"),
        (datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC), "-1.5"),
        (datetime(1970, 1, 1, tzinfo=UTC), "0"),
    ],
)
def test_timestamps_are_sent_as_epoch_seconds(time: datetime, number: str) -> None:
    """With a fraction only if there is one."""
    body = encode(ops.InitiatePointInTimeRecoveryRequest(user_pool_id=POOL, restore_timestamp=time))
    assert body.endswith(f'"RestoreTimestamp": {number}}}'.encode())


@pytest.mark.parametrize("number", [0, 1, 2**31, 2**53 + 1, 2**63 - 1])
def test_64_bit_integers_are_exact(number: int) -> None:
    """In both directions."""
    assert (
        json.loads(encode(ops.UpdateGroupRequest(user_pool_id=POOL, group_name="g", precedence=number)))["Precedence"]
        == number
    )
    answer = read("DescribeUserImportJob", {"UserImportJob": {"ImportedUsers": number}})
    assert answer.user_import_job.imported_users == number
    assert type(answer.user_import_job.imported_users) is int


def test_repr_of_a_body_shows_its_size_only() -> None:
    """It holds passwords and tokens."""
    assert repr(Body(CANARY.encode())) == f"<request body of {len(CANARY)} bytes>"


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (ops.ForgotPasswordRequest(client_id="c", username="u"), {"ClientId": "c", "Username": "u"}),
        (ops.ForgotPasswordRequest(client_id="c" * 128, username="u"), {"ClientId": "c" * 128, "Username": "u"}),
        (
            ops.CreateGroupRequest(user_pool_id=POOL, group_name="g", precedence=0),
            {"UserPoolId": POOL, "GroupName": "g", "Precedence": 0},
        ),
        (ops.ListGroupsRequest(user_pool_id=POOL, limit=60), {"UserPoolId": POOL, "Limit": 60}),
        *(
            (
                ops.UpdateUserPoolDomainRequest(user_pool_id=POOL, domain="d", managed_login_version=version),
                {"UserPoolId": POOL, "Domain": "d", "ManagedLoginVersion": version},
            )
            for version in (-1, 2**63 - 1)
        ),
        (ops.RevokeTokenRequest(token="t" * 20_000, client_id="c"), {"Token": "t" * 20_000, "ClientId": "c"}),
        (ops.InitiateAuthRequest(client_id="c", auth_flow="USER_AUTH"), {"ClientId": "c", "AuthFlow": "USER_AUTH"}),
        (
            ops.AdminSetUserPasswordRequest(user_pool_id=POOL, username="u", password='"\\\n\x7f', permanent=True),
            {"UserPoolId": POOL, "Username": "u", "Password": '"\\\n\x7f', "Permanent": True},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_simple_requests_are_encoded_in_one_step(
    request_: Request[Any], body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Valid text, numbers and booleans need no separate validation, and do not import cattrs."""
    monkeypatch.setattr(wire, "validate", pytest.fail)
    assert json.loads(encode(request_)) == body


@pytest.mark.parametrize(
    ("request_", "parameter"),
    [
        (ops.ForgotPasswordRequest(username="u"), "client_id"),
        (ops.ForgotPasswordRequest(client_id="", username="u"), "client_id"),
        (ops.ForgotPasswordRequest(client_id="c" * 129, username="u"), "client_id"),
        (ops.CreateGroupRequest(user_pool_id=POOL, group_name="g", precedence=-1), "precedence"),
        (ops.ListGroupsRequest(user_pool_id=POOL, limit=61), "limit"),
        (ops.CreateGroupRequest(user_pool_id=POOL, group_name="g", precedence=2**63), "precedence"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_simple_requests_out_of_bounds_are_refused(request_: Request[Any], parameter: str) -> None:
    """When they are encoded."""
    with pytest.raises(ParameterValidationError) as caught:
        encode(request_)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, "\u00e4"]}, '{"a":[1,null,"\\u00e4"]}'),
        (object(), None),
        ([float("nan")], None),
        (DEEP_LIST, None),
    ],
    ids=["JSON", "object", "NaN", "depth"],
)
def test_json_of_a_value(value: Any, text: str | None) -> None:
    """Compact; None for a value that is not JSON."""
    assert to_json(value) == text


def test_json_in_unicode() -> None:
    """For texts that are encoded again."""
    assert to_json(["\u00e4"], ensure_ascii=False) == '["\u00e4"]'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": [1]}', {"a": [1]}),
        ("null", None),
        ("{", None),
        ('"\ud800"', "\ud800"),
        ("", None),
        ("[" * 100_000, None),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_value_of_a_json_text(text: str, value: Any) -> None:
    """None for a text that is not JSON."""
    assert from_json(text) == value


# --- responses ---


@pytest.mark.parametrize(
    ("sent", "time"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_762_000_000, datetime(2025, 11, 1, 12, 26, 40, tzinfo=UTC)),
        ("1762000000.5", datetime(2025, 11, 1, 12, 26, 40, 500_000, tzinfo=UTC)),
        (" 1.762e9 ", datetime(2025, 11, 1, 12, 26, 40, tzinfo=UTC)),
        (1_762_000_000.123, datetime(2025, 11, 1, 12, 26, 40, 123_000, tzinfo=UTC)),
        (1_762_000_000.000_001, datetime(2025, 11, 1, 12, 26, 40, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)),
        (253_402_300_799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (253_402_300_799.5, datetime(9999, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)),
        (253_402_300_800, datetime(1978, 1, 11, 21, 31, 40, 800_000, tzinfo=UTC)),
        (1_762_000_000_123, datetime(2025, 11, 1, 12, 26, 40, 123_000, tzinfo=UTC)),
        ("1762000000123", datetime(2025, 11, 1, 12, 26, 40, 123_000, tzinfo=UTC)),
        ("2022-09-08T09:59:29.898Z", datetime(2022, 9, 8, 9, 59, 29, 898_000, tzinfo=UTC)),
        ("2022-09-08T09:59:29z", datetime(2022, 9, 8, 9, 59, 29, tzinfo=UTC)),
        ("2022-09-08T09:59:29.898123456Z", datetime(2022, 9, 8, 9, 59, 29, 898_123, tzinfo=UTC)),
        ("2022-09-08T09:59:29+02:00", datetime(2022, 9, 8, 7, 59, 29, tzinfo=UTC)),
        ("2022-09-08T09:59:29.5-0330", datetime(2022, 9, 8, 13, 29, 29, 500_000, tzinfo=UTC)),
        ("2022-09-08 09:59:29", datetime(2022, 9, 8, 9, 59, 29, tzinfo=UTC)),
        ("20220908T095929Z", datetime(2022, 9, 8, 9, 59, 29, tzinfo=UTC)),
        (" 2022-09-08 ", datetime(2022, 9, 8, tzinfo=UTC)),
    ],
)
def test_timestamps_are_aware_datetimes_in_utc(sent: float | str, time: datetime) -> None:
    """Epoch seconds, epoch milliseconds and ISO 8601, as numbers or text, keep their fraction."""
    user = read("ListUsers", {"Users": [{"UserCreateDate": sent}]}).users[0]
    assert user.user_create_date == time
    assert user.user_create_date.tzinfo is UTC


@pytest.mark.parametrize("sent", ["2022-09-08T09:59:29", "2022-09-08T09:59:29Z", 1_662_631_169])
def test_timestamps_do_not_depend_on_the_local_time_zone(sent: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a time zone, they are in UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        tzset()
        try:
            user = read("ListUsers", {"Users": [{"UserCreateDate": sent}]}).users[0]
        finally:
            patch.undo()
            tzset()
    assert user.user_create_date == datetime(2022, 9, 8, 9, 59, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    "sent",
    [
        *(CANARY, "", " ", "tomorrow", "2022-13-01", "2022-09-08T25:00:00Z", "1_0", "nan", "inf", "-Infinity", "1e300"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", [CANARY], [], {}, {"$date": 1}, True, False),
        *(1e300, 10**300, 10**14, -(10**14), float("nan"), float("inf"), -float("inf")),
    ],
    ids=lambda sent: repr(sent)[:30],
)
def test_unreadable_timestamps_are_none(sent: Any) -> None:
    """A time that cannot be read loses neither the rest of the response nor the call."""
    user = read("ListUsers", {"Users": [{"UserCreateDate": sent, "Username": "ada"}]}).users[0]
    assert user.user_create_date is None
    assert user.username == "ada"


@given(milliseconds=st.integers(0, 4_102_444_800_000))
def test_timestamps_keep_milliseconds(milliseconds: int) -> None:
    """The service's milliseconds survive the float that JSON makes of them."""
    user = read("AdminGetUser", {"Username": "ada", "UserCreateDate": milliseconds / 1000})
    assert user.user_create_date == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def test_structures_are_typed_at_any_depth() -> None:
    """Alone, in lists, in maps."""
    answer = read(
        "InitiateAuth",
        {
            "AuthenticationResult": {"ExpiresIn": 3600, "NewDeviceMetadata": {"DeviceKey": "k"}},
            "ChallengeParameters": {"a": "b"},
            "AvailableChallenges": ["PASSWORD", "NEXT_YEARS"],
        },
    )
    assert answer == ops.InitiateAuthResponse(
        authentication_result=ops.AuthenticationResultType(
            expires_in=3600, new_device_metadata=ops.NewDeviceMetadataType(device_key="k")
        ),
        challenge_parameters={"a": "b"},
        available_challenges=["PASSWORD", "NEXT_YEARS"],
    )
    pool = read(
        "DescribeUserPoolClient",
        {"UserPoolClient": {"ClientId": "c", "ReadAttributes": [], "AnalyticsConfiguration": {}}},
    )
    assert pool.user_pool_client.read_attributes == []
    assert pool.user_pool_client.analytics_configuration == ops.AnalyticsConfigurationType()
    levels = {"urn:cognito:1": {"AcrValue": "low"}, "urn:cognito:2": None}
    described = read("DescribeUserPool", {"UserPool": {"AcrConfiguration": levels}}).user_pool
    assert described.acr_configuration == {
        "urn:cognito:1": ops.AcrLevelConfigType(acr_value="low"),
        "urn:cognito:2": None,
    }


def test_unknown_members_are_ignored_and_unknown_values_kept() -> None:
    """Of a newer service."""
    answer = read(
        "ListUsers", {"Users": [{"Username": "a", "UserStatus": "ASCENDED", "Shoe": {"Size": 43}}], "New": [1]}
    )
    assert answer == ops.ListUsersResponse(users=[ops.UserType(username="a", user_status="ASCENDED")])


def test_nulls_are_none() -> None:
    """For a member, an element and an entry."""
    answer = read("ListUsers", {"Users": [None, {"Username": None, "Attributes": [None]}], "PaginationToken": None})
    assert by_wire_names(answer) == {"Users": [None, {"Attributes": [None]}]}
    assert read("InitiateAuth", {"ChallengeParameters": {"a": None}}).challenge_parameters == {"a": None}


ANSWERING = [name for name, kind in request_types().items() if kind.OPERATION.response is not None]
SILENT = [name for name, kind in request_types().items() if kind.OPERATION.response is None]


@pytest.mark.parametrize("name", ANSWERING)
def test_response_without_members_has_none(name: str) -> None:
    """Members that the model requires are None, too."""
    answer = decode(response(b"{}"), smallest(request_types()[name]))
    assert type(answer) is request_types()[name].OPERATION.response
    assert all(getattr(answer, python) is None for python, _ in members(type(answer)))


@pytest.mark.parametrize("name", ANSWERING)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b" "),
        (200, b"[]"),
        (200, b"null"),
        (200, b'"{}"'),
        (204, b""),
        (205, b"{}"),
        (101, b""),
        (100, b"{}"),
        (199, b"{}"),
        (200, b'{"__type": "InternalErrorException"}'),
    ],
)
def test_response_with_members_needs_success_and_object(name: str, status: int, body: bytes) -> None:
    """Anything else is an InvalidResponseError, and ambiguous: the service may have applied the request."""
    with pytest.raises(InvalidResponseError) as caught:
        decode(response(body, status), smallest(request_types()[name]))
    assert caught.value.status == status
    assert is_ambiguous(caught.value)


@pytest.mark.parametrize("status", [100, 101, 102, 199, 205])
def test_status_outside_success_is_not_a_success(status: int) -> None:
    """Not for an operation without response members either."""
    with pytest.raises(InvalidResponseError) as caught:
        decode(response(b"{}", status), smallest(ops.ConfirmForgotPasswordRequest))
    assert is_ambiguous(caught.value)


def test_partial_content_is_a_success_only_if_complete() -> None:
    """With and without response members."""
    complete, incomplete = response(b"{}", 206), response(b"{}", 206)
    incomplete.complete = False
    for request in (smallest(ops.ConfirmForgotPasswordRequest), smallest(ops.ListUsersRequest)):
        decode(complete, request)
        with pytest.raises((InvalidResponseError, TransportError)) as caught:
            decode(incomplete, request)
        assert is_ambiguous(caught.value)


@pytest.mark.parametrize("content_range", ["bytes 0-1/2", "bytes 1-1/2", "x-bytes 0-1/2"])
def test_partial_content_up_to_the_end_is_a_success(content_range: str) -> None:
    """Of a proxy that responds with ranges."""
    whole = response(b"{}", 206, {"Content-Range": content_range})
    assert decode(whole, smallest(ops.ConfirmForgotPasswordRequest)) is None
    assert decode(whole, smallest(ops.ListUsersRequest)) == ops.ListUsersResponse()


@pytest.mark.parametrize("headers", [{"Content-Type": "Application/JSON"}, {"Content-Encoding": "Identity"}])
def test_json_of_any_content_type_and_encoding_identity_is_read(headers: dict[str, str]) -> None:
    """Without regard to case."""
    assert decode(response(b'{"New": 1}', headers=headers), smallest(ops.ConfirmForgotPasswordRequest)) is None
    page = response(b'{"PaginationToken": "t"}', headers=headers)
    assert decode(page, smallest(ops.ListUsersRequest)).pagination_token == "t"


@pytest.mark.parametrize(
    ("users", "is_read"),
    [('[{"Username":"a"},{},{}]', True), ('[{"Username":"a"},{},{},{}]', False), ('[{"Username":"a","b":1}]', False)],
)
def test_large_body_with_too_many_members_is_refused(
    users: str, monkeypatch: pytest.MonkeyPatch, *, is_read: bool
) -> None:
    """Freeing them would block all threads; smaller bodies are read whatever they hold."""
    body = f'{{"Users":{users}}}'
    monkeypatch.setattr(wire, "MAX_CONTAINERS", 5)
    monkeypatch.setattr(wire, "MAX_PAIRS", 2)
    assert decode(response(body), smallest(ops.ListUsersRequest)).users
    monkeypatch.setattr(wire, "LARGE_BODY", len(body) - 1)
    value = outcome(response(body), smallest(ops.ListUsersRequest))
    assert isinstance(value, ops.ListUsersResponse if is_read else InvalidResponseError)
    monkeypatch.setattr(wire, "LARGE_BODY", len(body))
    assert isinstance(outcome(response(body), smallest(ops.ListUsersRequest)), ops.ListUsersResponse)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"login": "required"}', "text/html"),
        (b'{"__type": "InternalErrorException"}', "application/x-amz-json-1.1"),
        (b"<html>", "text/html"),
        (b"ok", "text/plain"),
    ],
)
def test_page_of_a_proxy_is_not_a_success(body: bytes, content_type: str) -> None:
    """An operation without response members succeeds with an empty body or the JSON of the service only."""
    page = HttpResponse(200, CIMultiDict({"Content-Type": content_type}), body)
    with pytest.raises(InvalidResponseError) as caught:
        decode(page, smallest(ops.ConfirmForgotPasswordRequest))
    assert is_ambiguous(caught.value)


def test_compressed_body_is_refused() -> None:
    """A success stays ambiguous; an error is known by its header."""
    packed = gzip.compress(b'{"Users": []}')
    headers = CIMultiDict({"Content-Encoding": "gzip"})
    with pytest.raises(InvalidResponseError) as caught:
        decode(HttpResponse(200, headers, packed), smallest(ops.ListUsersRequest))
    assert is_ambiguous(caught.value)
    headers["x-amzn-ErrorType"] = "CodeMismatchException:"
    with pytest.raises(CodeMismatchException):
        decode(HttpResponse(400, headers, packed), smallest(ops.ConfirmForgotPasswordRequest))


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"code": "blocked", "message": "by policy"}', {}),
        (b'{"message": "Forbidden"}', {"Content-Type": "application/json"}),
        (b"<html>blocked</html>", {"Content-Type": "text/html"}),
        (b"", {}),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 408, 409, 410, 418, 429, 451, 500, 502, 599])
def test_error_without_code_or_request_id_is_ambiguous(status: int, body: bytes, headers: dict[str, str]) -> None:
    """A proxy may have responded after it forwarded the request."""
    with pytest.raises(InvalidResponseError) as caught:
        decode(HttpResponse(status, CIMultiDict(headers), body), smallest(ops.ForgotPasswordRequest))
    assert is_ambiguous(caught.value)


@pytest.mark.parametrize("status", [407, 413, 421, 425, 431])
def test_status_of_a_request_that_was_not_forwarded_is_clear(status: int) -> None:
    """A proxy that did not forward the request says so by the status."""
    with pytest.raises(InvalidResponseError) as caught:
        decode(HttpResponse(status, CIMultiDict(), b""), smallest(ops.ForgotPasswordRequest))
    assert not is_ambiguous(caught.value)


@pytest.mark.parametrize("status", [400, 403, 404, 429])
def test_error_with_request_id_is_clear(status: int) -> None:
    """The service rejected the request."""
    with pytest.raises(InvalidResponseError) as caught:
        decode(HttpResponse(status, CIMultiDict({"x-amzn-RequestId": "r-1"}), b""), smallest(ops.ForgotPasswordRequest))
    assert not is_ambiguous(caught.value)


def test_missing_nested_members_are_none() -> None:
    """Also if the model requires them."""
    answer = read("AdminGetUser", {"UserAttributes": [{"Value": "v"}, {}]})
    assert [(attribute.name, attribute.value) for attribute in answer.user_attributes] == [(None, "v"), (None, None)]
    assert answer.username is None


@pytest.mark.parametrize("name", ANSWERING)
def test_responses_compare_and_hide_secrets(name: str) -> None:
    """In their reprs."""
    answer = decode(response(b"{}"), smallest(request_types()[name]))
    assert answer == decode(response(b"{}"), smallest(request_types()[name]))
    assert repr(answer).startswith(f"{type(answer).__name__}(")


# --- responses without members ---


@pytest.mark.parametrize("name", SILENT)
@pytest.mark.parametrize(
    "body",
    [b"{}", b"", b" \r\n", b"{", b'{"a": "cut of', b" {}", b'{"New": 1}', b"{}" * 1000],
    ids=lambda body: repr(body)[:16],
)
def test_response_without_members_needs_no_body(name: str, body: bytes) -> None:
    """Empty, complete or incomplete."""
    request = smallest(request_types()[name])
    assert decode(response(body), request) is None
    cut = response(body)
    cut.complete = False
    assert decode(cut, request) is None


@pytest.mark.parametrize("body", [b"{}", b""])
def test_empty_response_without_members_can_have_any_type(body: bytes) -> None:
    """Emulators may send another one."""
    plain = response(body, headers={"Content-Type": "text/plain"})
    assert decode(plain, smallest(ops.ConfirmForgotPasswordRequest)) is None


@pytest.mark.parametrize("name", SILENT[:5])
@pytest.mark.parametrize(
    "body", ["<html>Log in to the hotel's network</html>", " <!DOCTYPE html>", "OK", "[]", "null", "\ufeff{}"]
)
def test_page_of_a_proxy_with_status_200_is_refused(name: str, body: str) -> None:
    """The request was not applied."""
    with pytest.raises(InvalidResponseError, match="not a JSON object") as caught:
        decode(response(body, headers={"Content-Type": "text/html"}), smallest(request_types()[name]))
    assert (caught.value.operation, caught.value.status) == (name, 200)
    assert "text/html" in str(caught.value)
    assert "hotel" not in texts_of(caught.value)


def test_needs_no_body() -> None:
    """A success of an operation whose response has no members."""
    silent, answering = (smallest(request_types()[name]).OPERATION for name in ("ConfirmForgotPassword", "ListUsers"))
    assert all(needs_no_body(silent, status) for status in (200, 204, 299))
    assert not any(needs_no_body(silent, status) for status in (None, 199, 205, 206, 300, 400, 500))
    assert not any(needs_no_body(answering, status) for status in (200, 400))


def test_incomplete_response_is_a_transport_error() -> None:
    """The request was sent."""
    cut = response(b'{"Users": [')
    cut.complete = False
    with pytest.raises(TransportError, match="lost") as caught:
        decode(cut, smallest(ops.ListUsersRequest))
    assert caught.value.sent is True
    assert caught.value.operation == "ListUsers"


# --- responses of the wrong type ---

MISSHAPEN: tuple[tuple[str, Any, str], ...] = (
    ("ListUsers", [], "not a JSON object"),
    ("ListUsers", "text", "not a JSON object"),
    ("ListUsers", None, "not a JSON object"),
    ("ListUsers", 7, "not a JSON object"),
    ("ListUsers", {"Users": {CANARY: 1}}, "a list"),
    ("ListUsers", {"Users": CANARY}, "a list"),
    ("ListUsers", {"Users": [CANARY]}, "an object"),
    ("ListUsers", {"Users": [[CANARY]]}, "an object"),
    ("ListUsers", {"Users": [{"Attributes": CANARY}]}, "a list"),
    ("InitiateAuth", {"AuthenticationResult": CANARY}, "an object"),
    ("InitiateAuth", {"AuthenticationResult": [CANARY]}, "an object"),
    ("InitiateAuth", {"ChallengeParameters": [CANARY]}, "an object"),
    ("InitiateAuth", {"ChallengeParameters": CANARY}, "an object"),
    ("DescribeUserPool", {"UserPool": {"LambdaConfig": 7}}, "an object"),
    ("DescribeManagedLoginBranding", {"ManagedLoginBranding": {"Assets": [{"Bytes": 7}]}}, "base64"),
    ("DescribeManagedLoginBranding", {"ManagedLoginBranding": {"Assets": [{"Bytes": "é" + CANARY}]}}, "base64"),
    ("DescribeManagedLoginBranding", {"ManagedLoginBranding": {"Assets": [{"Bytes": "a"}]}}, "base64"),
)


@pytest.mark.parametrize(("name", "answer", "wanted"), MISSHAPEN, ids=lambda value: str(value)[:50])
def test_response_of_wrong_type_names_operation(name: str, answer: Any, wanted: str) -> None:
    """It quotes nothing of the body."""
    with pytest.raises(InvalidResponseError, match=rf"\b{wanted}\b") as caught:
        read(name, answer)
    error = caught.value
    assert (error.operation, error.status, error.code) == (name, 200, None)
    assert isinstance(error, CognitoError)
    assert CANARY not in texts_of(error)


def containers(name: str) -> Iterator[tuple[str, str]]:
    """Return the members of an operation's response that are lists, maps or structures."""
    shape = service_model().operation_model(name).output_shape
    for wire_name, member in shape.members.items():
        if member.type_name in {"list", "map", "structure"} and not getattr(member, "is_document_type", False):
            yield wire_name, member.type_name


@pytest.mark.parametrize("name", ANSWERING)
def test_wrong_container_is_refused(name: str) -> None:
    """In each operation, for scalars and for other containers."""
    for wire_name, kind in containers(name):
        for wrong in ({CANARY: CANARY} if kind == "list" else [CANARY], CANARY, 7, True):
            with pytest.raises(InvalidResponseError) as caught:
                read(name, {wire_name: wrong})
            assert caught.value.operation == name
            assert CANARY not in texts_of(caught.value)


# --- any response ---

SOME = [
    "ConfirmForgotPassword",
    "ListUsers",
    "InitiateAuth",
    "DescribeManagedLoginBranding",
    "StartWebAuthnRegistration",
    "AdminGetUser",
]
HEADER_NAMES = st.sampled_from(
    ["Content-Type", "x-amzn-ErrorType", "x-amzn-RequestId", "x-amz-retry-after", "Date", "Content-Length"]
)
HEADERS = st.dictionaries(HEADER_NAMES | st.text(max_size=8), st.text(max_size=20), max_size=4)
LIKELY_NAMES = st.sampled_from(
    [
        *("__type", "message", "code", "Users", "Attributes", "UserCreateDate"),
        *("ManagedLoginBranding", "Assets", "Bytes", "AuthenticationResult", "ChallengeParameters"),
    ]
)
NEARLY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LIKELY_NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)
BODIES = st.binary(max_size=60) | NEARLY.map(lambda value: json.dumps(value).encode())
DEEP = b"[" * 100_000


@pytest.mark.parametrize("name", SOME)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES, status=st.integers(100, 599), headers=HEADERS, complete=st.booleans())
@example(body=b"", status=200, headers={}, complete=False)
@example(body=DEEP, status=200, headers={}, complete=True)
@example(body=b'{"Users":' + DEEP, status=200, headers={}, complete=True)
@example(body=b'{"Settings":' * 100_000, status=200, headers={}, complete=True)
@example(body=b'{"message":' + DEEP, status=400, headers={"x-amzn-ErrorType": "CodeMismatchException:"}, complete=True)
@example(body=b"\xff\xfe\xfd", status=200, headers={}, complete=True)
@example(body=b"\xff\xfe{\x00", status=400, headers={}, complete=True)
@example(body=b'{"a": "\xff"}', status=500, headers={}, complete=True)
@example(body=b"\xef\xbb\xbf{}", status=200, headers={}, complete=True)
@example(body=b"<html>502</html>", status=502, headers={"Content-Type": "text/html"}, complete=True)
@example(body=b'{"UserCreateDate":' + b"9" * 5_000 + b"}", status=200, headers={}, complete=True)
@example(body=b'{"UserCreateDate": 1' + b"0" * 400 + b"}", status=200, headers={}, complete=True)
@example(body=b'{"UserCreateDate": 1e400}', status=200, headers={}, complete=True)
@example(body=b'{"message": "\\ud800", "__type": "\\ud800#\\udfff:"}', status=400, headers={}, complete=True)
@example(body=b'{"__type": "' + b"X" * 100_000 + b'"}', status=400, headers={}, complete=True)
@example(body=b"{}", status=400, headers={"x-amz-retry-after": "9" * 5_000}, complete=True)
@example(body=b"{}", status=400, headers={"x-amz-retry-after": "\u0661"}, complete=True)
@example(
    body=b'{"__type": {}, "message": [], "code": 7}', status=400, headers={"x-amzn-ErrorType": "::"}, complete=True
)
def test_any_response_gives_a_value_or_a_cognito_error(
    name: str, body: bytes, status: int, headers: dict[str, str], *, complete: bool
) -> None:
    """For any bytes, status and headers."""
    request = smallest(request_types()[name])
    answer = HttpResponse(status, CIMultiDict(headers), body, complete=complete)
    value = outcome(answer, request)
    if isinstance(value, CognitoError):
        assert value.operation == name
        assert value.status == status or isinstance(value, TransportError)
        assert len(str(value)) < 5_000
        assert value.retry_after is None or 0 <= value.retry_after < 10**10
        return
    assert 200 <= status < 300
    assert value is None if request.OPERATION.response is None else type(value) is request.OPERATION.response


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_response_with_one_wrong_member_is_read_or_refused(data: st.DataObject) -> None:
    """No other error is raised."""
    name = data.draw(st.sampled_from(ANSWERING))
    shapes = service_model().operation_model(name).output_shape.members
    other = service_model().shape_for(
        data.draw(st.sampled_from(["UserType", "UserPoolType", "AssetType", "DateType", "ChallengeParametersType"]))
    )
    body = {
        data.draw(st.sampled_from(sorted(shapes))): data.draw(
            wire_values(other) | st.lists(wire_values(other), max_size=2)
        )
    }
    value = outcome(response(json.dumps(body)), smallest(request_types()[name]))
    if isinstance(value, CognitoError):
        assert isinstance(value, InvalidResponseError)
        assert value.operation == name


# --- errors ---


def error_of(status: int = 400, headers: dict[str, str] | None = None, **body: Any) -> CognitoError:
    """Return the error of a response."""
    error = outcome(response(json.dumps(body), status, headers), smallest(ops.ForgotPasswordRequest))
    assert isinstance(error, CognitoError)
    return error


@pytest.mark.parametrize("body", [{"__type": "TooManyRequestsException"}, {}])
def test_errors_have_the_facts_of_the_response(body: dict[str, Any]) -> None:
    """With and without a code."""
    headers = {"x-amzn-RequestId": "r-1", "x-amz-retry-after": "1500", "Date": "Sun, 01 Nov 2026 12:00:00 GMT"}
    error = error_of(429, headers, **body)
    assert (error.status, error.request_id, error.retry_after) == (429, "r-1", 1.5)
    assert error.server_date == "Sun, 01 Nov 2026 12:00:00 GMT"
    plain = error_of(429, {"x-amz-request-id": "r-2"}, **body)
    assert (plain.request_id, plain.retry_after, plain.server_date) == ("r-2", None, None)
    assert error_of(headers={"x-amzn-RequestId": "\x1b[31m"}, __type="Throttling").request_id is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0), ("1", 0.001), ("9999999999", 9999999.999)),
        *(("10000000000", None), ("", None), ("1.5", None), ("-1", None), ("soon", None), ("\u0661", None)),
    ],
)
def test_retry_after_is_in_milliseconds(text: str, seconds: float | None) -> None:
    """Other texts are ignored."""
    assert error_of(headers={"x-amz-retry-after": text}, __type="Throttling").retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({}, {"__type": "a#NextYearException:https://b"}, "NextYearException"),
        ({}, {"__type": "NextYearError"}, "NextYearError"),
        ({}, {"__type": "NextYearFault"}, "NextYearFault"),
        ({}, {"__type": "Throttling"}, "Throttling"),
        ({}, {"__type": "denied"}, None),
        ({}, {"code": "NextYearException"}, None),
        ({"x-amzn-RequestId": "r-1"}, {"code": "NextYearException"}, "NextYearException"),
        ({"x-amzn-RequestId": "r-1"}, {"__type": "odd"}, "odd"),
        ({"x-amzn-RequestId": "r-1"}, {"__type": "x" * 129}, "x" * 128),
        ({"x-amzn-RequestId": "r-1"}, {"__type": "a\nCRITICAL b", "code": "c"}, "c"),  # would forge a log record
        ({"x-amzn-ErrorType": "OtherException:"}, {"__type": "OneException", "code": "c"}, "OneException"),
        ({"x-amzn-ErrorType": " OtherException :"}, {"__type": 5}, "OtherException"),
        ({"x-amzn-ErrorType": "::", "x-amzn-RequestId": "r-1"}, {"__type": "#", "code": "c"}, "c"),
    ],
)
def test_code_of_an_error(headers: dict[str, str], body: dict[str, Any], code: str | None) -> None:
    """The first of body and header; without a request ID only a known code, or one with the name of an error."""
    error = error_of(headers=headers, **body)
    assert error.code == code
    assert isinstance(error, ServiceError if code else InvalidResponseError)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "one", "Message": "two"}, "one"),
        ({"Message": "two"}, "two"),
        ({"message": 5}, "OddException"),
        ({}, "OddException"),
        ({"message": "m" * 2_001}, "m" * 2_000),
    ],
)
def test_message_of_an_error(body: dict[str, Any], message: str) -> None:
    """The code takes the place of a missing message."""
    error = error_of(__type="OddException", **body)
    assert isinstance(error, ServiceError)
    assert error.message == message


@pytest.mark.parametrize("sent", [None, HttpRequest("https://a.example/", {}, Body())])
def test_message_of_an_unsigned_request_is_kept(sent: HttpRequest | None) -> None:
    """There is no session token to mask."""
    body = json.dumps({"__type": "InvalidParameterException", "message": "XXXX is not a name"})
    with pytest.raises(ServiceError, match="XXXX is not a name"):
        decode(response(body, 400), smallest(ops.ListUsersRequest), sent)


def test_session_token_in_a_message_is_masked() -> None:
    """It is sent in a header."""
    sent = HttpRequest("https://a.example/", {"X-Amz-Security-Token": CANARY}, Body())
    body = json.dumps({"__type": "UnrecognizedClientException", "message": f"The token {CANARY} is invalid"})
    with pytest.raises(ServiceError) as caught:
        decode(response(body, 400), smallest(ops.ListUsersRequest), sent)
    assert caught.value.message == "The token *** is invalid"
    assert CANARY not in texts_of(caught.value)


# --- secrets ---

TOKENS = json.dumps({"AuthenticationResult": {"AccessToken": CANARY}}).encode()
UNREADABLE = (
    TOKENS[:-1],
    TOKENS + b"}",
    TOKENS.replace(b"7f3a", b"7f3a\xff"),
    b"\xff" + TOKENS,
    b"<html>" + TOKENS,
    b"[" + TOKENS + b"]",
    json.dumps(CANARY).encode(),
    DEEP + TOKENS,
    b'{"AuthenticationResult": "' + CANARY.encode() + b'"}',
    b"9" * 5_000 + TOKENS,
)


@pytest.mark.parametrize("status", [200, 400, 502])
@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: repr(body)[:20])
def test_unreadable_response_is_not_quoted(body: bytes, status: int) -> None:
    """It may hold tokens; neither the error nor its causes hold it."""
    with pytest.raises(CognitoError) as caught:
        decode(
            response(body, status, {"Content-Type": "application/x-amz-json-1.1"}), smallest(ops.InitiateAuthRequest)
        )
    assert CANARY not in texts_of(caught.value)
    assert isinstance(caught.value, InvalidResponseError)
    assert f"{len(body)} bytes" in str(caught.value)


@pytest.mark.parametrize("form", ["{}", "Value '{}' at 'password' failed to satisfy constraint", "{}{}", "a,{}.b"])
def test_secrets_in_messages_are_masked(form: str) -> None:
    """The service may quote the request."""
    request = ops.ConfirmForgotPasswordRequest(
        client_id="c", username="ada", confirmation_code=CANARY, password=f"{CANARY}-2"
    )
    for secret in (CANARY, f"{CANARY}-2"):
        body = json.dumps({"__type": "InvalidParameterException", "message": form.replace("{}", secret)})
        with pytest.raises(ServiceError) as caught:
            decode(response(body, 400), request)
        assert CANARY not in texts_of(caught.value)
        assert caught.value.message == form.replace("{}", "***").replace("******", "***" * 2)


def test_long_message_is_shortened() -> None:
    """Megabytes do not end up in a log."""
    body = json.dumps({"__type": "InvalidParameterException", "message": "m" * 1_000_000})
    with pytest.raises(ServiceError) as caught:
        decode(response(body, 400), smallest(ops.ListUsersRequest))
    assert len(str(caught.value)) < 5_000
    with pytest.raises(InvalidResponseError) as unreadable:
        decode(response("no", headers={"Content-Type": "t" * 100}), smallest(ops.ListUsersRequest))
    assert str(unreadable.value).count("t" * 64) == 1
    assert "t" * 65 not in str(unreadable.value)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_decode_inverts_encode(data: st.DataObject) -> None:
    """For structures that requests and responses share."""
    request: Request[Any] = data.draw(
        st.sampled_from(["CreateUserPool", "UpdateUserPool", "CreateUserPoolClient"]).flatmap(requests)
    )
    sent = json.loads(encode(request))
    name, member = (
        ("DescribeUserPoolClient", "UserPoolClient") if "ClientName" in sent else ("DescribeUserPool", "UserPool")
    )
    received = read(name, {member: sent})
    inner = getattr(received, "user_pool_client" if member == "UserPoolClient" else "user_pool")
    assert isinstance(inner, Structure)
    ours, theirs = by_wire_names(request), by_wire_names(inner)
    assert theirs == {key: ours[key] for key in theirs}
    known = {about.wire_name for _, about in members(type(inner))}
    assert theirs.keys() == ours.keys() & known


@pytest.mark.parametrize("name", ["client_id", "secret_hash"])
@pytest.mark.parametrize("text", ["abc\n", "\rabc", "a\0c", "a\x7fc", "a\u2028c", "a\x85c"])
def test_ids_and_hashes_with_control_characters_are_refused(name: str, text: str) -> None:
    """As when they are bound to a client."""
    request = smallest(ops.ForgotPasswordRequest).with_members({name: text})
    with pytest.raises(ParameterValidationError) as caught:
        encode(request)
    assert caught.value.parameter == name


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (206, {"Content-Range": "bytes 0-1/9999"}, b"{}"),
        (206, {"Content-Range": "bytes 0-1/*"}, b"{}"),
        (206, {}, b'{"__type": "CodeMismatchException"}'),
        (200, {"x-amzn-ErrorType": "CodeMismatchException:"}, b"{}"),
        (200, {"x-amzn-ErrorType": "CodeMismatchException:"}, b""),
        (200, {}, b'{"__type":"CodeMismatchException","message":"Inv'),
        (400, {"x-amzn-RequestId": ""}, b"<html>"),
        (403, {}, b'{"__type": "https://proxy.example/errors#denied"}'),
        (200, {"Content-Encoding": "gzip"}, b'{"Users": []}'),
    ],
)
@pytest.mark.parametrize("kind", [ops.ConfirmForgotPasswordRequest, ops.ListUsersRequest])
def test_response_that_is_not_conclusive_is_ambiguous(
    kind: type[Request[Any]], status: int, headers: dict[str, str], body: bytes
) -> None:
    """Partial responses, errors with the status of a success, and errors of proxies."""
    with pytest.raises(InvalidResponseError) as caught:
        decode(HttpResponse(status, CIMultiDict(headers), body), smallest(kind))
    assert is_ambiguous(caught.value)
    assert "None" not in str(caught.value)


def test_integer_with_too_many_digits_does_not_lose_the_response() -> None:
    """Python refuses to convert more than 4,300 digits."""
    page = b'{"Users": [{"Username": "ada", "UserCreateDate": ' + b"1" * 5000 + b"}]}"
    users = decode(response(page), smallest(ops.ListUsersRequest)).users
    assert users is not None
    assert (users[0].username, users[0].user_create_date) == ("ada", None)
