"""All operations that the emulator has, over real sockets, with realistic arguments."""

import base64
import hmac
import struct
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from cognito_async import (
    AsyncCognitoSession,
    CodeMismatchException,
    CognitoClient,
    Credentials,
    NotAuthorizedException,
    PasswordResetRequiredException,
    ResourceNotFoundException,
    ServiceError,
    UserNotFoundException,
)
from cognito_async import operations as ops
from cognito_async.protocol.operation import Request, ResponseT
from cognito_async.testing import LocalPool
from tests.support.processes import running
from tests.support.strategies import request_types, smallest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

Value = TypeVar("Value")

FIRST, SECOND, THIRD, FOURTH = "Analytical-1843", "Differential-1822", "Bernoulli-1842", "Jacquard-1804"
ADA, GRACE, MAIL = "ada", "grace", "ada@example.com"
EMULATED = frozenset(
    """
    AddCustomAttributes AdminAddUserToGroup AdminConfirmSignUp AdminCreateUser AdminDeleteUser
    AdminDisableProviderForUser AdminDisableUser AdminEnableUser AdminGetUser AdminInitiateAuth
    AdminLinkProviderForUser AdminListGroupsForUser AdminListUserAuthEvents AdminRemoveUserFromGroup
    AdminResetUserPassword AdminRespondToAuthChallenge AdminSetUserMFAPreference AdminSetUserPassword
    AdminUpdateAuthEventFeedback AdminUpdateUserAttributes AdminUserGlobalSignOut AssociateSoftwareToken
    ChangePassword ConfirmForgotPassword ConfirmSignUp CreateGroup CreateIdentityProvider CreateResourceServer
    CreateUserPool CreateUserPoolClient CreateUserPoolDomain DeleteGroup DeleteIdentityProvider DeleteResourceServer
    DeleteUser DeleteUserPool DeleteUserPoolClient DeleteUserPoolDomain DescribeIdentityProvider
    DescribeResourceServer DescribeUserPool DescribeUserPoolClient DescribeUserPoolDomain ForgotPassword GetGroup
    GetIdentityProviderByIdentifier GetTokensFromRefreshToken GetUICustomization GetUser GetUserPoolMfaConfig
    GlobalSignOut InitiateAuth ListGroups ListIdentityProviders ListResourceServers ListTagsForResource
    ListUserPoolClients ListUserPools ListUsers ListUsersInGroup ResendConfirmationCode RespondToAuthChallenge
    RevokeToken SetUICustomization SetUserMFAPreference SetUserPoolMfaConfig SignUp TagResource UntagResource
    UpdateAuthEventFeedback UpdateIdentityProvider UpdateResourceServer UpdateUserAttributes UpdateUserPool
    UpdateUserPoolClient UpdateUserPoolDomain VerifySoftwareToken
    """.split()  # noqa: SIM905 - 77 quoted names are no easier to read
)
MISSING = request_types().keys() - EMULATED
# Newer than the emulator, which requires a signature for them.
SIGNED_IN_EMULATOR = frozenset({"ListUserSessions", "RevokeUserSession"})


class RecordingSession(AsyncCognitoSession):
    """A session that records the operations that it sent, and checks the types of the responses."""

    def __init__(self, pool: LocalPool) -> None:
        key = Credentials(access_key_id="test", secret_access_key="test")
        super().__init__(pool.region, endpoint_url=pool.endpoint_url, credentials=key)
        self.seen: set[str] = set()

    def start_call(self, request: Request[ResponseT], *options: Any) -> Coroutine[Any, Any, ResponseT]:
        """Record the operation, and check the type of the response."""
        self.seen.add(request.OPERATION.name)
        call = super().start_call(request, *options)

        async def checked() -> ResponseT:
            response = await call
            assert type(response) is (request.OPERATION.response or type(None))
            return response

        return checked()


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Start an emulator for all tests of this file."""
    with running(LocalPool()) as made:
        yield made


@pytest.fixture
async def session(pool: LocalPool) -> AsyncIterator[RecordingSession]:
    """Open the session."""
    async with RecordingSession(pool) as opened:
        yield opened


def required(value: Value | None) -> Value:
    """Return a value that must not be None."""
    assert value is not None
    return value


async def refused(call: Coroutine[Any, Any, object], kind: type[ServiceError]) -> None:
    """Await a call that must raise an error of exactly this class."""
    with pytest.raises(ServiceError) as caught:
        await call
    assert type(caught.value) is kind


# --- user pools and their resources -----------------------------------------------------------------------------------


async def create_user_pool(session: RecordingSession) -> tuple[str, str]:
    """Create a user pool, change it, and return its ID and ARN."""
    client = session.client()
    made = required((await client.create_user_pool(
        pool_name="tour",
        policies=ops.UserPoolPolicyType(password_policy=ops.PasswordPolicyType(minimum_length=10)),
        auto_verified_attributes=["email"],
        user_pool_add_ons=ops.UserPoolAddOnsType(advanced_security_mode="AUDIT"),
        user_pool_tier="PLUS",
        user_pool_tags={"made by": "the tour"},
    )).user_pool)  # fmt: skip
    pool_id, arn = required(made.id), required(made.arn)
    attribute = ops.SchemaAttributeType(
        name="cats", attribute_data_type="Number", mutable=True,
        number_attribute_constraints=ops.NumberAttributeConstraintsType(min_value="0", max_value="9"),
    )  # fmt: skip
    await client.add_custom_attributes(user_pool_id=pool_id, custom_attributes=[attribute])
    await client.update_user_pool(
        user_pool_id=pool_id, deletion_protection="INACTIVE", auto_verified_attributes=["email"]
    )
    found = required((await client.describe_user_pool(user_pool_id=pool_id)).user_pool)
    assert required(required(found.policies).password_policy).minimum_length == 10
    assert "custom:cats" in {attribute.name for attribute in found.schema_attributes or ()}
    assert required(found.creation_date).tzinfo is not None
    assert pool_id in {each.id async for each in client.iter_list_user_pools(max_results=1)}
    return pool_id, arn


async def tag_user_pool(client: CognitoClient, arn: str) -> None:
    """Add and remove a tag."""
    await client.tag_resource(resource_arn=arn, tags={"more": "tags"})
    await client.untag_resource(resource_arn=arn, tag_keys=["made by"])
    assert (await client.list_tags_for_resource(resource_arn=arn)).tags == {"more": "tags"}


async def create_app_client(client: CognitoClient) -> tuple[str, str]:
    """Create an app client with a secret, change it, and return its ID and secret."""
    made = required((await client.create_user_pool_client(client_name="tour", generate_secret=True)).user_pool_client)
    client_id = required(made.client_id)
    flows: list[ops.ExplicitAuthFlowsType] = [
        "ALLOW_USER_PASSWORD_AUTH",
        "ALLOW_ADMIN_USER_PASSWORD_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH",
    ]
    await client.update_user_pool_client(client_id=client_id, client_name="changed", explicit_auth_flows=flows)
    found = required((await client.describe_user_pool_client(client_id=client_id)).user_pool_client)
    assert (found.client_name, found.explicit_auth_flows) == ("changed", flows)
    assert found.client_secret == made.client_secret
    assert [each.client_id async for each in client.iter_list_user_pool_clients()] == [client_id]
    return client_id, required(made.client_secret)


async def create_domain_and_branding(client: CognitoClient) -> None:
    """Create a domain and a style."""
    await client.create_user_pool_domain(domain="tour")
    await client.update_user_pool_domain(domain="tour", managed_login_version=2)
    found = required((await client.describe_user_pool_domain(domain="tour")).domain_description)
    assert (found.domain, found.managed_login_version, found.status) == ("tour", 2, "ACTIVE")
    await client.set_ui_customization(css=".banner-customizable { }", image_file=b"\x89PNG\x00\xff")
    assert required((await client.get_ui_customization()).ui_customization).css == ".banner-customizable { }"


async def manage_resource_servers(client: CognitoClient) -> None:
    """Create a resource server, change, read and delete it."""
    scope = ops.ResourceServerScopeType(scope_name="read", scope_description="to read")
    await client.create_resource_server(identifier="books", name="Books", scopes=[scope])
    await client.update_resource_server(identifier="books", name="More books", scopes=[scope])
    found = required((await client.describe_resource_server(identifier="books")).resource_server)
    assert (found.name, found.scopes) == ("More books", [scope])
    assert [each async for each in client.iter_list_resource_servers()] == [found]
    await client.delete_resource_server(identifier="books")


async def manage_identity_providers(client: CognitoClient) -> None:
    """Create two identity providers, change and read one, and link a user to it."""
    details = {
        "client_id": "a",
        "client_secret": "b",
        "authorize_scopes": "openid",
        "oidc_issuer": "https://idp.example",
    }
    for name in ("First", "Second"):
        await client.create_identity_provider(provider_name=name, provider_type="OIDC", provider_details=details)
    await client.update_identity_provider(
        provider_name="First", attribute_mapping={"email": "mail"}, idp_identifiers=["one"]
    )
    found = (await client.describe_identity_provider(provider_name="First")).identity_provider
    assert required(found).provider_details == details
    assert required(found).attribute_mapping == {"email": "mail"}
    assert (await client.get_identity_provider_by_identifier(idp_identifier="one")).identity_provider == found
    pages = [page async for page in client.iter_list_identity_providers(max_results=1).pages()]
    assert [[each.provider_name for each in page.providers or ()] for page in pages] == [["First"], ["Second"]]
    source = ops.ProviderUserIdentifierType(
        provider_name="First", provider_attribute_name="Cognito_Subject", provider_attribute_value="ada's id there"
    )
    user = ops.ProviderUserIdentifierType(provider_name="Cognito", provider_attribute_value=ADA)
    await client.admin_link_provider_for_user(destination_user=user, source_user=source)
    await client.admin_disable_provider_for_user(user=source)
    await refused(client.admin_disable_provider_for_user(user=source), ResourceNotFoundException)
    await client.delete_identity_provider(provider_name="Second")


# --- users and groups -------------------------------------------------------------------------------------------------


async def invite_ada(client: CognitoClient) -> None:
    """Create a user with a temporary password, change, disable and enable her."""
    made = await client.admin_create_user(
        username=ADA,
        temporary_password=FIRST,
        message_action="SUPPRESS",
        user_attributes=[ops.AttributeType(name="email", value=MAIL)],
    )
    assert required(made.user).user_status == "FORCE_CHANGE_PASSWORD"
    await client.admin_update_user_attributes(
        username=ADA,
        user_attributes=[
            ops.AttributeType(name="email_verified", value="true"),
            ops.AttributeType(name="custom:cats", value="2"),
        ],
    )
    await client.admin_disable_user(username=ADA)
    assert [user.enabled async for user in client.iter_list_users(filter=f'username = "{ADA}"')] == [False]
    await client.admin_enable_user(username=ADA)
    found = await client.admin_get_user(username=ADA)
    assert found.enabled is True
    assert {"custom:cats": "2", "email_verified": "true"}.items() <= {
        attribute.name: attribute.value for attribute in found.user_attributes or ()
    }.items()


async def sign_up_grace(client: CognitoClient, pool: LocalPool) -> None:
    """Sign up two users: one confirms with the second code, the other is confirmed and deleted."""
    await client.sign_up(
        username=GRACE, password=SECOND, user_attributes=[ops.AttributeType(name="email", value="grace@example.com")]
    )
    await client.resend_confirmation_code(username=GRACE)
    await refused(client.confirm_sign_up(username=GRACE, confirmation_code="000000"), CodeMismatchException)
    await client.confirm_sign_up(username=GRACE, confirmation_code=await pool.code_for("grace@example.com"))
    await client.sign_up(username="alan", password=SECOND)
    await client.admin_confirm_sign_up(username="alan")
    await client.admin_set_user_password(username="alan", password=THIRD, permanent=True)
    assert (await client.admin_get_user(username="alan")).user_status == "CONFIRMED"
    await client.admin_delete_user(username="alan")
    await refused(client.admin_get_user(username="alan"), UserNotFoundException)


async def manage_groups(client: CognitoClient) -> None:
    """Add both users to a group, list it, and delete it."""
    made = required((await client.create_group(group_name="pioneers", description="the first", precedence=1)).group)
    assert (await client.get_group(group_name="pioneers")).group == made
    for name in (ADA, GRACE):
        await client.admin_add_user_to_group(group_name="pioneers", username=name)
    assert {user.username async for user in client.iter_list_users_in_group(group_name="pioneers")} == {ADA, GRACE}
    assert "pioneers" in {group.group_name async for group in client.iter_admin_list_groups_for_user(username=ADA)}
    assert "pioneers" in {group.group_name async for group in client.iter_list_groups()}
    await client.admin_remove_user_from_group(group_name="pioneers", username=GRACE)
    assert [user.username async for user in client.iter_list_users_in_group(group_name="pioneers")] == [ADA]
    await client.delete_group(group_name="pioneers")


# --- sign-ins ---------------------------------------------------------------------------------------------------------


async def sign_in(client: CognitoClient, name: str, password: str) -> ops.InitiateAuthResponse:
    """Start a user's sign-in."""
    return await client.initiate_auth(
        auth_flow="USER_PASSWORD_AUTH", auth_parameters={"USERNAME": name, "PASSWORD": password}
    )


async def sign_in_ada(client: CognitoClient) -> tuple[str, str]:
    """Sign Ada in as administrator with a new password; return access and refresh token."""
    challenge = await client.admin_initiate_auth(
        auth_flow="ADMIN_USER_PASSWORD_AUTH", auth_parameters={"USERNAME": ADA, "PASSWORD": FIRST}
    )
    assert challenge.challenge_name == "NEW_PASSWORD_REQUIRED"
    done = await client.admin_respond_to_auth_challenge(
        challenge_name="NEW_PASSWORD_REQUIRED",
        session=challenge.session,
        challenge_responses={"USERNAME": ADA, "NEW_PASSWORD": SECOND},
    )
    tokens = required(done.authentication_result)
    return required(tokens.access_token), required(tokens.refresh_token)


async def use_self_service(client: CognitoClient, access_token: str, refresh_token: str) -> None:
    """Call the operations of a signed-in user, up to the sign-out."""
    await client.update_user_attributes(
        access_token=access_token, user_attributes=[ops.AttributeType(name="given_name", value="Ada Augusta")]
    )
    user = await client.get_user(access_token=access_token)
    assert ("given_name", "Ada Augusta") in {(each.name, each.value) for each in user.user_attributes or ()}
    await refused(
        client.change_password(access_token=access_token, previous_password=FIRST, proposed_password=THIRD),
        NotAuthorizedException,
    )
    await client.change_password(access_token=access_token, previous_password=SECOND, proposed_password=THIRD)
    fresh = required((await client.get_tokens_from_refresh_token(refresh_token=refresh_token)).authentication_result)
    await client.get_user(access_token=required(fresh.access_token))
    await client.revoke_token(token=refresh_token)
    await refused(client.get_tokens_from_refresh_token(refresh_token=refresh_token), NotAuthorizedException)


async def use_totp(client: CognitoClient) -> None:
    """Enrol Ada's authenticator, sign in with it, and disable it."""
    await client.set_user_pool_mfa_config(
        mfa_configuration="OPTIONAL", software_token_mfa_configuration=ops.SoftwareTokenMfaConfigType(enabled=True)
    )
    settings = await client.get_user_pool_mfa_config()
    assert required(settings.software_token_mfa_configuration).enabled is True
    token = required(required((await sign_in(client, ADA, THIRD)).authentication_result).access_token)
    secret = required((await client.associate_software_token(access_token=token)).secret_code)
    assert (
        await client.verify_software_token(access_token=token, user_code=totp(secret), friendly_device_name="a phone")
    ).status == "SUCCESS"
    on = ops.SoftwareTokenMfaSettingsType(enabled=True, preferred_mfa=True)
    await client.set_user_mfa_preference(access_token=token, software_token_mfa_settings=on)
    challenge = await sign_in(client, ADA, THIRD)
    assert (challenge.challenge_name, challenge.authentication_result) == ("SOFTWARE_TOKEN_MFA", None)
    answers = {"USERNAME": ADA, "SOFTWARE_TOKEN_MFA_CODE": totp(secret)}
    done = await client.respond_to_auth_challenge(
        challenge_name="SOFTWARE_TOKEN_MFA", session=challenge.session, challenge_responses=answers
    )
    assert required(done.authentication_result).access_token
    off = ops.SoftwareTokenMfaSettingsType(enabled=False)
    await client.admin_set_user_mfa_preference(username=ADA, software_token_mfa_settings=off)
    assert (await sign_in(client, ADA, THIRD)).authentication_result


def totp(secret: str) -> str:
    """Return the current code of an authenticator (RFC 6238)."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30), "sha1")
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 0xF)
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06d}"


async def reset_passwords(client: CognitoClient, pool: LocalPool) -> None:
    """Reset a password as user and as administrator."""
    await client.admin_reset_user_password(username=ADA)
    await refused(sign_in(client, ADA, THIRD), PasswordResetRequiredException)
    await client.forgot_password(username=ADA)
    code = await pool.code_for(MAIL)
    await refused(
        client.confirm_forgot_password(username=ADA, confirmation_code="000000", password=FOURTH), CodeMismatchException
    )
    await client.confirm_forgot_password(username=ADA, confirmation_code=code, password=FOURTH)
    assert (await sign_in(client, ADA, FOURTH)).authentication_result


async def read_auth_events(client: CognitoClient) -> None:
    """Read Ada's sign-ins and give feedback on one."""
    pages = [page async for page in client.iter_admin_list_user_auth_events(username=ADA, max_results=2).pages()]
    events = [event for page in pages for event in page.auth_events or ()]
    assert len(pages) > 1
    assert {"SignIn", "PasswordChange"} <= {event.event_type for event in events}
    assert all(event.creation_date and event.creation_date.tzinfo for event in events)
    event_id = required(events[0].event_id)
    await client.admin_update_auth_event_feedback(username=ADA, event_id=event_id, feedback_value="Valid")
    judged = (await client.admin_list_user_auth_events(username=ADA, max_results=1)).auth_events or []
    assert required(judged[0].event_feedback).feedback_value == "Valid"
    forged = client.update_auth_event_feedback(
        username=ADA, event_id=event_id, feedback_token="forged", feedback_value="Invalid"
    )
    await refused(forged, NotAuthorizedException)


async def delete_all(client: CognitoClient) -> None:
    """Sign both users out and delete everything."""
    token = required(required((await sign_in(client, ADA, FOURTH)).authentication_result).access_token)
    await client.admin_user_global_sign_out(username=ADA)
    await refused(client.get_user(access_token=token), NotAuthorizedException)
    token = required(required((await sign_in(client, GRACE, SECOND)).authentication_result).access_token)
    await client.global_sign_out(access_token=token)
    await refused(client.get_user(access_token=token), NotAuthorizedException)
    token = required(required((await sign_in(client, GRACE, SECOND)).authentication_result).access_token)
    await client.delete_user(access_token=token)
    assert [user.username async for user in client.iter_list_users()] == [ADA]
    await client.delete_user_pool_domain(domain="tour")
    await client.delete_user_pool_client()
    await client.delete_user_pool()
    await refused(client.describe_user_pool(), ResourceNotFoundException)


async def test_emulated_operations_work(session: RecordingSession, pool: LocalPool) -> None:
    """Each is called, and succeeds or is rejected as expected, with a response of its type."""
    pool_id, arn = await create_user_pool(session)
    client = session.client(user_pool_id=pool_id)
    await tag_user_pool(client, arn)
    client_id, secret = await create_app_client(client)
    client = session.client(client_id, secret, pool_id)
    await create_domain_and_branding(client)
    await manage_resource_servers(client)
    await invite_ada(client)
    await sign_up_grace(client, pool)
    await manage_groups(client)
    await manage_identity_providers(client)
    await use_self_service(client, *await sign_in_ada(client))
    await use_totp(client)
    await reset_passwords(client, pool)
    await read_auth_events(client)
    await delete_all(client)
    assert session.seen == EMULATED


# --- missing operations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(MISSING))
async def test_operations_that_the_emulator_lacks_are_service_errors(session: RecordingSession, name: str) -> None:
    """The unknown code is kept."""
    with pytest.raises(ServiceError) as caught:
        await session.send(smallest(request_types()[name]))
    assert type(caught.value) is ServiceError
    code = "MissingAuthenticationTokenException" if name in SIGNED_IN_EMULATOR else "InvalidAction"
    assert (caught.value.code, caught.value.operation) == (code, name)
