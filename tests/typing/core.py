"""cognito_async: sessions, clients, operations, pages and errors."""

from collections.abc import Mapping, Sequence
from typing import Any, assert_type

from cognito_async import (
    AmbiguousOutcomeError,
    AsyncCognitoSession,
    CognitoClient,
    CognitoError,
    Paginator,
    ParameterValidationError,
    ServiceError,
    Stats,
    Timeouts,
)
from cognito_async.operations import (
    AdminGetUserRequest,
    AdminGetUserResponse,
    AttributeType,
    AuthFlowType,
    ChallengeNameType,
    ConfirmForgotPasswordRequest,
    CreateUserPoolClientRequest,
    ForgotPasswordResponse,
    GetUserResponse,
    InitiateAuthRequest,
    ListUsersResponse,
    UserType,
)
from cognito_async.protocol.operation import Request


async def sessions_return_clients() -> None:
    async with AsyncCognitoSession("eu-west-1", timeouts=Timeouts(total=5)) as session:
        assert_type(session, AsyncCognitoSession)
        client = session.client(client_id="abc", client_secret=None, user_pool_id="eu-west-1_AbCdEfGhI")
        assert_type(client, CognitoClient)
        assert_type(client.session, AsyncCognitoSession)
        assert_type(client.with_options(timeouts=Timeouts(total=1)), CognitoClient)
        assert_type(session.stats, Stats)


async def methods_return_the_responses_of_their_operations(client: CognitoClient) -> None:
    assert_type(await client.forgot_password(username="ada"), ForgotPasswordResponse)
    user = await client.admin_get_user(username="ada")
    assert_type(user, AdminGetUserResponse)
    assert_type(user.username, str | None)
    assert_type(user.enabled, bool | None)
    assert_type(user.user_attributes, list[AttributeType] | None)
    assert_type(await client.call("NewOperation", {"Member": 1}), dict[str, Any])


async def requests_carry_the_type_of_their_response(client: CognitoClient, session: AsyncCognitoSession) -> None:
    request = AdminGetUserRequest(user_pool_id="eu-west-1_AbCdEfGhI", username="ada")
    assert_type(await client.send(request), AdminGetUserResponse)
    assert_type(await session.send(request), AdminGetUserResponse)
    assert_type(client.prepare(request), Request[AdminGetUserResponse])


async def listings_yield_items_and_pages(client: CognitoClient) -> None:
    paginator = client.iter_list_users()
    assert_type(paginator, Paginator[ListUsersResponse, UserType])
    async for user in paginator:
        assert_type(user, UserType)
    async for page in paginator.pages():
        assert_type(page, ListUsersResponse)


async def errors_have_typed_fields(client: CognitoClient) -> None:
    try:
        assert_type(await client.get_user(access_token="…"), GetUserResponse)
    except ParameterValidationError as error:
        assert_type(error.parameter, str)
    except AmbiguousOutcomeError as error:
        assert_type(error.history, tuple[CognitoError, ...])
    except ServiceError as error:
        assert_type(error.code, str | None)
    except CognitoError as error:
        assert_type(error.request_id, str | None)


async def mistakes_are_type_errors(client: CognitoClient, names: Sequence[str], values: Mapping[str, str]) -> None:
    await client.forgot_password("ada")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.forgot_password()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.forgot_password(user="ada")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.forgot_password(username=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.forgotten_password  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnusedExpression]
    ConfirmForgotPasswordRequest(username="ada", confirmation_code="1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    AsyncCognitoSession("eu-west-1", retries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def typos_in_enumerations_are_type_errors(client: CognitoClient, flow: AuthFlowType, text: str) -> None:
    await client.initiate_auth(auth_flow="USER_SRP_AUTH")
    await client.initiate_auth(auth_flow=flow)
    await client.initiate_auth(auth_flow="USER_PASSWORD_ATUH")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.initiate_auth(auth_flow=text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.admin_create_user(username="ada", message_action="SUPPRESS", desired_delivery_mediums=["EMAIL"])
    await client.admin_create_user(username="ada", message_action="SUPRESS")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.admin_create_user(username="ada", desired_delivery_mediums=["EMIAL"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    InitiateAuthRequest(auth_flow="USER_PASSWORD_ATUH")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    CreateUserPoolClientRequest(client_name="app", explicit_auth_flows=["ALLOW_USER_SRP_AUTH", "ALLOW_USER_AUTH"])
    CreateUserPoolClientRequest(client_name="app", explicit_auth_flows=["ALLOW_USER_SRP"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


async def received_enumerations_may_have_newer_values(client: CognitoClient) -> None:
    response = await client.initiate_auth(auth_flow="USER_AUTH")
    assert_type(response.challenge_name, ChallengeNameType | str | None)
    assert_type(response.available_challenges, list[ChallengeNameType | str] | None)
    if response.challenge_name == "CHALLENGE_OF_NEXT_YEAR":
        return
