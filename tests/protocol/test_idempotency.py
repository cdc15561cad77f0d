"""Idempotency of each operation, and the decisions after a failed attempt."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import cognito_async
from cognito_async import (
    AmbiguousOutcomeError,
    CognitoError,
    ConnectError,
    ConnectTimeoutError,
    Credentials,
    CredentialsError,
    InvalidResponseError,
    ParameterValidationError,
    RateLimitTimeoutError,
    RequestTimeoutError,
    RetryPolicy,
    ServiceError,
    SessionClosedError,
    TransportError,
)
from cognito_async import operations as ops
from cognito_async.errors import ExpiredCodeException, TooManyRequestsException, UserNotFoundException
from cognito_async.operations.facts import IDEMPOTENCY
from cognito_async.protocol.idempotency import Idempotency, NextStep, idempotency_by_name, is_ambiguous, next_step
from tests.support.scripted_transport import ScriptedTransport, scripted_session
from tools.model import Reader, load_model

ROOT = Path(cognito_async.__file__).parents[1]
ROWS: dict[str, dict[str, Any]] = Reader(load_model()).rows
KINDS = {"idempotent", "one_time", "sends_message", "unsafe"}
FACTS = [line.split() for line in (ROOT / "tools/model_facts.txt").read_text().splitlines()]
DECLARED = [(words[1].rstrip(":"), words[2]) for words in FACTS if words[0] == "error" and len(words) == 3]

IDEMPOTENT = Idempotency("idempotent", gone=("UserNotFoundException",))
ONE_TIME = Idempotency("one_time", applied=("ExpiredCodeException",), how_to_verify="Sign in.")
SENDS_MESSAGE = Idempotency("sends_message", how_to_verify="Ask.")
UNSAFE = Idempotency("unsafe", how_to_verify="Sign in again.")

LOST = TransportError("lost", sent=True)
UNKNOWN = TransportError("lost", sent=None)
NEVER_SENT = ConnectError("refused", sent=False)
THROTTLED = TooManyRequestsException("slow", code="TooManyRequestsException", status=400)
EXPIRED = ExpiredCodeException("expired", code="ExpiredCodeException", status=400)
NOT_FOUND = UserNotFoundException("no", code="UserNotFoundException", status=400)
FAILED = ServiceError("failed", code="InternalErrorException", status=500)


# --- the table --------------------------------------------------------------------------------------------------------


def test_idempotency_table_covers_all_operations() -> None:
    """The generated table equals tools/tables, and has no other kinds."""
    operations = {
        getattr(ops, name).OPERATION.name
        for name in dir(ops)
        if name.endswith("Request") and hasattr(getattr(ops, name), "OPERATION")
    }
    assert len(operations) > 150
    assert operations == IDEMPOTENCY.keys() == ROWS.keys()
    assert {idempotency.kind for idempotency in IDEMPOTENCY.values()} == KINDS
    assert {name: row["idempotency"] for name, row in ROWS.items()} == {
        name: row.kind for name, row in IDEMPOTENCY.items()
    }


@pytest.mark.parametrize("name", sorted(ROWS))
def test_rows_of_other_kinds_have_a_reason(name: str) -> None:
    """Only deletes have "gone" codes, and only one-time operations "applied" codes."""
    row, idempotency = ROWS[name], IDEMPOTENCY[name]
    if idempotency.kind == "idempotent":
        assert not idempotency.applied
    else:
        assert len(row["reason"]) > 10
        assert idempotency.how_to_verify.endswith(".")
        assert not idempotency.gone
    assert bool(idempotency.applied) is (idempotency.kind == "one_time")
    assert (idempotency.applied, idempotency.gone) == (tuple(row.get("applied_errors", ())), tuple(row.get("gone", ())))
    assert idempotency.how_to_verify == row.get("how_to_verify", "")
    if idempotency.gone:
        assert name.startswith(
            ("Delete", "AdminDelete", "AdminForget", "Forget", "AdminRevoke", "Revoke", "AdminRemove")
        )


@pytest.mark.parametrize("name", sorted(name for name, row in IDEMPOTENCY.items() if row.applied or row.gone))
def test_applied_and_gone_codes_are_declared(name: str) -> None:
    """The service model declares them for the operation."""
    declared = {error for operation, error in DECLARED if operation == name}
    assert declared
    assert {*IDEMPOTENCY[name].applied, *IDEMPOTENCY[name].gone} <= declared


@pytest.mark.parametrize("name", sorted(name for name in ROWS if name.startswith(("Get", "Describe", "List"))))
def test_reads_are_idempotent(name: str) -> None:
    """Except for three whose names sound like reads."""
    kind = {
        "GetUserAttributeVerificationCode": "sends_message",
        "GetTokensFromRefreshToken": "unsafe",
        "GetDerivedToken": "one_time",
    }
    assert IDEMPOTENCY[name].kind == kind.get(name, "idempotent")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ConfirmForgotPassword", "one_time"),
        ("ConfirmSignUp", "one_time"),
        ("VerifyUserAttribute", "one_time"),
        ("ChangePassword", "one_time"),
        ("RespondToAuthChallenge", "one_time"),
        ("ForgotPassword", "sends_message"),
        ("ResendConfirmationCode", "sends_message"),
        ("AdminCreateUser", "sends_message"),
        ("AdminResetUserPassword", "sends_message"),
        ("SignUp", "sends_message"),
        ("GetTokensFromRefreshToken", "unsafe"),
        ("AdminDeleteUser", "idempotent"),
    ],
)
def test_kinds_of_important_operations(name: str, kind: str) -> None:
    """Password resets, sign-up, sign-in and tokens."""
    assert IDEMPOTENCY[name].kind == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("DescribeSomethingNew", "idempotent"),
        ("AdminListSomethingNew", "idempotent"),
        ("GetNewToken", "sends_message"),
        ("GetawayPlan", "sends_message"),
        ("StartSomethingNew", "sends_message"),
    ],
)
def test_kind_of_unknown_operation_follows_its_name(name: str, kind: str) -> None:
    """Only reads may be repeated, and not all operations named like reads are."""
    assert idempotency_by_name(name).kind == kind


def test_most_operations_are_idempotent() -> None:
    """Only one is unsafe."""
    kinds = Counter(idempotency.kind for idempotency in IDEMPOTENCY.values())
    assert kinds["unsafe"] == 1
    assert kinds["idempotent"] > 80


# --- ambiguous outcomes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "ambiguous"),
    [
        (LOST, True),
        (UNKNOWN, True),
        (TransportError("lost", sent=False), False),
        (RequestTimeoutError("late", sent=True), True),
        (RequestTimeoutError("late", sent=None), True),
        (RequestTimeoutError("late", sent=False), False),
        (NEVER_SENT, False),
        (ConnectTimeoutError("late", sent=False), False),
        (RateLimitTimeoutError("late", sent=False), False),
        (THROTTLED, False),
        (TooManyRequestsException("slow", code="TooManyRequestsException", status=500), False),
        (ServiceError("slow", code="ThrottlingException", status=503), False),
        (ServiceError("limit", code="LimitExceededException", status=500), False),
        (EXPIRED, False),
        (NOT_FOUND, False),
        (FAILED, True),
        (ServiceError("failed", code="InternalServerException", status=503), True),
        (ServiceError("new", code="SomethingNew", status=500), True),
        (ServiceError("new", code="SomethingNew", status=400), False),
        (InvalidResponseError("cut off", status=200), True),
        (InvalidResponseError("proxy", status=502), True),
        (InvalidResponseError("proxy", status=504), True),
        (InvalidResponseError("not implemented", status=501), True),
        (InvalidResponseError("slow", status=429), True),
        (InvalidResponseError("moved", status=307), True),
        (InvalidResponseError("proxy", status=403), True),
        (InvalidResponseError("proxy", status=403, request_id="r-1"), False),
        (InvalidResponseError("moved", status=300, request_id="r-1"), False),
        (InvalidResponseError("proxy", status=500, request_id="r-1"), True),
        (InvalidResponseError("proxy", status=502, request_id="r-1"), True),
        (InvalidResponseError("proxy", status=407), False),
        (InvalidResponseError("what came back is not HTTP", status=None), True),
        (ParameterValidationError("username", "is required"), False),
        (CredentialsError("none"), False),
        (SessionClosedError("closed"), False),
    ],
)
def test_ambiguous_errors(error: CognitoError, *, ambiguous: bool) -> None:
    """Lost connections, timeouts and server errors, unless nothing was sent."""
    assert is_ambiguous(error) is ambiguous


# --- the step ------------------------------------------------------------------------------------------------------

RAISE, RETRY, GONE, AMBIGUOUS = NextStep.RAISE, NextStep.RETRY, NextStep.GONE, NextStep.AMBIGUOUS
# After: not ambiguous, no retry | not ambiguous, retry | ambiguous before, no retry | ambiguous before, retry.
TABLE: list[tuple[Idempotency, CognitoError, tuple[NextStep, NextStep, NextStep, NextStep]]] = [
    *[(IDEMPOTENT, error, (RAISE, RETRY, RAISE, RETRY)) for error in (LOST, UNKNOWN, FAILED, THROTTLED, NEVER_SENT)],
    (IDEMPOTENT, EXPIRED, (RAISE, RETRY, RAISE, RETRY)),
    (IDEMPOTENT, NOT_FOUND, (RAISE, RETRY, GONE, RETRY)),
    *[(ONE_TIME, error, (AMBIGUOUS, RETRY, AMBIGUOUS, RETRY)) for error in (LOST, UNKNOWN, FAILED)],
    *[(ONE_TIME, error, (RAISE, RETRY, AMBIGUOUS, RETRY)) for error in (THROTTLED, NEVER_SENT, EXPIRED)],
    (ONE_TIME, NOT_FOUND, (RAISE, RETRY, RAISE, RETRY)),
    *[
        (idempotency, error, (AMBIGUOUS, AMBIGUOUS, AMBIGUOUS, AMBIGUOUS))
        for idempotency in (SENDS_MESSAGE, UNSAFE)
        for error in (LOST, UNKNOWN, FAILED)
    ],
    *[
        (idempotency, error, (RAISE, RETRY, AMBIGUOUS, RETRY))
        for idempotency in (SENDS_MESSAGE, UNSAFE)
        for error in (THROTTLED, NEVER_SENT)
    ],
    *[(idempotency, EXPIRED, (RAISE, RETRY, RAISE, RETRY)) for idempotency in (SENDS_MESSAGE, UNSAFE)],
]


@pytest.mark.parametrize(
    ("idempotency", "error", "steps"),
    TABLE,
    ids=[f"{idempotency.kind}-{type(error).__name__}-{getattr(error, 'sent', '')}" for idempotency, error, _ in TABLE],
)
def test_step_for_each_kind_and_failure(
    idempotency: Idempotency, error: CognitoError, steps: tuple[NextStep, ...]
) -> None:
    """With and without an earlier ambiguous attempt and a remaining retry."""
    cases = [(ambiguous_before, may_retry) for ambiguous_before in (False, True) for may_retry in (False, True)]
    given = tuple(next_step(error, idempotency, ambiguous_before=before, may_retry=may) for before, may in cases)
    assert given == steps


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("ambiguous_before", [False, True])
@pytest.mark.parametrize("may_retry", [False, True])
def test_plain_error_never_follows_an_applied_attempt(kind: str, *, ambiguous_before: bool, may_retry: bool) -> None:
    """Unless the operation is idempotent."""
    idempotency = Idempotency(kind, applied=("ExpiredCodeException",))
    for error in (LOST, UNKNOWN, FAILED, THROTTLED, NEVER_SENT, EXPIRED):
        step = next_step(error, idempotency, ambiguous_before=ambiguous_before, may_retry=may_retry)
        if kind == "one_time" and step is RAISE:
            assert not ambiguous_before
            assert not is_ambiguous(error)
        if kind in {"sends_message", "unsafe"} and is_ambiguous(error):
            assert step is AMBIGUOUS


@pytest.mark.parametrize(
    "last", [NEVER_SENT, RateLimitTimeoutError("late", sent=False)], ids=["connection refused", "rate limit timeout"]
)
@pytest.mark.virtual_clock
async def test_sent_is_unknown_after_an_ambiguous_attempt(last: CognitoError) -> None:
    """An earlier attempt of the call may have been sent."""
    transport = ScriptedTransport(TransportError("lost", sent=True), last)
    policy = RetryPolicy(max_attempts=2)
    keys = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret of many characters")
    async with scripted_session(transport, retry=policy, credentials=keys) as session:
        with pytest.raises(TransportError) as caught:
            await session.client(user_pool_id="eu-west-1_AbC").admin_delete_user(username="ada")
    assert caught.value.sent is None


def test_ambiguous_outcome_is_a_cognito_error() -> None:
    """``except CognitoError`` catches it."""
    assert issubclass(AmbiguousOutcomeError, CognitoError)


def test_next_step_with_max_repeats_limits_ambiguous_attempts() -> None:
    """A response that was lost twice and a third time ends the call."""
    twice = Idempotency("idempotent", max_repeats=2)
    lost = TransportError("lost", sent=None)
    steps = [next_step(lost, twice, ambiguous_before=before, may_retry=True) for before in range(4)]
    assert steps == [RETRY, RETRY, RAISE, RAISE]
