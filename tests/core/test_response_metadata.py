"""The metadata of responses."""

import copy
import pickle
from typing import Any

import pytest

from cognito_async import Credentials, ForgotPasswordResponse, ListUsersResponse, ResponseMetadata, operations
from cognito_async.protocol.operation import Response
from tests.support.scripted_transport import ScriptedTransport, respond, scripted_session, take

KEYS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="a secret of many characters")


async def forgot_password(transport: ScriptedTransport) -> ForgotPasswordResponse:
    """Return the response of a call."""
    async with scripted_session(transport) as session:
        return await session.client("abc").forgot_password(username="ada")


@pytest.mark.virtual_clock
async def test_metadata_has_the_facts_of_the_call() -> None:
    """The last request ID, and the duration with backoff."""
    last = take(2.0, respond(headers={"x-amzn-RequestId": "r-2"}))
    throttled = respond(400, b'{"__type": "TooManyRequestsException"}')
    response = await forgot_password(ScriptedTransport(throttled, last))
    assert response.metadata is not None
    assert (response.metadata.request_id, response.metadata.status, response.metadata.attempts) == ("r-2", 200, 2)
    assert response.metadata.duration == pytest.approx(3.0)


async def test_metadata_changes_neither_equality_nor_hash_nor_repr() -> None:
    """A response built by hand is equal to one that was received."""
    response = await forgot_password(ScriptedTransport(respond()))
    built = ForgotPasswordResponse()
    assert response == built
    assert hash(response) == hash(built)
    assert repr(response) == repr(built) == "ForgotPasswordResponse()"
    assert isinstance(response.metadata, ResponseMetadata)
    assert built.metadata is None


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
async def test_copies_have_no_metadata(copied: Any) -> None:
    """They may have other members."""
    response = await forgot_password(ScriptedTransport(respond()))
    assert copied(response) == response
    assert copied(response).metadata is None


async def test_pages_and_large_responses_have_metadata() -> None:
    """Large bodies are decoded in a thread."""
    transport = ScriptedTransport(respond(body=b'{"Users": [' + b" " * 200_000 + b"]}"))
    async with scripted_session(transport, credentials=KEYS) as session:
        pages: list[ListUsersResponse] = [
            page async for page in session.client(user_pool_id="eu-west-1_AbC").iter_list_users().pages()
        ]
    assert [page.metadata is not None for page in pages] == [True]


async def test_response_without_request_id_has_metadata() -> None:
    """Emulators may send none."""
    response = await forgot_password(ScriptedTransport(respond(headers={"x-amzn-RequestId": ""})))
    assert response.metadata is not None
    assert response.metadata.request_id is None


def test_all_responses_have_metadata() -> None:
    """No nested type or request does."""
    for name in dir(operations):
        kind = getattr(operations, name)
        if isinstance(kind, type):
            assert issubclass(kind, Response) == name.endswith("Response")
