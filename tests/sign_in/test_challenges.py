"""Every flow and challenge, against the fake user pool."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cognito_async import (
    AnalyticsMetadataType,
    AsyncCognitoSession,
    CodeMismatchException,
    CognitoClient,
    EnableSoftwareTokenMFAException,
    InvalidParameterException,
    InvalidPasswordException,
    NotAuthorizedException,
    PasswordResetRequiredException,
    SignInExpiredError,
    UserContextDataType,
    UserNotConfirmedException,
    UserNotFoundException,
)
from cognito_async.operations import AttributeType
from cognito_async.protocol.secret_hash import secret_hash
from cognito_async.sign_in import (
    CustomChallenge,
    EmailOtpChallenge,
    MfaSetupChallenge,
    NewPasswordRequiredChallenge,
    PasswordChallenge,
    SelectChallenge,
    SelectMfaTypeChallenge,
    SignedIn,
    SmsMfaChallenge,
    SmsOtpChallenge,
    SoftwareTokenMfaChallenge,
    SoftwareTokenSecret,
    UnknownChallenge,
    WebAuthnChallenge,
)
from cognito_async.sign_in.flow import AdminSignInFlow, Flow, SignInFlow, Start, start
from cognito_async.testing import FakeCognito
from tests.sign_in.support import (
    EMAIL,
    NAME,
    NEW_PASSWORD,
    PASSWORD,
    PHONE,
    SECRET,
    answers,
    codes,
    expect,
    operations,
    signed_in,
    spaced,
    wrong,
)


def ada(fake: FakeCognito, **options: Any) -> None:
    """Create the user."""
    fake.create_user(NAME, **{"password": PASSWORD, "email": EMAIL, "phone_number": PHONE, **options})


# --- flows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth_flow", ["USER_SRP_AUTH", "USER_PASSWORD_AUTH", "USER_AUTH"])
@pytest.mark.parametrize("name", [NAME, EMAIL])
async def test_password_of_user_or_alias_signs_in(
    fake: FakeCognito, client: CognitoClient, auth_flow: SignInFlow, name: str
) -> None:
    """SRP never sends the password, and answers carry the service's name and its hash."""
    ada(fake)
    done = signed_in(await client.sign_in(username=name, password=PASSWORD, auth_flow=auth_flow))
    sent = json.dumps([request.payload for request in fake.requests])
    assert (PASSWORD in sent) is (auth_flow == "USER_PASSWORD_AUTH")
    if auth_flow != "USER_PASSWORD_AUTH":
        assert done.username == answers(fake)["USERNAME"] == NAME
        assert answers(fake)["SECRET_HASH"] == secret_hash(SECRET, NAME, "app")
        assert ("Session" in fake.requests[-1].payload) is (auth_flow == "USER_AUTH")
    else:
        assert done.username == name
    assert (done.device, done.device_error, done.tokens.device_key) == (None, None, None)


async def test_expiry_is_counted_from_the_arrival_of_the_tokens(fake: FakeCognito, client: CognitoClient) -> None:
    """It is an aware datetime of the flow's clock."""
    ada(fake)
    now = datetime.now(UTC).replace(microsecond=0)
    settings = Flow(client=client, username=NAME, now=lambda: now)
    done = await start(settings, Start(auth_flow="USER_SRP_AUTH", password=PASSWORD))
    assert isinstance(done, SignedIn)
    assert done.tokens.expires_at == now + timedelta(hours=1)
    assert done.tokens.expires_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("auth_flow", ["ADMIN_USER_PASSWORD_AUTH", "USER_SRP_AUTH", "USER_AUTH", "CUSTOM_AUTH"])
async def test_admin_sign_in_uses_the_admin_operations(
    fake: FakeCognito, client: CognitoClient, auth_flow: AdminSignInFlow
) -> None:
    """Challenges of the user, too, also after state()."""
    ada(fake, mfa=["SOFTWARE_TOKEN_MFA"] if auth_flow != "CUSTOM_AUTH" else [])
    fake.custom_challenges = [({}, "blue")]
    result = await client.admin_sign_in(username=EMAIL, password=PASSWORD, auth_flow=auth_flow)
    if isinstance(result, CustomChallenge):
        result = await result.respond("blue")
    else:
        challenge = expect(
            client.resume_sign_in(expect(result, SoftwareTokenMfaChallenge).state()), SoftwareTokenMfaChallenge
        )
        result = await challenge.respond(fake.totp_code(NAME))
    assert signed_in(result).username == NAME
    assert set(operations(fake)) == {"AdminInitiateAuth", "AdminRespondToAuthChallenge"}


@pytest.mark.parametrize("with_password", [True, False])
async def test_custom_challenges_are_answered_in_turn(
    fake: FakeCognito, client: CognitoClient, *, with_password: bool
) -> None:
    """With a password, SRP comes first; a wrong answer leads to another challenge."""
    ada(fake)
    fake.custom_challenges = [({"question": "colour"}, "blue"), ({"question": "number"}, "7")]
    result = await client.sign_in(username=EMAIL, password=PASSWORD if with_password else None, auth_flow="CUSTOM_AUTH")
    parameters = fake.requests[0].payload["AuthParameters"]
    assert (parameters.get("CHALLENGE_NAME") == "SRP_A") is ("SRP_A" in parameters) is with_password
    first = expect(result, CustomChallenge)
    assert first.parameters["question"] == "colour"
    first = expect(await first.respond("red"), CustomChallenge)
    second = expect(await first.respond("blue"), CustomChallenge)
    assert second.parameters["question"] == "number"
    assert signed_in(await second.respond("7")).username == NAME


async def test_session_of_confirmed_sign_up_signs_in(fake: FakeCognito, client: CognitoClient) -> None:
    """Without another factor."""
    await client.sign_up(username=NAME, password=PASSWORD, user_attributes=[AttributeType(name="email", value=EMAIL)])
    confirmed = await client.confirm_sign_up(username=NAME, confirmation_code=codes(fake)[-1])
    result = await client.sign_in(username=NAME, auth_flow="USER_AUTH", session=confirmed.session)
    assert signed_in(result).username == NAME


async def test_sign_in_through_a_replica(fake: FakeCognito) -> None:
    """Its region is that of the session; the user pool ID, and with it the proof, stay the same."""
    ada(fake)
    async with AsyncCognitoSession("us-east-2", endpoint_url=fake.endpoint_url, proxy=False) as session:
        client = fake.client(session, fake.create_app_client())
        assert signed_in(await client.sign_in(username=NAME, password=PASSWORD)).username == NAME


async def test_metadata_and_context_are_sent_with_each_request(fake: FakeCognito, client: CognitoClient) -> None:
    """Also with those that need no user."""
    ada(fake)
    context, analytics = UserContextDataType(ip_address="192.0.2.1"), AnalyticsMetadataType(analytics_endpoint_id="e")
    await client.sign_in(
        username=NAME,
        password=PASSWORD,
        client_metadata={"tenant": "acme"},
        user_context_data=context,
        analytics_metadata=analytics,
    )
    for request in fake.requests:
        assert request.payload["ClientMetadata"] == {"tenant": "acme"}
        assert request.payload["UserContextData"] == {"IpAddress": "192.0.2.1"}
        assert request.payload["AnalyticsMetadata"] == {"AnalyticsEndpointId": "e"}


# --- errors of the service --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"password": f"{PASSWORD}0"}, NotAuthorizedException),
        ({"status": "RESET_REQUIRED"}, PasswordResetRequiredException),
        ({"status": "UNCONFIRMED"}, UserNotConfirmedException),
    ],
)
async def test_errors_of_the_service_pass_through(
    fake: FakeCognito, client: CognitoClient, change: dict[str, Any], kind: type[Exception]
) -> None:
    """With the service's code and operation."""
    ada(fake, **change)
    with pytest.raises(kind) as caught:
        await client.sign_in(username=NAME, password=PASSWORD)
    assert getattr(caught.value, "code", None) == kind.__name__


async def test_unknown_user_is_reported_as_the_pool_does(fake: FakeCognito, session: AsyncCognitoSession) -> None:
    """An app client may hide or reveal whether a user exists."""
    hiding, revealing = (
        fake.client(session, fake.create_app_client(prevent_user_existence_errors=prevent)) for prevent in (True, False)
    )
    with pytest.raises(NotAuthorizedException):
        await hiding.sign_in(username="unknown@example.com", password=PASSWORD)
    with pytest.raises(UserNotFoundException):
        await revealing.sign_in(username="unknown@example.com", password=PASSWORD)


@pytest.mark.parametrize("auth_flow", ["USER_SRP_AUTH", "USER_PASSWORD_AUTH", "USER_AUTH", "CUSTOM_AUTH"])
async def test_flow_that_is_not_enabled_names_the_setting(
    fake: FakeCognito, session: AsyncCognitoSession, auth_flow: SignInFlow
) -> None:
    """As a note on the service's error."""
    ada(fake)
    client = fake.client(session, fake.create_app_client(auth_flows=["ALLOW_REFRESH_TOKEN_AUTH"]))
    with pytest.raises(InvalidParameterException) as caught:
        await client.sign_in(username=NAME, password=PASSWORD, auth_flow=auth_flow)
    assert any(f"ALLOW_{auth_flow}" in note for note in caught.value.__notes__)


async def test_flow_that_is_not_enabled_for_the_client_names_the_setting(
    fake: FakeCognito, client: CognitoClient
) -> None:
    """The other wording of the service."""
    fake.fail_next(
        "InitiateAuth", code="InvalidParameterException", message="USER_SRP_AUTH is not enabled for the client."
    )
    with pytest.raises(InvalidParameterException) as caught:
        await client.sign_in(username=NAME, password=PASSWORD)
    assert "ALLOW_USER_SRP_AUTH" in caught.value.__notes__[0]


# --- codes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mfa", "kind", "medium", "destination"),
    [
        ("SMS_MFA", SmsMfaChallenge, "SMS", "+*******5678"),
        ("EMAIL_OTP", EmailOtpChallenge, "EMAIL", "a***@e***"),
    ],
)
async def test_sent_code_is_answered_after_a_wrong_one(  # noqa: PLR0917
    fake: FakeCognito, client: CognitoClient, mfa: str, kind: type[SmsMfaChallenge], medium: str, destination: str
) -> None:
    """The challenge stays open after CodeMismatchException."""
    ada(fake, mfa=[mfa])
    challenge = expect(await client.sign_in(username=EMAIL, password=PASSWORD), kind)
    assert (challenge.name, challenge.username, challenge.medium) == (mfa, NAME, medium)
    assert challenge.destination == destination
    with pytest.raises(CodeMismatchException):
        await challenge.respond(wrong(codes(fake)[-1]))
    assert signed_in(await challenge.respond(f"  {spaced(codes(fake)[-1])}\n")).username == NAME
    assert answers(fake)[f"{mfa}_CODE"] == codes(fake)[-1]


async def test_medium_of_a_code_has_two_names(fake: FakeCognito, client: CognitoClient) -> None:
    """Either is read."""
    parameters = {"CODE_DELIVERY_MEDIUM": "SMS"}
    fake.fail_next("InitiateAuth", response={"ChallengeName": "SMS_OTP", "ChallengeParameters": parameters})
    result = await client.sign_in(username=NAME, auth_flow="USER_AUTH")
    assert expect(result, SmsOtpChallenge).medium == "SMS"


async def test_code_of_authenticator_app_is_answered_after_a_wrong_one(
    fake: FakeCognito, client: CognitoClient
) -> None:
    """The challenge names the app."""
    ada(fake, mfa=["SOFTWARE_TOKEN_MFA"])
    challenge = expect(await client.sign_in(username=EMAIL, password=PASSWORD), SoftwareTokenMfaChallenge)
    assert challenge.device_name == "Authenticator"
    with pytest.raises(CodeMismatchException):
        await challenge.respond(wrong(fake.totp_code(NAME)))
    signed_in(await challenge.respond(spaced(fake.totp_code(NAME))))


async def test_expired_session_asks_for_a_new_sign_in(fake: FakeCognito, client: CognitoClient) -> None:
    """The service's error is the cause."""
    ada(fake, mfa=["SMS_MFA"])
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD), SmsMfaChallenge)
    fake.advance(181)
    with pytest.raises(SignInExpiredError) as caught:
        await challenge.respond(codes(fake)[-1])
    assert isinstance(caught.value.__cause__, NotAuthorizedException)
    assert caught.value.message != caught.value.__cause__.message
    assert (caught.value.code, caught.value.status) == ("NotAuthorizedException", 400)
    assert caught.value.operation == "RespondToAuthChallenge"
    assert caught.value.request_id


@pytest.mark.parametrize("option", ["SMS_MFA", "SOFTWARE_TOKEN_MFA"])
@pytest.mark.parametrize("method", ["select", "respond"])
async def test_second_factor_is_selected(fake: FakeCognito, client: CognitoClient, option: str, method: str) -> None:
    """The options are those of the user."""
    ada(fake, mfa=["SMS_MFA", "SOFTWARE_TOKEN_MFA"])
    choice = expect(await client.sign_in(username=NAME, password=PASSWORD), SelectMfaTypeChallenge)
    assert choice.options == ("SMS_MFA", "SOFTWARE_TOKEN_MFA")
    challenge = await getattr(choice, method)(option)
    assert challenge.name == option
    signed_in(await challenge.respond(codes(fake)[-1] if option == "SMS_MFA" else fake.totp_code(NAME)))


# --- MFA set-up, new password -----------------------------------------------------------------------------------------


async def test_authenticator_app_is_set_up(fake: FakeCognito, client: CognitoClient) -> None:
    """Each step uses the newest session; a wrong code can be followed by the right one."""
    ada(fake)
    fake.mfa_setup = ("SOFTWARE_TOKEN_MFA", "EMAIL_OTP")
    challenge = expect(await client.sign_in(username=EMAIL, password=PASSWORD), MfaSetupChallenge)
    assert challenge.options == ("SOFTWARE_TOKEN_MFA", "EMAIL_OTP")
    secret = await challenge.associate_software_token()
    assert secret.secret == fake.users[NAME].totp_secret
    challenge = expect(client.resume_sign_in(challenge.state()), MfaSetupChallenge)
    with pytest.raises((EnableSoftwareTokenMFAException, CodeMismatchException)):
        await challenge.verify_software_token(wrong(fake.totp_code(NAME)))
    result = await challenge.verify_software_token(f" {spaced(fake.totp_code(NAME))} ", "Ada's phone")
    assert signed_in(result).username == NAME
    assert fake.requests[-2].payload["FriendlyDeviceName"] == "Ada's phone"
    assert "SOFTWARE_TOKEN_MFA" in fake.users[NAME].mfa


async def test_unsuccessful_status_of_verification_is_a_wrong_code(fake: FakeCognito, client: CognitoClient) -> None:
    """The service has two ways to say so."""
    ada(fake)
    fake.mfa_setup = ("SOFTWARE_TOKEN_MFA",)
    challenge = expect(await client.sign_in(username=EMAIL, password=PASSWORD), MfaSetupChallenge)
    await challenge.associate_software_token()
    fake.fail_next("VerifySoftwareToken", response={"Status": "ERROR"})
    with pytest.raises(CodeMismatchException) as caught:
        await challenge.verify_software_token("123456")
    assert (caught.value.code, caught.value.operation) == ("CodeMismatchException", "VerifySoftwareToken")
    signed_in(await challenge.verify_software_token(fake.totp_code(NAME)))


async def test_uri_of_authenticator_app_is_escaped(fake: FakeCognito, client: CognitoClient) -> None:
    """As the key URI format of Google Authenticator."""
    ada(fake)
    fake.mfa_setup = ("SOFTWARE_TOKEN_MFA",)
    challenge = expect(await client.sign_in(username=EMAIL, password=PASSWORD), MfaSetupChallenge)
    secret = await challenge.associate_software_token()
    uri = secret.uri(issuer="Acme & Söhne", account=EMAIL)
    issuer = "Acme%20%26%20S%C3%B6hne"
    assert uri == f"otpauth://totp/{issuer}:{EMAIL}?secret={secret.secret}&issuer={issuer}"


def test_uri_of_authenticator_app_has_no_further_path() -> None:
    """A slash in a name would add one."""
    uri = SoftwareTokenSecret("A/B").uri(issuer="Acme/Shop", account="ada/1@example.com")
    assert uri == "otpauth://totp/Acme%2FShop:ada%2F1@example.com?secret=A%2FB&issuer=Acme%2FShop"


async def test_email_is_set_up_as_second_factor(fake: FakeCognito, client: CognitoClient) -> None:
    """The code goes to the new address."""
    ada(fake)
    fake.mfa_setup = ("EMAIL_OTP",)
    challenge = expect(await client.sign_in(username=NAME, password=PASSWORD), MfaSetupChallenge)
    sent = expect(await challenge.set_up_email("new@example.com"), EmailOtpChallenge)
    assert fake.messages[-1].destination == "new@example.com"
    signed_in(await sent.respond(codes(fake)[-1]))


async def test_temporary_password_is_replaced(fake: FakeCognito, client: CognitoClient) -> None:
    """A weak password leaves the challenge open; names of attributes have no prefix."""
    ada(fake, status="FORCE_CHANGE_PASSWORD", required_attributes=["given_name"])
    challenge = expect(await client.sign_in(username=EMAIL, password=PASSWORD), NewPasswordRequiredChallenge)
    assert challenge.required_attributes == ("given_name",)
    assert challenge.user_attributes["email"] == EMAIL
    with pytest.raises(InvalidPasswordException):
        await challenge.respond("password", attributes={"given_name": "Ada"})
    signed_in(await challenge.respond(NEW_PASSWORD, attributes={"given_name": "Ada"}))
    assert fake.users[NAME].attributes["given_name"] == "Ada"
    signed_in(await client.sign_in(username=EMAIL, password=NEW_PASSWORD))


# --- choice-based sign-in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preferred", [True, False])
@pytest.mark.parametrize(("option", "kind"), [("EMAIL_OTP", EmailOtpChallenge), ("SMS_OTP", SmsOtpChallenge)])
async def test_one_time_password_signs_in(
    fake: FakeCognito, client: CognitoClient, option: str, kind: type[SmsOtpChallenge], *, preferred: bool
) -> None:
    """Preferred, or selected."""
    ada(fake)
    result = await client.sign_in(
        username=NAME, auth_flow="USER_AUTH", preferred_challenge=option if preferred else None
    )
    if not preferred:
        choice = expect(result, SelectChallenge)
        assert set(choice.options) == {"PASSWORD", "PASSWORD_SRP", "EMAIL_OTP", "SMS_OTP"}
        result = await choice.select(option)
    assert signed_in(await expect(result, kind).respond(codes(fake)[-1])).username == NAME


@pytest.mark.parametrize("srp", [True, False])
async def test_password_is_selected(fake: FakeCognito, client: CognitoClient, *, srp: bool) -> None:
    """It is sent only if the caller says so; the answer carries it, or SRP_A."""
    ada(fake)
    choice = expect(await client.sign_in(username=NAME, auth_flow="USER_AUTH"), SelectChallenge)
    signed_in(await choice.respond_with_password(PASSWORD, srp=srp))
    assert (PASSWORD in json.dumps([request.payload for request in fake.requests])) is not srp
    assert len(fake.requests) == (3 if srp else 2)


async def test_preferred_password_is_sent(fake: FakeCognito, client: CognitoClient) -> None:
    """The factor PASSWORD is the caller's explicit choice."""
    ada(fake)
    result = await client.sign_in(
        username=NAME, password=PASSWORD, auth_flow="USER_AUTH", preferred_challenge="PASSWORD"
    )
    signed_in(result)
    assert operations(fake) == ["InitiateAuth"]


async def test_password_is_not_sent_to_start_with_another_factor(fake: FakeCognito, client: CognitoClient) -> None:
    """The service does not need it."""
    ada(fake)
    result = await client.sign_in(
        username=NAME, password=PASSWORD, auth_flow="USER_AUTH", preferred_challenge="EMAIL_OTP"
    )
    expect(result, EmailOtpChallenge)
    assert PASSWORD not in json.dumps([request.payload for request in fake.requests])


@pytest.mark.parametrize("name", ["PASSWORD", "PASSWORD_SRP"])
async def test_challenge_for_the_password_is_answered(fake: FakeCognito, client: CognitoClient, name: str) -> None:
    """With SRP only if the challenge is for SRP."""
    ada(fake)
    choice = expect(await client.sign_in(username=NAME, auth_flow="USER_AUTH"), SelectChallenge)
    unknown = UnknownChallenge(step=choice._step)  # selects without the password
    challenge = expect(await unknown.respond({"ANSWER": name}), PasswordChallenge)
    assert challenge.name == name
    signed_in(await challenge.respond(PASSWORD))
    assert (PASSWORD in json.dumps([request.payload for request in fake.requests])) is (name == "PASSWORD")


@pytest.mark.parametrize("preferred", [True, False])
@pytest.mark.parametrize("as_text", [True, False])
async def test_passkey_signs_in(fake: FakeCognito, client: CognitoClient, *, preferred: bool, as_text: bool) -> None:
    """The browser's credential is an object, or its text."""
    ada(fake, passkeys=["cGFzc2tleQ"])
    result = await client.sign_in(
        username=NAME, auth_flow="USER_AUTH", preferred_challenge="WEB_AUTHN" if preferred else None
    )
    if not preferred:
        result = await expect(result, SelectChallenge).select("WEB_AUTHN")
    challenge = expect(result, WebAuthnChallenge)
    assert challenge.request_options["rpId"] == "localhost"
    answer = fake.passkey_credential(challenge.request_options)
    assert signed_in(await challenge.respond(json.dumps(answer) if as_text else answer)).username == NAME


async def test_passkey_answers_the_selection_itself(fake: FakeCognito, client: CognitoClient) -> None:
    """If the parameters of the selection contain the options."""
    ada(fake, passkeys=["cGFzc2tleQ"])
    choice = expect(await client.sign_in(username=NAME, auth_flow="USER_AUTH"), SelectChallenge)
    tokens = {"AuthenticationResult": {"AccessToken": "a", "RefreshToken": "r", "ExpiresIn": 60}}
    fake.fail_next("RespondToAuthChallenge", response=tokens)
    signed_in(await choice.respond_with_credential({"id": "cGFzc2tleQ"}))
    assert answers(fake)["ANSWER"] == "WEB_AUTHN"
    assert answers(fake)["CREDENTIAL"] == '{"id":"cGFzc2tleQ"}'


# --- challenges of the future -----------------------------------------------------------------------------------------


async def test_unknown_challenge_is_answered_by_aws_names(fake: FakeCognito, client: CognitoClient) -> None:
    """Username, secret hash and session are added."""
    ada(fake)
    challenge = {
        "ChallengeName": "RETINA_SCAN",
        "Session": "s" * 20,
        "ChallengeParameters": {"EYE": "left", "USER_ID_FOR_SRP": NAME},
    }
    fake.fail_next("InitiateAuth", response=challenge)
    result = expect(await client.sign_in(username=EMAIL, password=PASSWORD), UnknownChallenge)
    assert (result.name, result.parameters["EYE"]) == ("RETINA_SCAN", "left")
    tokens = {"AuthenticationResult": {"AccessToken": "a", "RefreshToken": "r", "ExpiresIn": 60}}
    fake.fail_next("RespondToAuthChallenge", response=tokens)
    signed_in(await result.respond({"SCAN": "0110"}))
    payload = fake.requests[-1].payload
    assert (payload["ChallengeName"], payload["Session"]) == ("RETINA_SCAN", "s" * 20)
    expected = {"USERNAME": NAME, "SECRET_HASH": secret_hash(SECRET, NAME, "app"), "SCAN": "0110"}
    assert payload["ChallengeResponses"] == expected
