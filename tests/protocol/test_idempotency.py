"""Idempotency safety: a row for each operation, and what follows from it after a failed attempt."""

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
from cognito_async.protocol.idempotency import Idempotency, Verdict, is_ambiguous, judge
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


def test_every_operation_has_a_row() -> None:
    """All, each of one of the four kinds, the same in the table and in what is generated from it."""
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
def test_a_row_that_is_not_plain_has_a_reason(name: str) -> None:
    """What is not idempotent says why and how to find out; "gone" is for deletes, "applied" for what is used up."""
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
def test_the_codes_are_those_that_the_operation_declares(name: str) -> None:
    """An applied or gone code that the service never gives for the operation would be a slip."""
    declared = {error for operation, error in DECLARED if operation == name}
    assert declared
    assert {*IDEMPOTENCY[name].applied, *IDEMPOTENCY[name].gone} <= declared


@pytest.mark.parametrize("name", sorted(name for name in ROWS if name.startswith(("Get", "Describe", "List"))))
def test_reads_are_repeatable(name: str) -> None:
    """But those three whose names only sound like reads."""
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
def test_the_rows_that_matter_most(name: str, kind: str) -> None:
    """Those of which the issue speaks by name, and their like."""
    assert IDEMPOTENCY[name].kind == kind


def test_most_operations_are_repeatable() -> None:
    """One alone is unsafe."""
    kinds = Counter(idempotency.kind for idempotency in IDEMPOTENCY.values())
    assert kinds["unsafe"] == 1
    assert kinds["idempotent"] > 80


# --- ambiguous outcomes ---------------------------------------------------------------------------------------------


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
        (InvalidResponseError("proxy", status=502, request_id="r-1"), True),
        (InvalidResponseError("proxy", status=407), False),
        (InvalidResponseError("what came back is not HTTP", status=None), True),
        (ParameterValidationError("username", "is required"), False),
        (CredentialsError("none"), False),
        (SessionClosedError("closed"), False),
    ],
)
def test_what_is_unclear(error: CognitoError, *, ambiguous: bool) -> None:
    """Lost, late or failed when it may have left; throttling and refusals are answers, what never left is clear."""
    assert is_ambiguous(error) is ambiguous


# --- the verdict ------------------------------------------------------------------------------------------------------

RAISE, RETRY, GONE, AMBIGUOUS = Verdict.RAISE, Verdict.RETRY, Verdict.GONE, Verdict.AMBIGUOUS
# After: not ambiguous, no retry | not ambiguous, retry | ambiguous before, no retry | ambiguous before, retry.
TABLE: list[tuple[Idempotency, CognitoError, tuple[Verdict, Verdict, Verdict, Verdict]]] = [
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
    ("idempotency", "error", "verdicts"),
    TABLE,
    ids=[f"{idempotency.kind}-{type(error).__name__}-{getattr(error, 'sent', '')}" for idempotency, error, _ in TABLE],
)
def test_the_verdict(idempotency: Idempotency, error: CognitoError, verdicts: tuple[Verdict, ...]) -> None:
    """Each class, each kind of failure, with and without an ambiguous attempt before and the right to another."""
    cases = [(ambiguous_before, may_retry) for ambiguous_before in (False, True) for may_retry in (False, True)]
    given = tuple(judge(error, idempotency, ambiguous_before=before, may_retry=may) for before, may in cases)
    assert given == verdicts


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("ambiguous_before", [False, True])
@pytest.mark.parametrize("may_retry", [False, True])
def test_a_plain_error_never_hides_a_change(kind: str, *, ambiguous_before: bool, may_retry: bool) -> None:
    """What is not idempotent never ends in a plain error after an attempt that may have been applied."""
    idempotency = Idempotency(kind, applied=("ExpiredCodeException",))
    for error in (LOST, UNKNOWN, FAILED, THROTTLED, NEVER_SENT, EXPIRED):
        verdict = judge(error, idempotency, ambiguous_before=ambiguous_before, may_retry=may_retry)
        if kind == "one_time" and verdict is RAISE:
            assert not ambiguous_before
            assert not is_ambiguous(error)
        if kind in {"sends_message", "unsafe"} and is_ambiguous(error):
            assert verdict is AMBIGUOUS


@pytest.mark.parametrize(
    "last", [NEVER_SENT, RateLimitTimeoutError("late", sent=False)], ids=["refused", "turn too late"]
)
@pytest.mark.virtual_clock
async def test_a_call_of_which_something_was_sent_never_says_that_nothing_was(last: CognitoError) -> None:
    """``sent`` is False where the service can't have seen the request: not after an earlier attempt that left."""
    transport = ScriptedTransport(TransportError("lost", sent=True), last)
    policy = RetryPolicy(max_attempts=2)
    keys = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret of many characters")
    async with scripted_session(transport, retry=policy, credentials=keys) as session:
        with pytest.raises(TransportError) as caught:
            await session.client(user_pool_id="eu-west-1_AbC").admin_delete_user(username="ada")
    assert caught.value.sent is not False


def test_the_error_is_one_of_ours() -> None:
    """``except CognitoError`` catches it."""
    assert issubclass(AmbiguousOutcomeError, CognitoError)
