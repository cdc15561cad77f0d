"""Conversion of responses to JSON-ready dicts, and their schemas for pydantic and OpenAPI."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, TypeAdapter, ValidationError

from cognito_async import AsyncCognitoSession, operations
from cognito_async.fastapi import Cognito, CognitoDep, CognitoSettings
from cognito_async.operations import (
    AdminGetUserResponse,
    AttributeType,
    AuthenticationResultType,
    DescribeUserPoolClientResponse,
    DescribeUserPoolResponse,
    InitiateAuthResponse,
    ListUsersResponse,
    SetUICustomizationRequest,
    SignUpRequest,
    UserPoolClientType,
    UserPoolType,
    UserType,
)
from cognito_async.protocol.conversion import CONVERTER
from cognito_async.protocol.json_values import is_credential
from cognito_async.protocol.operation import Request
from cognito_async.protocol.shapes import Structure, members
from cognito_async.testing import FakeCognito
from tests.support.asgi import SETTINGS, asgi_client
from tests.support.canaries import filled
from tests.support.processes import ROOT

CREATED = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
USER = UserType(
    username="ada",
    attributes=[AttributeType(name="email", value="ada@example.com")],
    user_create_date=CREATED,
    enabled=True,
    user_status="CONFIRMED",
)
USER_JSON = {
    "Username": "ada",
    "Attributes": [{"Name": "email", "Value": "ada@example.com"}],
    "UserCreateDate": CREATED.isoformat(),
    "Enabled": True,
    "UserStatus": "CONFIRMED",
}


EXPORTED = [getattr(operations, name) for name in dir(operations)]
CLASSES = [
    kind
    for kind in EXPORTED
    if isinstance(kind, type) and issubclass(kind, Structure) and not issubclass(kind, Request)
]


def test_to_dict_has_aws_names_or_snake_case() -> None:
    """At all levels; members that are None are left out, and empty ones are not."""
    response = ListUsersResponse(users=[USER, UserType(attributes=[])], pagination_token="next")
    assert response.to_dict() == {"Users": [USER_JSON, {"Attributes": []}], "PaginationToken": "next"}
    assert response.to_dict(snake_case=True)["users"][0] == {
        "username": "ada",
        "attributes": [{"name": "email", "value": "ada@example.com"}],
        "user_create_date": CREATED.isoformat(),
        "enabled": True,
        "user_status": "CONFIRMED",
    }
    assert dict(response) == response.to_dict()


def test_to_dict_encodes_bytes_in_base64() -> None:
    """As on the wire."""
    request = SetUICustomizationRequest(user_pool_id="eu-west-1_A", image_file=b"\xff\x00")
    assert request.to_dict()["ImageFile"] == "/wA="


def test_to_dict_of_every_class_is_json_that_can_be_read_again() -> None:
    """With secrets, nothing is lost."""
    assert len(CLASSES) > 200
    for kind in CLASSES:
        value = filled(kind)
        as_json = json.loads(json.dumps(value.to_dict(secrets=True)))
        assert CONVERTER.structure(as_json, kind) == value
        json.dumps(value.to_dict(snake_case=True))


def test_to_dict_has_credentials_only_on_request() -> None:
    """Neither tokens and sessions nor client secrets and members that this version does not know."""
    result = AuthenticationResultType(access_token="a", id_token="i", refresh_token="r", expires_in=60)
    response = InitiateAuthResponse(session="s", challenge_parameters={"USER_ID_FOR_SRP": "ada"})
    signed_in = InitiateAuthResponse(authentication_result=result)
    app_client = DescribeUserPoolClientResponse(user_pool_client=UserPoolClientType(client_id="c", client_secret="s"))
    assert response.to_dict() == {}
    assert signed_in.to_dict() == {"AuthenticationResult": {"ExpiresIn": 60}}
    assert signed_in.to_dict(secrets=True, snake_case=True)["authentication_result"]["refresh_token"] == "r"
    assert app_client.to_dict() == {"UserPoolClient": {"ClientId": "c"}}
    unknown = CONVERTER.structure({"Username": "ada", "NewKey": "secret"}, UserType)
    assert unknown.to_dict() == {"Username": "ada"}
    assert unknown.to_dict(secrets=True) == {"Username": "ada", "NewKey": "secret"}
    request = SignUpRequest(client_id="c", username="ada", password="p", secret_hash="h")
    assert request.to_dict() == {"ClientId": "c", "Username": "ada"}


def test_secret_members_that_to_dict_includes_are_personal_data() -> None:
    """A new secret member of the service is left out until it is listed here."""
    secret = [about for kind in CLASSES for _, about in members(kind) if about.secret]
    shown = {about.wire_name for about in secret if not is_credential(about)}
    assert shown == {
        *("AnalyticsEndpointId", "ClientId", "IpAddress", "LastIPAddress", "ProviderAttributeValue", "UserSub"),
        *("Username", "Value"),
    }
    assert {about.wire_name for about in secret} - shown >= {
        "AccessToken",
        "ClientSecret",
        "IdToken",
        "RefreshToken",
        "SecretCode",
        "Session",
    }


@pytest.mark.parametrize("value", [5, True, "text", ["text", None], {"key": "text"}])
def test_unexpected_values_are_kept(value: Any) -> None:
    """A response whose members have unexpected types can be returned as well, without warnings."""
    user = CONVERTER.structure({"Username": value, "Enabled": value}, UserType)
    expected = {"Username": value, "Enabled": value}
    assert user.to_dict() == expected
    assert TypeAdapter(UserType).dump_python(user, mode="json") == expected
    assert json.loads(TypeAdapter(UserType).dump_json(user)) == expected


# --- pydantic ---------------------------------------------------------------------------------------------------------


class Page(BaseModel):
    """A model with responses."""

    users: list[UserType]
    pool: DescribeUserPoolResponse | None = None


def test_pydantic_model_can_have_members_of_the_classes() -> None:
    """They are serialized as by ``to_dict``, and only instances are valid."""
    page = Page(users=[USER])
    assert page.model_dump(mode="json") == {"users": [USER_JSON], "pool": None}
    assert json.loads(page.model_dump_json()) == {"users": [USER_JSON], "pool": None}
    with pytest.raises(ValidationError):
        Page.model_validate({"users": [USER_JSON]})


def test_json_schema_describes_every_class() -> None:
    """The properties are those that ``to_dict`` returns."""
    for kind in CLASSES:
        schema = TypeAdapter(kind).json_schema(mode="serialization")
        assert schema["type"] == "object"
        assert "required" not in schema
        assert schema.get("properties", {}).keys() == filled(kind).to_dict().keys()


def test_json_schema_describes_maps() -> None:
    """By their values, such as structures."""
    properties = TypeAdapter(UserPoolType).json_schema(mode="serialization")["properties"]
    assert properties["AcrConfiguration"]["additionalProperties"] == {"$ref": "#/$defs/AcrLevelConfigType"}
    assert properties["UserPoolTags"]["additionalProperties"] == {"type": "string"}


def test_base_import_does_not_import_pydantic() -> None:
    """Applications without FastAPI do not need it; ``to_dict`` works without it."""
    code = (
        "import sys; sys.modules['pydantic'] = sys.modules['pydantic_core'] = None\n"
        "from cognito_async.operations import UserType; print(UserType(username='ada').to_dict())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "{'Username': 'ada'}\n"


# --- routes -----------------------------------------------------------------------------------------------------------


async def test_route_returns_a_response_with_and_without_a_response_model() -> None:
    """The body is the same, and the document has the schema."""
    app = FastAPI(lifespan=Cognito(settings=SETTINGS).lifespan)

    @app.get("/annotated")
    async def annotated() -> ListUsersResponse:
        return ListUsersResponse(users=[USER])

    @app.get("/model", response_model=ListUsersResponse)
    async def with_model() -> Any:
        return ListUsersResponse(users=[USER])

    @app.get("/bare")
    async def bare():  # type: ignore[no-untyped-def]  # noqa: ANN202
        return ListUsersResponse(users=[USER])

    @app.get("/nested")
    async def nested():  # type: ignore[no-untyped-def]  # noqa: ANN202
        return {"Users": [USER]}

    @app.get("/list")
    async def users() -> list[UserType]:
        return [USER]

    @app.get("/tokens")
    async def tokens() -> InitiateAuthResponse:
        return InitiateAuthResponse(session="s", authentication_result=AuthenticationResultType(access_token="a"))

    @app.get("/bare-tokens")
    async def bare_tokens():  # type: ignore[no-untyped-def]  # noqa: ANN202
        return InitiateAuthResponse(session="s", authentication_result=AuthenticationResultType(access_token="a"))

    async with asgi_client(app) as http:
        for path in ("/annotated", "/model", "/bare", "/nested"):
            response = await http.get(path)
            assert (response.status_code, response.json()) == (200, {"Users": [USER_JSON]})
        assert (await http.get("/list")).json() == [USER_JSON]
        assert (await http.get("/tokens")).json() == {"AuthenticationResult": {}}
        assert (await http.get("/bare-tokens")).json() == {"AuthenticationResult": {}}
    check_document(app.openapi())


async def test_route_returns_a_response_as_any() -> None:
    """Pydantic then serializes by the type of the value."""
    app = FastAPI()

    @app.get("/any")
    async def anything() -> Any:
        return ListUsersResponse(users=[USER])

    @app.get("/any-member")
    async def any_member() -> dict[str, Any]:
        return {"Users": [USER]}

    async with asgi_client(app) as http:
        for path in ("/any", "/any-member"):
            assert (await http.get(path)).json() == {"Users": [USER_JSON]}


def test_openapi_with_one_schema_for_requests_and_responses_has_the_schemas() -> None:
    """FastAPI then describes responses by the schema for input."""
    app = FastAPI(separate_input_output_schemas=False)

    @app.get("/annotated")
    async def annotated() -> ListUsersResponse:
        return ListUsersResponse()

    @app.get("/tokens")
    async def tokens() -> InitiateAuthResponse:
        return InitiateAuthResponse()

    check_document(app.openapi())


def check_document(document: dict[str, Any]) -> None:
    """Check the schemas of an OpenAPI document."""
    schemas = document["components"]["schemas"]
    reference = {"$ref": "#/components/schemas/ListUsersResponse"}
    assert (
        document["paths"]["/annotated"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] == reference
    )
    assert schemas["ListUsersResponse"]["properties"]["Users"]["items"] == {"$ref": "#/components/schemas/UserType"}
    assert schemas["UserType"]["properties"]["UserCreateDate"]["format"] == "date-time"
    assert "Session" not in schemas["InitiateAuthResponse"]["properties"]


async def test_route_returns_the_response_of_a_call() -> None:
    """As in the documentation."""
    async with FakeCognito() as fake:
        fake.create_user("ada", password="An old passw0rd!", email="ada@example.com")
        app_client = fake.create_app_client()
        settings = CognitoSettings(
            client_id=app_client.client_id, user_pool_id=fake.user_pool_id, endpoint_url=fake.endpoint_url
        )

        def session_of(settings: CognitoSettings) -> AsyncCognitoSession:
            del settings
            return fake.session()

        app = FastAPI(lifespan=Cognito(settings=settings, session=session_of).lifespan)

        @app.get("/users/{username}")
        async def read(username: str, client: CognitoDep) -> AdminGetUserResponse:
            return await client.admin_get_user(username=username)

        async with asgi_client(app) as http:
            user = (await http.get("/users/ada")).json()
    assert user["Username"] == "ada"
    assert {"Name": "email", "Value": "ada@example.com"} in user["UserAttributes"]
    assert datetime.fromisoformat(user["UserCreateDate"]).tzinfo is not None
