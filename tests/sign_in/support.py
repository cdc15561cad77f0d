"""Values and helpers of the sign-in tests."""

from typing import TypeVar

from cognito_async.sign_in import SignedIn, SignInResult
from cognito_async.testing import FakeCognito

NAME, EMAIL, PHONE = "3f0c-ada", "ada@example.com", "+4915112345678"
PASSWORD, NEW_PASSWORD = "Analytical-1843", "Differential-1822"
SECRET = "app-client-secret-of-the-tests"

ResultT = TypeVar("ResultT")


def expect(result: SignInResult, kind: type[ResultT]) -> ResultT:
    """Return the result, which has to be of a class."""
    assert isinstance(result, kind), result
    return result


def signed_in(result: SignInResult) -> SignedIn:
    """Return the end of a sign-in."""
    done = expect(result, SignedIn)
    assert done.tokens.access_token
    assert done.tokens.refresh_token
    return done


def operations(fake: FakeCognito) -> list[str]:
    """Return the operations of all requests."""
    return [request.operation for request in fake.requests]


def answers(fake: FakeCognito, index: int = -1) -> dict[str, str]:
    """Return the answers in a request."""
    found: dict[str, str] = fake.requests[index].payload["ChallengeResponses"]
    return found


def codes(fake: FakeCognito) -> list[str]:
    """Return the codes that were sent."""
    return [message.code for message in fake.messages]


def spaced(code: str) -> str:
    """Return a code as authenticator apps show it."""
    return f"{code[:3]} {code[3:]}"


def wrong(code: str) -> str:
    """Return another code of the same length."""
    return code[:-1] + ("0" if code[-1] != "0" else "1")
