"""FakeCognito, driven over plain HTTP: pycognito computes the proofs, botocore's model checks the responses."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

import aiohttp
import botocore.session
import jwt
import pytest
from botocore.model import Shape
from pycognito.aws_srp import AWSSRP, generate_hash_device, hex_to_long

from cognito_async import ParameterValidationError
from cognito_async.fastapi import PasswordPolicy
from cognito_async.sign_in import SignedIn
from cognito_async.testing import FakeCognito
from cognito_async.testing.fake_cognito import FakeAppClient
from cognito_async.tokens import TokenVerifier
from tests.support.processes import ROOT

PASSWORD = "Analytical-1843"
NEW_PASSWORD = "Difference-1822"
SECRET = "client-secret"
TIMESTAMP = "Thu Jun 5 07:00:00 UTC 2025"
MODEL = botocore.session.get_session().get_service_model("cognito-idp")

INCORRECT = ("NotAuthorizedException", "Incorrect username or password.")
INVALID_SESSION = ("NotAuthorizedException", "Invalid session for the user.")
USED_SESSION = ("NotAuthorizedException", "Invalid session for the user, session can only be used once.")
EXPIRED_SESSION = ("NotAuthorizedException", "Invalid session for the user, session is expired.")
MISMATCH = ("CodeMismatchException", "Invalid code received for user")
REVOKED_REFRESH_TOKEN = ("NotAuthorizedException", "Refresh Token has been revoked")
EXPIRED_REFRESH_TOKEN = ("NotAuthorizedException", "Refresh Token has expired")
REVOKED_ACCESS_TOKEN = ("NotAuthorizedException", "Access Token has been revoked")
DISABLED = ("NotAuthorizedException", "User is disabled.")
NOT_RESETTABLE = ("NotAuthorizedException", "User password cannot be reset in the current state.")
WRONG_CODE = ("CodeMismatchException", "Invalid verification code provided, please try again.")
EXPIRED_CODE = ("ExpiredCodeException", "Invalid code provided, please request a code again.")
OTHER_OPERATION = ("InvalidParameterException", "Initiate Auth method not supported.")
UNAVAILABLE_CHALLENGE = ("InvalidParameterException", "The selected challenge is not available for the user.")


class Refused(Exception):  # noqa: N818 - an error response
    """An error response: its code and message."""


class Aws:
    """A client of the fake, for one app client, that shares no code with cognito_async."""

    def __init__(self, fake: FakeCognito, http: aiohttp.ClientSession) -> None:
        self.fake = fake
        self.http = http
        self.app = fake.create_app_client()

    async def call(self, operation: str, **payload: Any) -> Any:
        """Send a request; return the response, or raise Refused."""
        headers = {"X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}"}
        async with self.http.post(self.fake.endpoint_url, data=json.dumps(payload), headers=headers) as response:
            body = json.loads(await response.read())
            if response.status != 200:
                raise Refused(body["__type"], body["message"])
        shape = MODEL.operation_model(operation).output_shape
        if shape is not None:
            check_shape(body, shape)
        return body

    async def initiate(self, flow: str, **parameters: str) -> Any:
        """Send InitiateAuth."""
        return await self.call("InitiateAuth", ClientId=self.app.client_id, AuthFlow=flow, AuthParameters=parameters)

    async def respond(self, challenge: Any, *, username: str = "ada", **responses: str) -> Any:
        """Send RespondToAuthChallenge for a challenge."""
        payload = {"ClientId": self.app.client_id, "ChallengeName": challenge["ChallengeName"]}
        if "Session" in challenge:
            payload["Session"] = challenge["Session"]
        responses = {"USERNAME": username, **responses}
        return await self.call("RespondToAuthChallenge", **payload, ChallengeResponses=responses)

    async def password(self, **parameters: str) -> Any:
        """Sign in with USER_PASSWORD_AUTH."""
        return await self.initiate("USER_PASSWORD_AUTH", USERNAME="ada", PASSWORD=PASSWORD, **parameters)

    async def device(self) -> dict[str, str]:
        """Sign in, confirm a new device and return its key, group key and password, with the tokens."""
        tokens = (await self.password())["AuthenticationResult"]
        key, group = (tokens["NewDeviceMetadata"][name] for name in ("DeviceKey", "DeviceGroupKey"))
        password, verifier = generate_hash_device(group, key)
        await self.call(
            "ConfirmDevice", AccessToken=tokens["AccessToken"], DeviceKey=key, DeviceSecretVerifierConfig=verifier
        )
        return {"device_key": key, "device_group_key": group, "device_password": password, **tokens}


class Prover:
    """One SRP exchange, computed by pycognito."""

    def __init__(self, pool_id: str, password: str = PASSWORD, device: Mapping[str, str] | None = None) -> None:
        keys = ("device_key", "device_group_key", "device_password")
        device = {key: device[key] for key in keys} if device else {}
        self.device = device
        self.pool_name = pool_id.partition("_")[2]
        self.password = password
        self.srp = AWSSRP("", password, pool_id, "", client=object(), **device)
        self.public = f"{self.srp.large_a_value:x}"

    def prove(self, parameters: Mapping[str, str], *, timestamp: str = TIMESTAMP) -> dict[str, str]:
        """Return the responses to PASSWORD_VERIFIER or DEVICE_PASSWORD_VERIFIER."""
        b, block = hex_to_long(parameters["SRP_B"]), parameters["SECRET_BLOCK"]
        salt = f"{int(parameters['SALT'], 16):x}"  # a number: pycognito would keep the zeros of the text
        name = parameters["USERNAME"]
        if self.device:
            group, key, password = (self.device[f"device_{part}"] for part in ("group_key", "key", "password"))
            secret, subject = self.srp.get_device_authentication_key(group, key, password, b, salt), group + key
        else:
            secret = self.srp.get_password_authentication_key(name, self.password, b, salt)
            subject = self.pool_name + name
        message = subject.encode() + base64.b64decode(block) + timestamp.encode()
        signature = base64.b64encode(hmac.digest(secret, message, "sha256")).decode()
        proof = {"PASSWORD_CLAIM_SIGNATURE": signature, "PASSWORD_CLAIM_SECRET_BLOCK": block, "TIMESTAMP": timestamp}
        return proof | ({"DEVICE_KEY": self.device["device_key"]} if self.device else {})


def check_shape(value: Any, shape: Shape) -> None:
    """Check a JSON value against a shape of botocore's model; members that the model lacks are errors."""
    match shape.type_name:
        case "structure" if not getattr(shape, "is_document_type", False):
            assert not value.keys() - shape.members.keys(), (shape.name, value.keys())
            for name, member in value.items():
                check_shape(member, shape.members[name])
        case "list":
            for member in value:
                check_shape(member, shape.member)
        case "map":
            for key, member in value.items():
                assert isinstance(key, str)
                check_shape(member, shape.value)
        case "string":
            assert isinstance(value, str)
            assert not getattr(shape, "enum", None) or value in shape.enum, value
            assert len(value) >= shape.metadata.get("min", 0)
        case "integer" | "long" | "timestamp" | "double":
            assert isinstance(value, int | float)
            assert not isinstance(value, bool)
        case "boolean":
            assert isinstance(value, bool)
        case _:
            assert shape.name == "Document"


def refused(error: tuple[str, str]) -> Any:
    """Expect an error response with this code and message."""
    return pytest.raises(Refused, check=lambda raised: raised.args == error)


def not_enabled(flow: str) -> tuple[str, str]:
    """Return the error of a flow that the app client does not allow."""
    return "InvalidParameterException", f"{flow} flow not enabled for this client"


def secret_hash(name: str, client_id: str) -> str:
    """Return a secret hash for the app client with the secret SECRET."""
    return base64.b64encode(hmac.digest(SECRET.encode(), (name + client_id).encode(), "sha256")).decode()


@pytest.fixture
async def aws() -> AsyncIterator[Aws]:
    """Start a fake with the user ada."""
    async with FakeCognito() as fake, aiohttp.ClientSession() as http:
        fake.create_user("ada", password=PASSWORD, email="ada@example.com", phone_number="+441234567890")
        yield Aws(fake, http)


def enable(aws: Aws, **settings: Any) -> None:
    """Replace the app client by one with these settings."""
    aws.app = aws.fake.create_app_client(**settings)


# Passwords


async def test_password_flow_correct_password_returns_tokens(aws: Aws) -> None:
    """Access and ID token name user and app client, and are signed with two keys."""
    result = (await aws.password())["AuthenticationResult"]
    async with aws.http.get(f"{aws.fake.endpoint_url}/{aws.fake.user_pool_id}/.well-known/jwks.json") as response:
        jwks = jwt.PyJWKSet.from_dict(await response.json())
    kids = {jwt.get_unverified_header(result[name])["kid"] for name in ("AccessToken", "IdToken")}
    access = jwt.decode(result["AccessToken"], jwks[jwt.get_unverified_header(result["AccessToken"])["kid"]])
    id_key = jwks[jwt.get_unverified_header(result["IdToken"])["kid"]]
    claims = jwt.decode(result["IdToken"], id_key, audience=aws.app.client_id)
    assert len(kids) == 2
    assert access["client_id"] == aws.app.client_id
    assert access["origin_jti"] == claims["origin_jti"]
    assert (access["username"], claims["cognito:username"]) == ("ada", "ada")
    assert claims["email"] == "ada@example.com"
    assert claims["email_verified"] is True
    assert result["ExpiresIn"] == 3600


@pytest.mark.parametrize("name", ["ada", "mallory"])
async def test_password_flow_wrong_password_looks_like_unknown_user(aws: Aws, name: str) -> None:
    """Both are refused with the same words."""
    with refused(INCORRECT):
        await aws.initiate("USER_PASSWORD_AUTH", USERNAME=name, PASSWORD="wrong")


async def test_unknown_user_without_prevention_is_reported(aws: Aws) -> None:
    """A legacy app client says that the user does not exist."""
    enable(aws, prevent_user_existence_errors=False)
    with refused(("UserNotFoundException", "User does not exist.")):
        await aws.initiate("USER_SRP_AUTH", USERNAME="mallory", SRP_A="2")


async def test_password_attempts_after_five_failures_lock_for_growing_time(aws: Aws) -> None:
    """A locked user is refused even with the right password."""
    for _ in range(5):
        with refused(INCORRECT):
            await aws.initiate("USER_PASSWORD_AUTH", USERNAME="ada", PASSWORD="wrong")
    with refused(("NotAuthorizedException", "Password attempts exceeded")):
        await aws.password()
    aws.fake.advance(1.5)
    with refused(INCORRECT):
        await aws.initiate("USER_PASSWORD_AUTH", USERNAME="ada", PASSWORD="wrong")
    aws.fake.advance(1.5)
    with refused(("NotAuthorizedException", "Password attempts exceeded")):
        await aws.password()
    aws.fake.advance(1.5)
    assert "AuthenticationResult" in await aws.password()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"enabled": False}, ("NotAuthorizedException", "User is disabled.")),
        ({"status": "UNCONFIRMED"}, ("UserNotConfirmedException", "User is not confirmed.")),
        ({"status": "RESET_REQUIRED"}, ("PasswordResetRequiredException", "Password reset required for the user")),
    ],
)
async def test_password_flow_inactive_user_is_refused(aws: Aws, change: dict[str, Any], error: tuple[str, str]) -> None:
    """A state of the user refuses the right password."""
    for name, value in change.items():
        setattr(aws.fake.users["ada"], name, value)
    with refused(error):
        await aws.password()


async def test_flows_not_enabled_or_of_other_operation_are_refused(aws: Aws) -> None:
    """App clients allow flows; the flow with the administrator's password has its own operation."""
    with refused(OTHER_OPERATION):
        await aws.initiate("ADMIN_USER_PASSWORD_AUTH", USERNAME="ada", PASSWORD=PASSWORD)
    enable(aws, auth_flows=["ALLOW_USER_SRP_AUTH"])
    with refused(not_enabled("USER_PASSWORD_AUTH")):
        await aws.password()


async def test_admin_operations_take_the_same_challenges(aws: Aws) -> None:
    """Administrators start with a flow that has no SRP."""
    aws.fake.users["ada"].mfa = ["SMS_MFA"]
    pool = {"UserPoolId": aws.fake.user_pool_id, "ClientId": aws.app.client_id}
    parameters = {"USERNAME": "ada", "PASSWORD": PASSWORD}
    with refused(OTHER_OPERATION):
        await aws.call("AdminInitiateAuth", **pool, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters)
    challenge = await aws.call(
        "AdminInitiateAuth", **pool, AuthFlow="ADMIN_USER_PASSWORD_AUTH", AuthParameters=parameters
    )
    response = await aws.call(
        "AdminRespondToAuthChallenge",
        **pool,
        ChallengeName="SMS_MFA",
        Session=challenge["Session"],
        ChallengeResponses={"USERNAME": "ada", "SMS_MFA_CODE": aws.fake.messages[-1].code},
    )
    assert "AuthenticationResult" in response


# SRP


async def test_srp_correct_proof_returns_tokens_and_may_be_repeated(aws: Aws) -> None:
    """The challenge names the user behind an alias, has no session and takes proofs until it expires."""
    prover = Prover(aws.fake.user_pool_id)
    challenge = await aws.initiate("USER_SRP_AUTH", USERNAME="ada@example.com", SRP_A=prover.public)
    parameters = challenge["ChallengeParameters"]
    assert challenge["ChallengeName"] == "PASSWORD_VERIFIER"
    assert parameters["USER_ID_FOR_SRP"] == "ada"
    assert "Session" not in challenge
    proof = prover.prove(parameters)
    for _ in range(2):
        assert "AuthenticationResult" in await aws.respond(challenge, **proof)
    aws.fake.advance(181)
    with refused(INCORRECT):
        await aws.respond(challenge, **proof)


@pytest.mark.parametrize("number", range(12))
async def test_srp_random_exchanges_agree_with_pycognito(aws: Aws, number: int) -> None:
    """Any salt and password work; numbers are padded as Java pads them."""
    salt = ("7f", "80", "ff", "01", "007f", "00ff")[number % 6] + secrets.token_hex(14)
    password = f"{'pässwörd' if number % 2 else 'password'}-{secrets.token_urlsafe(8)}"
    user = aws.fake.create_user("user")
    user.password, user.salt = password, salt
    prover = Prover(aws.fake.user_pool_id, password)
    challenge = await aws.initiate("USER_SRP_AUTH", USERNAME="user", SRP_A=prover.public)
    proof = prover.prove(challenge["ChallengeParameters"])
    assert "AuthenticationResult" in await aws.respond(challenge, username="user", **proof)


@pytest.mark.parametrize(
    "change",
    [
        {"PASSWORD_CLAIM_SIGNATURE": base64.b64encode(bytes(32)).decode()},
        {"PASSWORD_CLAIM_SECRET_BLOCK": base64.b64encode(bytes(32)).decode()},
        {"TIMESTAMP": "Thu Jun 5 07:00:01 UTC 2025"},
        {"username": "ada@example.com"},
    ],
)
async def test_srp_wrong_proof_is_refused(aws: Aws, change: dict[str, str]) -> None:
    """Each part of the proof counts, and the name must be that of the challenge."""
    prover = Prover(aws.fake.user_pool_id)
    challenge = await aws.initiate("USER_SRP_AUTH", USERNAME="ada", SRP_A=prover.public)
    with refused(INCORRECT):
        await aws.respond(challenge, **prover.prove(challenge["ChallengeParameters"]) | change)


@pytest.mark.parametrize("timestamp", ["Thu Jun 05 07:00:00 UTC 2025", "Fri Jun 5 07:00:00 UTC 2025"])
async def test_srp_timestamp_readable_but_not_canonical_is_incorrect(aws: Aws, timestamp: str) -> None:
    """The service signs the canonical form, so the proof differs."""
    prover = Prover(aws.fake.user_pool_id)
    challenge = await aws.initiate("USER_SRP_AUTH", USERNAME="ada", SRP_A=prover.public)
    with refused(INCORRECT):
        await aws.respond(challenge, **prover.prove(challenge["ChallengeParameters"], timestamp=timestamp))


@pytest.mark.parametrize("timestamp", ["Thu Jun 5 07:00:00 utc 2025", "Do Jun 5 07:00:00 UTC 2025", "2025-06-05", " "])
async def test_srp_timestamp_unreadable_is_invalid(aws: Aws, timestamp: str) -> None:
    """An unreadable timestamp is a wrong parameter."""
    prover = Prover(aws.fake.user_pool_id)
    challenge = await aws.initiate("USER_SRP_AUTH", USERNAME="ada", SRP_A=prover.public)
    error = ("InvalidParameterException", "TIMESTAMP format should be EEE MMM d HH:mm:ss z yyyy in english.")
    with refused(error):
        await aws.respond(challenge, **prover.prove(challenge["ChallengeParameters"], timestamp=timestamp))


@pytest.mark.parametrize("missing", ["TIMESTAMP", "PASSWORD_CLAIM_SIGNATURE", "PASSWORD_CLAIM_SECRET_BLOCK"])
async def test_srp_proof_without_key_names_it(aws: Aws, missing: str) -> None:
    """The message names the first missing key."""
    prover = Prover(aws.fake.user_pool_id)
    challenge = await aws.initiate("USER_SRP_AUTH", USERNAME="ada", SRP_A=prover.public)
    proof = prover.prove(challenge["ChallengeParameters"])
    with refused(("InvalidParameterException", f"Missing required parameter {missing}")):
        await aws.respond(challenge, **{key: value for key, value in proof.items() if key != missing})


async def test_srp_public_value_not_hex_or_zero_is_refused(aws: Aws) -> None:
    """SRP_A is a hexadecimal number that is not a multiple of N."""
    from cognito_async.testing.fake_cognito.srp import N  # noqa: PLC0415

    for value in ("0x12", "", "g", "0", f"{2 * N:x}"):
        with pytest.raises(Refused, match="InvalidParameterException"):
            await aws.initiate("USER_SRP_AUTH", USERNAME="ada", SRP_A=value)


async def test_srp_unknown_user_gets_fake_challenge_with_stable_salt(aws: Aws) -> None:
    """The challenge has the form of a real one; no proof is accepted."""
    prover = Prover(aws.fake.user_pool_id)
    known = await aws.initiate("USER_SRP_AUTH", USERNAME="ada", SRP_A=prover.public)
    first, second = [await aws.initiate("USER_SRP_AUTH", USERNAME="eve", SRP_A=prover.public) for _ in range(2)]
    assert first["ChallengeParameters"].keys() == known["ChallengeParameters"].keys()
    assert first["ChallengeParameters"]["SALT"] == second["ChallengeParameters"]["SALT"]
    assert len(first["ChallengeParameters"]["SALT"]) == len(known["ChallengeParameters"]["SALT"])
    with refused(INCORRECT):
        await aws.respond(first, username="eve", **prover.prove(first["ChallengeParameters"]))


def test_srp_constants_are_those_of_the_published_vectors() -> None:
    """N is RFC 3526's group 15; k is the number in the vectors of another project."""
    from cognito_async.testing.fake_cognito import srp  # noqa: PLC0415

    assert hashlib.sha256(srp.java_bytes(srp.N)).hexdigest() == (
        "b28bc90ba9cb908924dc77c554a5fe9225ce147d98fd5d10a40b6d568a1425b2"
    )
    assert f"{srp.K:x}" == "538282c4354742d7cbbde2359fcf67f9f5b3a6b08791e5011b43b8a5b66d9ee6"


# Secret hashes


async def test_secret_hash_is_checked_over_the_name_of_each_request(aws: Aws) -> None:
    """InitiateAuth takes the hash of the given name, responses that of USER_ID_FOR_SRP."""
    enable(aws, client_secret=SECRET)
    client_id = aws.app.client_id
    prover = Prover(aws.fake.user_pool_id)
    with pytest.raises(Refused, match="SECRET_HASH was not received"):
        await aws.initiate("USER_SRP_AUTH", USERNAME="ada", SRP_A=prover.public)
    alias = secret_hash("ada@example.com", client_id)
    challenge = await aws.initiate("USER_SRP_AUTH", USERNAME="ada@example.com", SRP_A=prover.public, SECRET_HASH=alias)
    proof = prover.prove(challenge["ChallengeParameters"])
    with pytest.raises(Refused, match="Unable to verify secret hash"):
        await aws.respond(challenge, **proof, SECRET_HASH=alias)
    response = await aws.respond(challenge, **proof, SECRET_HASH=secret_hash("ada", client_id))
    assert "AuthenticationResult" in response


async def test_secret_hash_for_public_app_client_is_refused_at_the_start(aws: Aws) -> None:
    """A surplus hash is an error of InitiateAuth only."""
    with pytest.raises(Refused, match="not configured for secret"):
        await aws.password(SECRET_HASH="x")


# Codes and sessions


async def test_sms_mfa_wrong_code_leaves_session_usable_until_answered(aws: Aws) -> None:
    """A session survives wrong codes, and is used once."""
    aws.fake.users["ada"].mfa = ["SMS_MFA"]
    challenge = await aws.password()
    assert challenge["ChallengeName"] == "SMS_MFA"
    assert challenge["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"] == "+*******7890"
    sent = aws.fake.messages[-1]
    assert (sent.username, sent.destination, sent.medium) == ("ada", "+441234567890", "SMS")
    for wrong in ("", "x", "0" * 7):
        with pytest.raises(Refused):
            await aws.respond(challenge, SMS_MFA_CODE=wrong)
    with refused(MISMATCH):
        await aws.respond(challenge, SMS_MFA_CODE=f"{(int(sent.code) + 1) % 10**6:06d}")
    assert "AuthenticationResult" in await aws.respond(challenge, SMS_MFA_CODE=sent.code)
    with refused(USED_SESSION):
        await aws.respond(challenge, SMS_MFA_CODE=sent.code)


async def test_session_expires_and_belongs_to_user_client_and_challenge(aws: Aws) -> None:
    """A session cannot be moved."""
    aws.fake.users["ada"].mfa = ["SMS_MFA"]
    aws.fake.create_user("eve", password=PASSWORD)
    challenge = await aws.password()
    code = aws.fake.messages[-1].code
    with refused(INVALID_SESSION):
        await aws.respond(challenge, username="eve", SMS_MFA_CODE=code)
    with refused(INVALID_SESSION):
        await aws.respond({**challenge, "Session": "x" * 30}, SMS_MFA_CODE=code)
    with refused(INVALID_SESSION):
        await aws.respond({**challenge, "ChallengeName": "EMAIL_OTP"}, EMAIL_OTP_CODE=code)
    own = aws.app
    enable(aws)
    with refused(INVALID_SESSION):
        await aws.respond(challenge, SMS_MFA_CODE=code)
    aws.app = own
    aws.fake.advance(181)
    with refused(EXPIRED_SESSION):
        await aws.respond(challenge, SMS_MFA_CODE=code)


async def test_code_of_second_sign_in_replaces_the_first(aws: Aws) -> None:
    """Of two sign-ins at the same time, only the newer code works."""
    aws.fake.users["ada"].mfa = ["EMAIL_OTP"]
    first = await aws.password()
    old = aws.fake.messages[-1].code
    while aws.fake.messages[-1].code == old:
        second = await aws.password()
    with refused(MISMATCH):
        await aws.respond(first, EMAIL_OTP_CODE=old)
    assert "AuthenticationResult" in await aws.respond(second, EMAIL_OTP_CODE=aws.fake.messages[-1].code)


async def test_totp_code_is_accepted_once_with_one_step_of_skew(aws: Aws) -> None:
    """RFC 6238, and no reuse."""
    user = aws.fake.create_user("totp", password=PASSWORD, mfa=["SOFTWARE_TOKEN_MFA"])

    async def challenge() -> Any:
        return await aws.initiate("USER_PASSWORD_AUTH", USERNAME="totp", PASSWORD=PASSWORD)

    code = aws.fake.totp_code("totp")
    aws.fake.advance(30)
    assert user.totp_secret is not None
    answered = await aws.respond(await challenge(), username="totp", SOFTWARE_TOKEN_MFA_CODE=code)
    assert "AuthenticationResult" in answered
    with refused(("ExpiredCodeException", "Your software token has already been used once.")):
        await aws.respond(await challenge(), username="totp", SOFTWARE_TOKEN_MFA_CODE=code)
    old = aws.fake.totp_code("totp")
    aws.fake.advance(90)
    with refused(MISMATCH):
        await aws.respond(await challenge(), username="totp", SOFTWARE_TOKEN_MFA_CODE=old)
    newest = await challenge()
    response = await aws.respond(newest, username="totp", SOFTWARE_TOKEN_MFA_CODE=aws.fake.totp_code("totp"))
    assert "AuthenticationResult" in response


async def test_select_mfa_type_offers_types_of_user(aws: Aws) -> None:
    """Without a preferred type the user selects one."""
    aws.fake.users["ada"].mfa = ["SMS_MFA", "EMAIL_OTP"]
    challenge = await aws.password()
    assert challenge["ChallengeName"] == "SELECT_MFA_TYPE"
    assert json.loads(challenge["ChallengeParameters"]["MFAS_CAN_CHOOSE"]) == ["SMS_MFA", "EMAIL_OTP"]
    with refused(UNAVAILABLE_CHALLENGE):
        await aws.respond(challenge, ANSWER="SOFTWARE_TOKEN_MFA")
    selected = await aws.respond(challenge, ANSWER="EMAIL_OTP")
    assert selected["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"] == "a***@e***"
    assert "AuthenticationResult" in await aws.respond(selected, EMAIL_OTP_CODE=aws.fake.messages[-1].code)


async def test_preferred_mfa_is_used_without_selection(aws: Aws) -> None:
    """A preferred type skips SELECT_MFA_TYPE."""
    aws.fake.users["ada"].mfa, aws.fake.users["ada"].preferred_mfa = ["SMS_MFA", "EMAIL_OTP"], "EMAIL_OTP"
    assert (await aws.password())["ChallengeName"] == "EMAIL_OTP"


# Set-up of MFA, new passwords


async def test_mfa_setup_with_authenticator_app_uses_newest_session(aws: Aws) -> None:
    """Each operation returns a new session, and only that of a verified token is accepted."""
    aws.fake.mfa_setup = ("SOFTWARE_TOKEN_MFA", "EMAIL_OTP")
    challenge = await aws.password()
    assert json.loads(challenge["ChallengeParameters"]["MFAS_CAN_SETUP"]) == ["SOFTWARE_TOKEN_MFA", "EMAIL_OTP"]
    associated = await aws.call("AssociateSoftwareToken", Session=challenge["Session"])
    with refused(USED_SESSION):
        await aws.call("AssociateSoftwareToken", Session=challenge["Session"])
    with refused(("EnableSoftwareTokenMFAException", "Code mismatch")):
        await aws.call("VerifySoftwareToken", Session=associated["Session"], UserCode="0000000")
    with pytest.raises(Refused, match="SoftwareTokenMFANotFoundException"):
        await aws.respond(challenge | {"Session": associated["Session"]})
    code = aws.fake.totp_code("ada")
    verified = await aws.call("VerifySoftwareToken", Session=associated["Session"], UserCode=code)
    assert verified["Status"] == "SUCCESS"
    assert "AuthenticationResult" in await aws.respond(challenge | {"Session": verified["Session"]})
    aws.fake.advance(30)
    assert (await aws.password())["ChallengeName"] == "SOFTWARE_TOKEN_MFA"


async def test_mfa_setup_with_email_verifies_the_address(aws: Aws) -> None:
    """The address gets a code, and is an MFA type afterwards."""
    aws.fake.mfa_setup = ("EMAIL_OTP",)
    challenge = await aws.respond(await aws.password(), EMAIL="new@example.com")
    assert challenge["ChallengeName"] == "EMAIL_OTP"
    assert aws.fake.messages[-1].destination == "new@example.com"
    assert "AuthenticationResult" in await aws.respond(challenge, EMAIL_OTP_CODE=aws.fake.messages[-1].code)
    assert (await aws.password())["ChallengeName"] == "EMAIL_OTP"


async def test_signed_in_user_sets_up_authenticator_app(aws: Aws) -> None:
    """The access token takes the place of the session."""
    token = (await aws.password())["AuthenticationResult"]["AccessToken"]
    await aws.call("AssociateSoftwareToken", AccessToken=token)
    preference = {"AccessToken": token, "SoftwareTokenMfaSettings": {"Enabled": True, "PreferredMfa": True}}
    with pytest.raises(Refused, match="not verified"):
        await aws.call("SetUserMFAPreference", **preference)
    await aws.call("VerifySoftwareToken", AccessToken=token, UserCode=aws.fake.totp_code("ada"))
    await aws.call("SetUserMFAPreference", **preference)
    assert (await aws.call("GetUser", AccessToken=token))["PreferredMfaSetting"] == "SOFTWARE_TOKEN_MFA"
    assert (await aws.password())["ChallengeName"] == "SOFTWARE_TOKEN_MFA"


async def test_new_password_required_checks_policy_and_attributes(aws: Aws) -> None:
    """A weak password or a missing attribute leaves the session usable."""
    user = aws.fake.users["ada"]
    user.status, user.required_attributes = "FORCE_CHANGE_PASSWORD", ("name",)
    challenge = await aws.password()
    parameters = challenge["ChallengeParameters"]
    assert json.loads(parameters["requiredAttributes"]) == ["userAttributes.name"]
    assert json.loads(parameters["userAttributes"])["email"] == "ada@example.com"
    with pytest.raises(Refused, match="InvalidPasswordException"):
        await aws.respond(challenge, NEW_PASSWORD="weak", **{"userAttributes.name": "Ada"})
    with pytest.raises(Refused, match="name is missing"):
        await aws.respond(challenge, NEW_PASSWORD=NEW_PASSWORD)
    response = await aws.respond(challenge, NEW_PASSWORD=NEW_PASSWORD, **{"userAttributes.name": "Ada"})
    assert "AuthenticationResult" in response
    assert (user.password, user.status, user.attributes["name"]) == (NEW_PASSWORD, "CONFIRMED", "Ada")


# Choice-based and custom sign-in


async def test_user_auth_without_preference_offers_factors_of_user(aws: Aws) -> None:
    """SELECT_CHALLENGE lists what the user has, and takes the password with the selection."""
    challenge = await aws.initiate("USER_AUTH", USERNAME="ada")
    assert challenge["ChallengeName"] == "SELECT_CHALLENGE"
    assert challenge["AvailableChallenges"] == ["PASSWORD", "PASSWORD_SRP", "EMAIL_OTP", "SMS_OTP"]
    with refused(UNAVAILABLE_CHALLENGE):
        await aws.respond(challenge, ANSWER="WEB_AUTHN")
    with refused(INCORRECT):
        await aws.respond(challenge, ANSWER="PASSWORD", PASSWORD="wrong")
    assert "AuthenticationResult" in await aws.respond(challenge, ANSWER="PASSWORD", PASSWORD=PASSWORD)


async def test_alias_is_accepted_in_responses_only_where_the_challenge_has_no_name(aws: Aws) -> None:
    """SELECT_CHALLENGE has no parameters, so a client knows no other name; the code's challenge has."""
    alias = "ada@example.com"
    selection = await aws.initiate("USER_AUTH", USERNAME=alias)
    challenge = await aws.respond(selection, username=alias, ANSWER="EMAIL_OTP")
    code = aws.fake.messages[-1].code
    with refused(INVALID_SESSION):
        await aws.respond(challenge, username=alias, EMAIL_OTP_CODE=code)
    assert "AuthenticationResult" in await aws.respond(challenge, EMAIL_OTP_CODE=code)


@pytest.mark.parametrize("preferred", [True, False])
async def test_user_auth_with_srp_continues_in_a_session(aws: Aws, *, preferred: bool) -> None:
    """SRP_A comes with the preference or with the selection."""
    prover = Prover(aws.fake.user_pool_id)
    if preferred:
        challenge = await aws.initiate(
            "USER_AUTH", USERNAME="ada", PREFERRED_CHALLENGE="PASSWORD_SRP", SRP_A=prover.public
        )
    else:
        selection = await aws.initiate("USER_AUTH", USERNAME="ada")
        challenge = await aws.respond(selection, ANSWER="PASSWORD_SRP", SRP_A=prover.public)
    assert challenge["ChallengeName"] == "PASSWORD_VERIFIER"
    proof = prover.prove(challenge["ChallengeParameters"])
    with refused(INVALID_SESSION):
        await aws.respond({**challenge, "Session": "x" * 30}, **proof)
    assert "AuthenticationResult" in await aws.respond(challenge, **proof)


async def test_user_auth_challenges_password_and_password_srp(aws: Aws) -> None:
    """Without the key in the request, the factor is a challenge."""
    prover = Prover(aws.fake.user_pool_id)
    password = await aws.initiate("USER_AUTH", USERNAME="ada", PREFERRED_CHALLENGE="PASSWORD")
    assert password["ChallengeName"] == "PASSWORD"
    assert "AuthenticationResult" in await aws.respond(password, PASSWORD=PASSWORD)
    srp = await aws.initiate("USER_AUTH", USERNAME="ada", PREFERRED_CHALLENGE="PASSWORD_SRP")
    assert (await aws.respond(srp, SRP_A=prover.public))["ChallengeName"] == "PASSWORD_VERIFIER"


@pytest.mark.parametrize("factor", ["EMAIL_OTP", "SMS_OTP"])
async def test_user_auth_one_time_password_signs_in_without_mfa(aws: Aws, factor: str) -> None:
    """A one-time password has 8 digits."""
    aws.fake.users["ada"].password = None
    challenge = await aws.initiate("USER_AUTH", USERNAME="ada", PREFERRED_CHALLENGE=factor)
    assert challenge["ChallengeName"] == factor
    code = aws.fake.messages[-1].code
    assert len(code) == 8
    with refused(("CodeMismatchException", "Invalid code or auth state for the user.")):
        await aws.respond(challenge, **{f"{factor}_CODE": "1"})
    assert "AuthenticationResult" in await aws.respond(challenge, **{f"{factor}_CODE": code})


async def test_user_auth_unknown_user_gets_simulated_code(aws: Aws) -> None:
    """Nothing is sent, and no code is accepted."""
    challenge = await aws.initiate("USER_AUTH", USERNAME="eve@example.com", PREFERRED_CHALLENGE="EMAIL_OTP")
    assert challenge["ChallengeParameters"]["CODE_DELIVERY_DESTINATION"] == "e***@e***"
    assert aws.fake.messages == []
    with pytest.raises(Refused, match="CodeMismatchException"):
        await aws.respond(challenge, username="eve@example.com", EMAIL_OTP_CODE="12345678")


async def test_user_auth_preference_that_user_lacks_offers_selection(aws: Aws) -> None:
    """A temporary password excludes one-time passwords."""
    aws.fake.users["ada"].status = "FORCE_CHANGE_PASSWORD"
    challenge = await aws.initiate("USER_AUTH", USERNAME="ada", PREFERRED_CHALLENGE="EMAIL_OTP")
    assert challenge["ChallengeName"] == "SELECT_CHALLENGE"
    assert challenge["AvailableChallenges"] == ["PASSWORD", "PASSWORD_SRP"]


async def test_passkey_checks_form_credential_and_challenge(aws: Aws) -> None:
    """The options name the credentials; the response must name one of them and repeat the challenge."""
    aws.fake.users["ada"].passkeys = ["cGFzc2tleQ"]
    challenge = await aws.initiate("USER_AUTH", USERNAME="ada", PREFERRED_CHALLENGE="WEB_AUTHN")
    options = json.loads(challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"])
    assert [entry["id"] for entry in options["allowCredentials"]] == ["cGFzc2tleQ"]

    def credential(challenge: str, name: str = "cGFzc2tleQ") -> str:
        data = json.dumps({"type": "webauthn.get", "challenge": challenge, "origin": "http://localhost"})
        encoded = base64.urlsafe_b64encode(data.encode()).rstrip(b"=").decode()
        response = {"clientDataJSON": encoded, "authenticatorData": "YQ", "signature": "Yg"}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})

    for wrong in ("{}", "x", "[]", credential("other"), credential(options["challenge"], "b3RoZXI")):
        with pytest.raises(Refused):
            await aws.respond(challenge, CREDENTIAL=wrong)
    assert "AuthenticationResult" in await aws.respond(challenge, CREDENTIAL=credential(options["challenge"]))


@pytest.mark.parametrize("with_password", [True, False])
async def test_custom_challenges_follow_each_other(aws: Aws, *, with_password: bool) -> None:
    """A wrong answer repeats the challenge in a new session; the third ends the sign-in."""
    aws.fake.custom_challenges = [({"question": "1"}, "one"), ({"question": "2"}, "two")]
    if with_password:
        prover = Prover(aws.fake.user_pool_id)
        start = await aws.initiate("CUSTOM_AUTH", USERNAME="ada", CHALLENGE_NAME="SRP_A", SRP_A=prover.public)
        challenge = await aws.respond(start, **prover.prove(start["ChallengeParameters"]))
    else:
        challenge = await aws.initiate("CUSTOM_AUTH", USERNAME="ada")
    assert challenge["ChallengeParameters"]["question"] == "1"
    again = await aws.respond(challenge, ANSWER="wrong")
    assert again["ChallengeParameters"]["question"] == "1"
    with refused(USED_SESSION):
        await aws.respond(challenge, ANSWER="one")
    second = await aws.respond(again, ANSWER="one")
    assert second["ChallengeParameters"]["question"] == "2"
    last = await aws.respond(second, ANSWER="wrong")
    with refused(INCORRECT):
        await aws.respond(last, ANSWER="wrong")
    with pytest.raises(Refused, match="session can only be used once"):
        await aws.respond(last, ANSWER="two")


async def test_custom_challenge_correct_answer_returns_tokens(aws: Aws) -> None:
    """The last correct answer ends the sign-in."""
    aws.fake.custom_challenges = [({}, "one")]
    assert "AuthenticationResult" in await aws.respond(await aws.initiate("CUSTOM_AUTH", USERNAME="ada"), ANSWER="one")


async def test_repeated_proof_after_mfa_asks_for_mfa_again(aws: Aws) -> None:
    """A repeated proof does not inherit the second factor."""
    aws.fake.users["ada"].mfa = ["SMS_MFA"]
    prover = Prover(aws.fake.user_pool_id)
    start = await aws.initiate("USER_SRP_AUTH", USERNAME="ada", SRP_A=prover.public)
    proof = prover.prove(start["ChallengeParameters"])
    await aws.respond(await aws.respond(start, **proof), SMS_MFA_CODE=aws.fake.messages[-1].code)
    assert (await aws.respond(start, **proof))["ChallengeName"] == "SMS_MFA"


# Devices


async def test_remembered_device_replaces_mfa(aws: Aws) -> None:
    """Device SRP takes the place of the code."""
    aws.fake.remembers_devices = "ALWAYS"
    device = await aws.device()
    aws.fake.users["ada"].mfa = ["SMS_MFA"]
    assert (await aws.password())["ChallengeName"] == "SMS_MFA"
    prover = Prover(aws.fake.user_pool_id, device=device)
    key = device["device_key"]
    start = await aws.password(DEVICE_KEY=key)
    assert start["ChallengeName"] == "DEVICE_SRP_AUTH"
    challenge = await aws.respond(start, DEVICE_KEY=key, SRP_A=prover.public)
    assert challenge["ChallengeName"] == "DEVICE_PASSWORD_VERIFIER"
    proof = prover.prove(challenge["ChallengeParameters"])
    with refused(INCORRECT):
        await aws.respond(challenge, **proof | {"PASSWORD_CLAIM_SIGNATURE": base64.b64encode(bytes(32)).decode()})
    result = (await aws.respond(challenge, **proof))["AuthenticationResult"]
    assert "NewDeviceMetadata" not in result
    assert jwt.decode(result["AccessToken"], options={"verify_signature": False})["device_key"] == key


async def test_device_of_user_who_opts_in_is_trusted_after_the_update(aws: Aws) -> None:
    """ConfirmDevice asks for the user's confirmation."""
    aws.fake.remembers_devices = "USER_OPT_IN"
    device = await aws.device()
    key, token = device["device_key"], device["AccessToken"]
    assert "AuthenticationResult" in await aws.password(DEVICE_KEY=key)
    status = {"AccessToken": token, "DeviceKey": key, "DeviceRememberedStatus": "remembered"}
    await aws.call("UpdateDeviceStatus", **status)
    assert (await aws.password(DEVICE_KEY=key))["ChallengeName"] == "DEVICE_SRP_AUTH"
    listed = (await aws.call("ListDevices", AccessToken=token))["Devices"]
    assert [entry["DeviceKey"] for entry in listed] == [key]
    got = (await aws.call("GetDevice", AccessToken=token, DeviceKey=key))["Device"]
    assert {"Name": "device_status", "Value": "remembered"} in got["DeviceAttributes"]


async def test_forgotten_device_does_not_exist(aws: Aws) -> None:
    """Its key fails the sign-in, and its refresh token is dead."""
    aws.fake.remembers_devices = "ALWAYS"
    device = await aws.device()
    key = device["device_key"]
    await aws.call("ForgetDevice", AccessToken=device["AccessToken"], DeviceKey=key)
    with refused(("ResourceNotFoundException", "Device does not exist.")):
        await aws.password(DEVICE_KEY=key)
    with refused(("NotAuthorizedException", "Invalid Refresh Token")):
        await aws.initiate("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=device["RefreshToken"], DEVICE_KEY=key)


async def test_confirm_device_negative_verifier_is_refused(aws: Aws) -> None:
    """Numbers are two's complement, so the top bit must not be set."""
    aws.fake.remembers_devices = "ALWAYS"
    tokens = (await aws.password())["AuthenticationResult"]
    negative = base64.b64encode(b"\xff" * 384).decode()
    with pytest.raises(Refused, match="InvalidParameterException"):
        await aws.call(
            "ConfirmDevice",
            AccessToken=tokens["AccessToken"],
            DeviceKey=tokens["NewDeviceMetadata"]["DeviceKey"],
            DeviceSecretVerifierConfig={"PasswordVerifier": negative, "Salt": "AQ=="},
        )


# Refresh and revocation


async def test_refresh_needs_the_device_key_where_devices_are_remembered(aws: Aws) -> None:
    """Without the key, the refresh token is invalid."""
    aws.fake.remembers_devices = "ALWAYS"
    device = await aws.device()
    request = {"ClientId": aws.app.client_id, "RefreshToken": device["RefreshToken"]}
    with refused(("NotAuthorizedException", "Invalid Refresh Token")):
        await aws.call("GetTokensFromRefreshToken", **request)
    response = await aws.call("GetTokensFromRefreshToken", **request, DeviceKey=device["device_key"])
    assert "RefreshToken" not in response["AuthenticationResult"]


async def test_refresh_checks_secret_client_and_expiry(aws: Aws) -> None:
    """GetTokensFromRefreshToken takes the client secret, REFRESH_TOKEN_AUTH a secret hash."""
    enable(aws, client_secret=SECRET, refresh_token_validity=3600)
    client_id = aws.app.client_id
    tokens = (await aws.password(SECRET_HASH=secret_hash("ada", client_id)))["AuthenticationResult"]
    request = {"ClientId": client_id, "RefreshToken": tokens["RefreshToken"]}
    for wrong in ({}, {"ClientSecret": "wrong-secret"}):
        with pytest.raises(Refused, match="NotAuthorizedException"):
            await aws.call("GetTokensFromRefreshToken", **request, **wrong)
    assert await aws.call("GetTokensFromRefreshToken", **request, ClientSecret=SECRET)
    hashed = secret_hash("ada", client_id)
    assert await aws.initiate("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=tokens["RefreshToken"], SECRET_HASH=hashed)
    other = aws.fake.create_app_client()
    with pytest.raises(Refused, match="different Client"):
        await aws.call("GetTokensFromRefreshToken", **request | {"ClientId": other.client_id})
    aws.fake.advance(3600)
    with refused(EXPIRED_REFRESH_TOKEN):
        await aws.call("GetTokensFromRefreshToken", **request, ClientSecret=SECRET)


async def refresh(aws: Aws, token: str, app: FakeAppClient | None = None) -> Any:
    """Refresh tokens; return the result."""
    client_id = (app or aws.app).client_id
    response = await aws.call("GetTokensFromRefreshToken", ClientId=client_id, RefreshToken=token)
    return response["AuthenticationResult"]


async def test_rotated_token_works_in_the_grace_period_and_then_ends_the_family(aws: Aws) -> None:
    """Reuse after the grace period revokes the tokens of the whole sign-in."""
    enable(aws, refresh_token_rotation=True, retry_grace_period=10.0)
    first = (await aws.password())["AuthenticationResult"]["RefreshToken"]
    with refused(not_enabled("REFRESH_TOKEN_AUTH")):
        await aws.initiate("REFRESH_TOKEN_AUTH", REFRESH_TOKEN=first)
    second = await refresh(aws, first)
    aws.fake.advance(9)
    again = await refresh(aws, first)
    assert len({first, second["RefreshToken"], again["RefreshToken"]}) == 3
    aws.fake.advance(2)
    with pytest.raises(Refused, match="RefreshTokenReuseException"):
        await refresh(aws, first)
    for token in (second["RefreshToken"], again["RefreshToken"]):
        with refused(REVOKED_REFRESH_TOKEN):
            await refresh(aws, token)
    with refused(REVOKED_ACCESS_TOKEN):
        await aws.call("GetUser", AccessToken=again["AccessToken"])


async def test_rotated_token_keeps_the_expiry_of_the_first(aws: Aws) -> None:
    """Rotation does not prolong the sign-in."""
    enable(aws, refresh_token_rotation=True, refresh_token_validity=7200)
    token = (await aws.password())["AuthenticationResult"]["RefreshToken"]
    aws.fake.advance(3600)
    token = (await refresh(aws, token))["RefreshToken"]
    aws.fake.advance(3601)
    with refused(EXPIRED_REFRESH_TOKEN):
        await refresh(aws, token)


async def test_revoked_token_ends_refresh_and_access(aws: Aws) -> None:
    """An access token cannot be revoked; a refresh token ends all tokens of its sign-in."""
    tokens, other = [(await aws.password())["AuthenticationResult"] for _ in range(2)]
    request = {"ClientId": aws.app.client_id}
    with pytest.raises(Refused, match="UnsupportedTokenTypeException"):
        await aws.call("RevokeToken", **request, Token=tokens["AccessToken"])
    await aws.call("RevokeToken", **request, Token=tokens["RefreshToken"])
    with refused(REVOKED_REFRESH_TOKEN):
        await refresh(aws, tokens["RefreshToken"])
    with refused(REVOKED_ACCESS_TOKEN):
        await aws.call("GetUser", AccessToken=tokens["AccessToken"])
    assert await refresh(aws, other["RefreshToken"])
    await aws.call("GlobalSignOut", AccessToken=other["AccessToken"])
    with refused(REVOKED_REFRESH_TOKEN):
        await refresh(aws, other["RefreshToken"])


async def test_access_token_expires_on_the_clock_of_the_fake(aws: Aws) -> None:
    """An hour later GetUser refuses the token."""
    token = (await aws.password())["AuthenticationResult"]["AccessToken"]
    assert (await aws.call("GetUser", AccessToken=token))["Username"] == "ada"
    aws.fake.advance(3600)
    with refused(("NotAuthorizedException", "Access Token has expired")):
        await aws.call("GetUser", AccessToken=token)
    with pytest.raises(Refused, match="Invalid Access Token"):
        await aws.call("GetUser", AccessToken="x")


async def test_tokens_after_advance_have_the_time_of_this_machine(aws: Aws) -> None:
    """PyJWT refuses tokens that were issued in the future."""
    aws.fake.advance(5000)
    result = (await aws.password())["AuthenticationResult"]
    refreshed = await refresh(aws, result["RefreshToken"])
    assert (await aws.call("GetUser", AccessToken=result["AccessToken"]))["Username"] == "ada"
    jwks = jwt.PyJWKSet.from_dict(aws.fake.issuer.jwks)
    for token in (result["AccessToken"], refreshed["AccessToken"]):
        claims = jwt.decode(token, jwks[jwt.get_unverified_header(token)["kid"]])
        assert claims["auth_time"] <= claims["iat"] == pytest.approx(time.time(), abs=60)
        assert claims["exp"] - claims["iat"] == 3600


# Accounts


async def test_sign_up_confirmed_with_code_continues_to_sign_in(aws: Aws) -> None:
    """The session of ConfirmSignUp signs in once, without a password."""
    request = {"ClientId": aws.app.client_id, "Username": "eve"}
    attributes = [{"Name": "email", "Value": "eve@example.com"}]
    with pytest.raises(Refused, match="InvalidPasswordException"):
        await aws.call("SignUp", **request, Password="weak", UserAttributes=attributes)
    signed_up = await aws.call("SignUp", **request, Password=PASSWORD, UserAttributes=attributes)
    assert signed_up["CodeDeliveryDetails"]["Destination"] == "e***@e***"
    with pytest.raises(Refused, match="UsernameExistsException"):
        await aws.call("SignUp", **request, Password=PASSWORD, UserAttributes=attributes)
    with pytest.raises(Refused, match="UserNotConfirmedException"):
        await aws.initiate("USER_PASSWORD_AUTH", USERNAME="eve", PASSWORD=PASSWORD)
    with pytest.raises(Refused, match="CodeMismatchException"):
        await aws.call("ConfirmSignUp", **request, ConfirmationCode="x")
    code = aws.fake.messages[-1].code
    session = (await aws.call("ConfirmSignUp", **request, ConfirmationCode=code))["Session"]
    start = {"ClientId": aws.app.client_id, "AuthFlow": "USER_AUTH", "Session": session}
    with refused(INVALID_SESSION):
        await aws.call("InitiateAuth", **start | {"Session": "x" * 30}, AuthParameters={"USERNAME": "eve"})
    assert "AuthenticationResult" in await aws.call("InitiateAuth", **start, AuthParameters={"USERNAME": "eve"})
    with refused(INVALID_SESSION):
        await aws.call("InitiateAuth", **start, AuthParameters={"USERNAME": "eve"})


async def test_forgotten_password_is_replaced_with_code(aws: Aws) -> None:
    """A code expires after an hour and is used once."""
    request = {"ClientId": aws.app.client_id, "Username": "ada"}
    await aws.call("ForgotPassword", **request)
    confirmation = {**request, "ConfirmationCode": aws.fake.messages[-1].code, "Password": NEW_PASSWORD}
    with pytest.raises(Refused, match="CodeMismatchException"):
        await aws.call("ConfirmForgotPassword", **confirmation | {"ConfirmationCode": "x"})
    await aws.call("ConfirmForgotPassword", **confirmation)
    assert await aws.initiate("USER_PASSWORD_AUTH", USERNAME="ada", PASSWORD=NEW_PASSWORD)
    with refused(EXPIRED_CODE):
        await aws.call("ConfirmForgotPassword", **confirmation)
    await aws.call("ForgotPassword", **request)
    aws.fake.advance(3601)
    with pytest.raises(Refused, match="ExpiredCodeException"):
        await aws.call("ConfirmForgotPassword", **confirmation | {"ConfirmationCode": aws.fake.messages[-1].code})
    simulated = await aws.call("ForgotPassword", **request | {"Username": "eve@example.com"})
    assert simulated["CodeDeliveryDetails"]["Destination"] == "e***@e***"


@pytest.mark.parametrize(
    ("prevention", "name", "error"),
    [
        (True, "eve", WRONG_CODE),
        (False, "eve", ("UserNotFoundException", "User does not exist.")),
        (True, "ada", EXPIRED_CODE),
        (False, "ada", EXPIRED_CODE),
    ],
)
async def test_code_that_was_not_requested_is_refused(
    aws: Aws, *, prevention: bool, name: str, error: tuple[str, str]
) -> None:
    """Unknown users get the error of a wrong code, others that of an expired one, as AWS documents it."""
    enable(aws, prevent_user_existence_errors=prevention)
    request = {"ClientId": aws.app.client_id, "Username": name, "ConfirmationCode": "000000"}
    with refused(error):
        await aws.call("ConfirmForgotPassword", **request, Password=NEW_PASSWORD)


@pytest.mark.parametrize("prevention", [True, False])
async def test_forgotten_password_of_disabled_user_is_not_reset(aws: Aws, *, prevention: bool) -> None:
    """No code is sent; an app client that hides users answers as for an unknown one."""
    enable(aws, prevent_user_existence_errors=prevention)
    request = {"ClientId": aws.app.client_id, "Username": "ada"}
    await aws.call("ForgotPassword", **request)
    confirmation = {**request, "ConfirmationCode": aws.fake.messages[-1].code, "Password": NEW_PASSWORD}
    await aws.call("AdminDisableUser", UserPoolId=aws.fake.user_pool_id, Username="ada")
    if prevention:
        simulated = await aws.call("ForgotPassword", **request)
        assert simulated["CodeDeliveryDetails"]["DeliveryMedium"] == "EMAIL"
        error = WRONG_CODE
    else:
        error = DISABLED
        with refused(DISABLED):
            await aws.call("ForgotPassword", **request)
    with refused(error):
        await aws.call("ConfirmForgotPassword", **confirmation)
    with refused(DISABLED):
        await aws.call("AdminResetUserPassword", UserPoolId=aws.fake.user_pool_id, Username="ada")
    assert len(aws.fake.messages) == 1
    assert (aws.fake.users["ada"].password, aws.fake.users["ada"].status) == (PASSWORD, "CONFIRMED")


@pytest.mark.parametrize("prevention", [True, False])
async def test_forgotten_password_of_invited_user_is_not_reset(aws: Aws, *, prevention: bool) -> None:
    """Such users sign in with the temporary password. A code from before the invitation has no effect either."""
    enable(aws, prevent_user_existence_errors=prevention)
    request = {"ClientId": aws.app.client_id, "Username": "ada"}
    await aws.call("ForgotPassword", **request)
    code = aws.fake.messages[-1].code
    aws.fake.users["ada"].status = "FORCE_CHANGE_PASSWORD"
    with refused(NOT_RESETTABLE):
        await aws.call("ForgotPassword", **request)
    with refused(NOT_RESETTABLE):
        await aws.call("ConfirmForgotPassword", **request, ConfirmationCode=code, Password=NEW_PASSWORD)
    assert len(aws.fake.messages) == 1
    assert aws.fake.users["ada"].status == "FORCE_CHANGE_PASSWORD"


async def test_changed_password_and_administration(aws: Aws) -> None:
    """Users change their passwords, and administrators create users and set passwords."""
    token = (await aws.password())["AuthenticationResult"]["AccessToken"]
    change = {"AccessToken": token, "ProposedPassword": NEW_PASSWORD}
    with refused(INCORRECT):
        await aws.call("ChangePassword", **change, PreviousPassword="wrong")
    await aws.call("ChangePassword", **change, PreviousPassword=PASSWORD)
    with refused(INCORRECT):
        await aws.password()
    user = {"UserPoolId": aws.fake.user_pool_id, "Username": "eve"}
    created = await aws.call("AdminCreateUser", **user, TemporaryPassword=PASSWORD)
    assert created["User"]["UserStatus"] == "FORCE_CHANGE_PASSWORD"
    signing_in = {"USERNAME": "eve", "PASSWORD": PASSWORD}
    assert (await aws.initiate("USER_PASSWORD_AUTH", **signing_in))["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    await aws.call("AdminSetUserPassword", **user, Password=NEW_PASSWORD, Permanent=True)
    assert (await aws.call("AdminGetUser", **user))["UserStatus"] == "CONFIRMED"
    listed = (await aws.call("ListUsers", UserPoolId=aws.fake.user_pool_id))["Users"]
    assert [entry["Username"] for entry in listed] == ["ada", "eve"]


@pytest.mark.parametrize(
    "password",
    [
        *("Aa1!aaaa", "Aa1 aaaa", "Aa1!aaa", "aa1!aaaa", "AA1!AAAA", "Aaa!aaaa", "Aa1aaaaa", "Aa1!\U0001f600aaa", ""),
        *("éÉ1!éééé", "aÉ1!aaaa", "éA1!ÉÉÉÉ", "aA٣!aaaa", "aA²!aaaa", "aA1¡aaaa", "aA1\u00a0aaaa"),
        *(f"{space}Aa1!aaaa" for space in " \t\n\v\f\r\u00a0\u2003\x1c\x85"),
        *(f"Aa1!aaaa{space}" for space in " \t\n\v\f\r\u00a0\u2003\x1c\x85"),
    ],
)
async def test_password_policy_is_that_of_the_documentation(aws: Aws, password: str) -> None:
    """ASCII letters and digits count, and whitespace at the ends is refused, as by ``PasswordPolicy``."""
    change = {"UserPoolId": aws.fake.user_pool_id, "Username": "ada", "Password": password}
    if PasswordPolicy().broken_rules(password):
        with pytest.raises(Refused, match=r"InvalidPasswordException|InvalidParameterException"):
            await aws.call("AdminSetUserPassword", **change)
        with pytest.raises(ParameterValidationError):
            aws.fake.create_user("eve", password=password)
    else:
        await aws.call("AdminSetUserPassword", **change)
        assert aws.fake.create_user("eve", password=password).password == password


async def test_passkey_registration_adds_the_credential(aws: Aws) -> None:
    """The creation options name the user; the new passkey can sign in."""
    token = (await aws.password())["AuthenticationResult"]["AccessToken"]
    options = (await aws.call("StartWebAuthnRegistration", AccessToken=token))["CredentialCreationOptions"]
    assert options["user"]["name"] == "ada"
    credential = aws.fake.passkey_credential(options)
    await aws.call("CompleteWebAuthnRegistration", AccessToken=token, Credential=credential)
    challenge = await aws.initiate("USER_AUTH", USERNAME="ada", PREFERRED_CHALLENGE="WEB_AUTHN")
    requested = json.loads(challenge["ChallengeParameters"]["CREDENTIAL_REQUEST_OPTIONS"])
    answer = aws.fake.passkey_credential(requested)
    assert answer["id"] == credential["id"]
    with pytest.raises(Refused, match="Invalid credential"):
        await aws.respond(challenge, CREDENTIAL=json.dumps(aws.fake.passkey_credential(requested, "other")))
    assert "AuthenticationResult" in await aws.respond(challenge, CREDENTIAL=json.dumps(answer))
    with pytest.raises(LookupError, match="passkeys="):
        aws.fake.passkey_credential({**requested, "allowCredentials": []})


async def test_administrator_invites_user_by_email(aws: Aws) -> None:
    """The invitation has the temporary password; it can be sent again until the user has a password."""
    pool = {"UserPoolId": aws.fake.user_pool_id, "Username": "eve"}
    attributes = [{"Name": "email", "Value": "eve@example.com"}]
    invitation: dict[str, Any] = {**pool, "UserAttributes": attributes, "DesiredDeliveryMediums": ["EMAIL"]}
    await aws.call("AdminCreateUser", **invitation)
    await aws.call("AdminCreateUser", **invitation, MessageAction="RESEND")
    first, second = aws.fake.messages
    assert first[:3] == second[:3] == ("eve", "eve@example.com", "EMAIL")
    signing_in = {"USERNAME": "eve", "PASSWORD": second.code}
    assert (await aws.initiate("USER_PASSWORD_AUTH", **signing_in))["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    await aws.call("AdminSetUserPassword", **pool, Password=PASSWORD, Permanent=True)
    with pytest.raises(Refused, match="UnsupportedUserStateException"):
        await aws.call("AdminCreateUser", **invitation, MessageAction="RESEND")
    await aws.call("AdminCreateUser", **invitation | {"Username": "mary"}, MessageAction="SUPPRESS")
    await aws.call("AdminCreateUser", **pool | {"Username": "joan"}, UserAttributes=attributes)  # by SMS, no number
    assert len(aws.fake.messages) == 2


async def test_disabled_user_is_refused_until_enabled(aws: Aws) -> None:
    """Sign-in, access token and refresh token are refused. The tokens are revoked for good."""
    user = {"UserPoolId": aws.fake.user_pool_id, "Username": "ada"}
    tokens = (await aws.password())["AuthenticationResult"]
    aws.fake.users["ada"].mfa = ["SMS_MFA"]
    challenge = await aws.password()
    await aws.call("AdminDisableUser", **user)
    for use in (
        aws.password(),
        aws.call("GetUser", AccessToken=tokens["AccessToken"]),
        refresh(aws, tokens["RefreshToken"]),
        aws.respond(challenge, SMS_MFA_CODE=aws.fake.messages[-1].code),
    ):
        with refused(DISABLED):
            await use
    aws.fake.users["ada"].mfa = []
    await aws.call("AdminEnableUser", **user)
    with refused(REVOKED_ACCESS_TOKEN):
        await aws.call("GetUser", AccessToken=tokens["AccessToken"])
    with refused(REVOKED_REFRESH_TOKEN):
        await refresh(aws, tokens["RefreshToken"])
    assert "AuthenticationResult" in await aws.password()


@pytest.mark.parametrize("operation", ["AdminUserGlobalSignOut", "AdminDeleteUser"])
async def test_administrator_ends_all_tokens_of_a_user(aws: Aws, operation: str) -> None:
    """A deleted user cannot answer a challenge either."""
    aws.fake.create_user("eve", password=PASSWORD, phone_number="+449876543210", mfa=["SMS_MFA"])
    other = (await aws.password())["AuthenticationResult"]
    signing_in = {"USERNAME": "eve", "PASSWORD": PASSWORD}
    answers = []
    for _ in range(2):
        challenge = await aws.initiate("USER_PASSWORD_AUTH", **signing_in)
        answers.append((challenge, aws.fake.messages[-1].code))
        if len(answers) == 1:
            tokens = (await aws.respond(challenge, username="eve", SMS_MFA_CODE=answers[0][1]))["AuthenticationResult"]
    await aws.call(operation, UserPoolId=aws.fake.user_pool_id, Username="eve")
    with refused(REVOKED_ACCESS_TOKEN):
        await aws.call("GetUser", AccessToken=tokens["AccessToken"])
    with refused(REVOKED_REFRESH_TOKEN):
        await refresh(aws, tokens["RefreshToken"])
    assert await aws.call("GetUser", AccessToken=other["AccessToken"])
    if operation == "AdminDeleteUser":
        challenge, code = answers[1]
        with refused(INVALID_SESSION):
            await aws.respond(challenge, username="eve", SMS_MFA_CODE=code)
        with refused(INCORRECT):
            await aws.initiate("USER_PASSWORD_AUTH", **signing_in)


async def test_administrator_resets_a_password(aws: Aws) -> None:
    """The user gets a code, and cannot sign in before a new password is set with it."""
    user = {"UserPoolId": aws.fake.user_pool_id, "Username": "ada"}
    await aws.call("AdminResetUserPassword", **user)
    with pytest.raises(Refused, match="PasswordResetRequiredException"):
        await aws.password()
    code = aws.fake.messages[-1].code
    request = {"ClientId": aws.app.client_id, "Username": "ada", "ConfirmationCode": code, "Password": NEW_PASSWORD}
    await aws.call("ConfirmForgotPassword", **request)
    assert await aws.initiate("USER_PASSWORD_AUTH", USERNAME="ada", PASSWORD=NEW_PASSWORD)
    aws.fake.users["ada"].status = "FORCE_CHANGE_PASSWORD"
    with pytest.raises(Refused, match="current state"):
        await aws.call("AdminResetUserPassword", **user)


# Scripts


@pytest.mark.parametrize(
    ("operation", "closest"),
    [("ForgotPasword", "ForgotPassword"), ("forgot_password", "ForgotPassword"), ("xyz", None)],
)
async def test_fault_of_unknown_operation_is_refused(aws: Aws, operation: str, closest: str | None) -> None:
    """It would never apply; the error has the closest name."""
    with pytest.raises(ParameterValidationError) as caught:
        aws.fake.fail_next(operation, status=500)
    assert caught.value.parameter == "operation"
    assert caught.value.rule.endswith(closest or "of the service")


@pytest.mark.parametrize(
    ("parameter", "arguments"),
    [
        ("username", {"username": "ada"}),
        *(("password", {"password": password}) for password in ("", "x", PASSWORD.lower())),
        ("status", {"status": "FORCE_CHANGE"}),
        ("mfa", {"mfa": ["TOTP"]}),
        ("mfa", {"mfa": "SMS_MFA"}),
        ("preferred_mfa", {"mfa": ["SMS_MFA"], "preferred_mfa": "EMAIL_OTP"}),
        ("groups", {"groups": "staff"}),
        ("passkeys", {"passkeys": "key-1"}),
        ("required_attributes", {"required_attributes": "name"}),
    ],
)
async def test_user_with_invalid_arguments_is_refused(aws: Aws, parameter: str, arguments: dict[str, Any]) -> None:
    """No user is created or replaced."""
    before = dict(aws.fake.users)
    with pytest.raises(ParameterValidationError) as caught:
        aws.fake.create_user(**{"username": "eve", **arguments})
    assert caught.value.parameter == parameter
    assert aws.fake.users == before


@pytest.mark.parametrize(
    ("parameter", "arguments"),
    [
        ("client_id", {"client_id": "app"}),
        ("auth_flows", {"auth_flows": ["USER_SRP_AUTH"]}),
        ("auth_flows", {"auth_flows": "ALLOW_USER_SRP_AUTH"}),
        ("access_token_validity", {"access_token_validity": 0}),
    ],
)
async def test_app_client_with_invalid_arguments_is_refused(
    aws: Aws, parameter: str, arguments: dict[str, Any]
) -> None:
    """No app client is created or replaced."""
    aws.fake.create_app_client("app")
    before = dict(aws.fake.app_clients)
    with pytest.raises(ParameterValidationError) as caught:
        aws.fake.create_app_client(**arguments)
    assert caught.value.parameter == parameter
    assert aws.fake.app_clients == before


async def test_app_client_secret_true_is_random(aws: Aws) -> None:
    """As for LocalPool; False is a public app client."""
    first, second = (aws.fake.create_app_client(client_secret=True).client_secret for _ in range(2))
    assert isinstance(first, str)
    assert first != second
    assert aws.fake.create_app_client(client_secret=False).client_secret is None


async def test_lost_response_is_applied_and_closes_the_connection(aws: Aws) -> None:
    """The code was used, although the client has no response."""
    aws.fake.users["ada"].mfa = ["SMS_MFA"]
    challenge = await aws.password()
    code = aws.fake.messages[-1].code
    aws.fake.fail_next("RespondToAuthChallenge", lose_response=True)
    with pytest.raises(aiohttp.ClientConnectionError):
        await aws.respond(challenge, SMS_MFA_CODE=code)
    with refused(USED_SESSION):
        await aws.respond(challenge, SMS_MFA_CODE=code)


async def test_scripted_errors_are_returned_without_processing(aws: Aws) -> None:
    """A code, a status or a response takes the place of the real response."""
    aws.fake.fail_next("InitiateAuth", code="TooManyRequestsException", message="Rate exceeded", times=2)
    aws.fake.fail_next("InitiateAuth", status=503)
    aws.fake.fail_next("InitiateAuth", response={"ChallengeName": "CUSTOM_CHALLENGE", "Session": "s" * 20})
    aws.fake.fail_next("InitiateAuth", delay=0.01)
    for _ in range(2):
        with refused(("TooManyRequestsException", "Rate exceeded")):
            await aws.password()
    with pytest.raises(Refused, match="InternalErrorException"):
        await aws.password()
    assert (await aws.password())["ChallengeName"] == "CUSTOM_CHALLENGE"
    assert "AuthenticationResult" in await aws.password()
    assert [operation for operation, _ in aws.fake.requests] == ["InitiateAuth"] * 5
    assert aws.fake.requests[0].payload["AuthParameters"]["USERNAME"] == "ada"


async def test_overridden_challenge_has_the_given_parameters_once(aws: Aws) -> None:
    """A test can play a malicious server."""
    aws.fake.override_challenge({"SRP_B": "0", "SALT": None}, name="PASSWORD_VERIFIER")
    first, second = [await aws.initiate("USER_SRP_AUTH", USERNAME="ada", SRP_A="2") for _ in range(2)]
    assert first["ChallengeParameters"]["SRP_B"] == "0"
    assert "SALT" not in first["ChallengeParameters"]
    assert second["ChallengeParameters"]["SRP_B"] != "0"


async def test_rotated_signing_keys_sign_later_tokens(aws: Aws) -> None:
    """The JWKS has old and new keys, or the new ones only."""
    counts, kids = [], set[str]()
    for keep_old in (True, True, False):
        aws.fake.rotate_signing_keys(keep_old=keep_old)
        token = (await aws.password())["AuthenticationResult"]["AccessToken"]
        published = [key["kid"] for key in aws.fake.issuer.jwks["keys"]]
        kid = jwt.get_unverified_header(token)["kid"]
        assert kid in published
        kids.add(kid)
        counts.append(len(published))
    assert len(kids) == 3
    assert counts == [4, 6, 2]


async def test_updated_issuer_is_in_the_tokens() -> None:
    """A pool with the issuer configuration UPDATED has another issuer."""
    fake = FakeCognito(updated_issuer=True)
    token = fake.issuer.access_token()
    issuer = jwt.decode(token, options={"verify_signature": False})["iss"]
    assert issuer == "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_FakePool1"


async def test_environment_names_pool_app_client_and_state_key(aws: Aws) -> None:
    """Without an app client, it is that of the pool, which is public; the key is that of the pool."""
    own = aws.fake.create_app_client(client_secret=SECRET)
    variables, of_default = aws.fake.environment(own), aws.fake.environment()
    assert (variables["COGNITO_CLIENT_ID"], variables["COGNITO_CLIENT_SECRET"]) == (own.client_id, SECRET)
    assert variables["COGNITO_USER_POOL_ID"] == aws.fake.user_pool_id
    assert variables["AWS_ENDPOINT_URL"] == aws.fake.endpoint_url
    assert variables["AWS_REGION"] == "eu-west-1"
    assert "COGNITO_CLIENT_SECRET" not in of_default  # also not empty, which clients refuse
    async with aws.fake.session() as session:
        with pytest.raises(ParameterValidationError, match="client_secret must not be empty"):
            session.client(aws.app.client_id, "")
    assert of_default["COGNITO_CLIENT_ID"] == aws.fake.app_client.client_id
    assert of_default["COGNITO_STATE_KEYS"] == variables["COGNITO_STATE_KEYS"]
    assert aws.fake.environment() == of_default


async def test_application_accepts_the_tokens_of_clients_and_the_issuer() -> None:
    """They have the same app client, which ``create_app_client`` leaves as it is."""
    async with FakeCognito() as fake, fake.session() as session:
        client_id = fake.environment()["COGNITO_CLIENT_ID"]
        assert fake.create_app_client().client_id != client_id
        fake.create_user("ada", password=PASSWORD)
        done = await fake.client(session).sign_in(username="ada", password=PASSWORD)
        assert isinstance(done, SignedIn)
        rules: Any = {"user_pool_id": fake.user_pool_id, "client_ids": {client_id}, "session": session}
        async with TokenVerifier(token_use="access", **rules) as verifier:
            for token in (done.tokens.access_token, fake.issuer.access_token()):
                assert (await verifier.verify(token)).client_id == client_id


async def test_app_client_of_the_pool_can_be_created_with_settings() -> None:
    """Under the ID of the issuer."""
    fake = FakeCognito()
    own = fake.create_app_client(fake.issuer.client_id, client_secret=SECRET)
    assert fake.app_client is own
    assert FakeCognito().app_client.client_id != own.client_id


CHANGES: dict[str, Mapping[str, Any]] = {
    "AdminDisableUser": {},
    "AdminEnableUser": {},
    "AdminResetUserPassword": {},
    "AdminSetUserPassword": {"Password": NEW_PASSWORD},
}


@pytest.mark.parametrize("operation", CHANGES)
async def test_users_have_the_times_of_their_creation_and_last_change(aws: Aws, operation: str) -> None:
    """By the clock of the fake; sign-ins are no changes."""
    pool = {"UserPoolId": aws.fake.user_pool_id}
    await aws.password()
    aws.fake.advance(86400)
    before = await aws.call("AdminGetUser", **pool, Username="ada")
    assert before["UserCreateDate"] == before["UserLastModifiedDate"] == pytest.approx(time.time(), abs=60)
    await aws.call(operation, **pool, Username="ada", **CHANGES[operation])
    aws.fake.advance(86400)
    [after] = (await aws.call("ListUsers", **pool))["Users"]
    assert after["UserCreateDate"] == before["UserCreateDate"]
    assert after["UserLastModifiedDate"] == pytest.approx(time.time() + 86400, abs=60)
    created = await aws.call("AdminCreateUser", **pool, Username="grace")
    assert created["User"]["UserCreateDate"] == pytest.approx(time.time() + 2 * 86400, abs=60)


async def test_unknown_operations_and_bodies_are_refused(aws: Aws) -> None:
    """The fake implements some operations."""
    with pytest.raises(Refused, match="UnknownOperationException"):
        await aws.call("DeleteUser", AccessToken="x")
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        await aws.call("AdminGetUser", UserPoolId="eu-west-1_Other", Username="ada")
    for body in ("{", "null", "[1]"):
        async with aws.http.post(aws.fake.endpoint_url, data=body) as response:
            assert response.status == 400


def test_guide_lists_the_operations() -> None:
    """The section names each operation once."""
    page = (ROOT / "docs/testing.md").read_text()
    section = page.partition("\n### Operations\n")[2].partition("\n#")[0]
    rows = "".join(line for line in section.splitlines() if line.startswith("|"))
    assert sorted(re.findall(r"`(\w+)`", rows)) == sorted(FakeCognito()._operations)


async def test_pending_delay_does_not_hold_up_the_end() -> None:
    """A test that timed out leaves the block immediately."""
    async with aiohttp.ClientSession() as http:
        async with FakeCognito() as fake:
            fake.fail_next("GetUser", delay=60)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(Aws(fake, http).call("GetUser", AccessToken="x"), 0.05)
            start = time.monotonic()
        assert time.monotonic() - start < 5


def test_synchronous_block_serves_from_a_thread() -> None:
    """Until it ends, also with an error. The users stay for a second one."""
    fake = FakeCognito()
    fake.create_user("ada", password=PASSWORD)
    for _ in range(2):
        with suppress(KeyError), fake as entered:
            assert entered is fake
            with urlopen(f"{fake.endpoint_url}/{fake.user_pool_id}/.well-known/jwks.json", timeout=5) as response:
                assert json.load(response) == fake.issuer.jwks
            raise KeyError
        with pytest.raises(RuntimeError, match="FakeCognito is not running"):
            _ = fake.endpoint_url
        assert "FakeCognito" not in {thread.name for thread in threading.enumerate()}
    assert "ada" in fake.users


async def test_session_and_client_are_ready_for_use() -> None:
    """Helpers connect the library to the fake."""
    async with FakeCognito() as fake, fake.session() as session:
        app = fake.create_app_client(client_secret=SECRET)
        fake.create_user("ada", password=PASSWORD, email="ada@example.com")
        client = fake.client(session, app)
        await client.forgot_password(username="ada")
        await client.confirm_forgot_password(
            username="ada", confirmation_code=fake.messages[-1].code, password=NEW_PASSWORD
        )
        assert fake.users["ada"].password == NEW_PASSWORD
        assert (await client.admin_get_user(username="ada")).user_create_date is not None
    with pytest.raises(RuntimeError, match="FakeCognito is not running"):
        _ = fake.endpoint_url
    assert datetime.now(UTC).timestamp() == pytest.approx(fake.now, abs=60)
