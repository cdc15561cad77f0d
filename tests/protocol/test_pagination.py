"""Pagination: all 18 listings, unusual pages, repeated tokens, flat memory, and leaving early."""

import asyncio
import gc
import inspect
import json
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from itertools import count, cycle
from typing import Any, cast

import pytest
from botocore import xform_name
from multidict import CIMultiDict

from cognito_async import AsyncCognitoSession, CognitoClient, Credentials, operations
from cognito_async.errors import CognitoError, NotAuthorizedException, PaginationError, ParameterValidationError
from cognito_async.protocol.operation import Request
from cognito_async.protocol.pagination import Paginator
from cognito_async.protocol.shapes import members
from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.strategies import request_types, service_model, smallest

KEYS = Credentials(access_key_id="AKID", secret_access_key="secret")
Page = dict[str, Any]


class PagingTransport:
    """Responds to each request with the next page; keeps the requests only if ``keep`` is set."""

    def __init__(self, pages: Iterable[Page | bytes | HttpResponse], *, keep: bool = True) -> None:
        self.pages = iter(pages)
        self.keep = keep
        self.bodies: list[dict[str, Any]] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Return the next page, after a turn of the event loop."""
        await asyncio.sleep(0)
        if self.keep:
            self.bodies.append(json.loads(request.body))
        page = next(self.pages, None)
        assert page is not None, "asked for one page more than there is"
        if isinstance(page, HttpResponse):
            return page
        body = page if isinstance(page, bytes) else json.dumps(page).encode()
        return HttpResponse(200, CIMultiDict(), body)

    async def close(self) -> None:
        """Do nothing."""


def session_on(transport: PagingTransport) -> AsyncCognitoSession:
    """Open a session on a transport."""
    return AsyncCognitoSession("eu-west-1", transport=transport, credentials=KEYS)


def users(*names: str, token: str | None = None) -> Page:
    """Return a page of ListUsers."""
    page: Page = {"Users": [{"Username": name} for name in names]}
    return page if token is None else {**page, "PaginationToken": token}


def users_of(client: CognitoClient) -> Paginator[operations.ListUsersResponse, operations.UserType]:
    """Return a paginator for the users of a pool."""
    return client.iter_list_users(user_pool_id="eu-west-1_AbC")


async def collect_names(paginator: AsyncIterable[operations.UserType], seen: list[str | None]) -> None:
    """Collect the names of all users."""
    async for user in paginator:
        seen.append(user.username)  # noqa: PERF401 - what was seen before an error counts


# --- paginated operations ---


def paging() -> dict[str, tuple[str, str]]:
    """Return the operations of the model with a page token on both sides, with the names of token and list."""
    found = {}
    for name in service_model().operation_names:
        model = service_model().operation_model(name)
        if model.output_shape is None:
            continue
        tokens = {"NextToken", "PaginationToken"} & set(model.input_shape.members) & set(model.output_shape.members)
        lists = [wire_name for wire_name, shape in model.output_shape.members.items() if shape.type_name == "list"]
        if tokens:
            assert len(tokens) == len(lists) == 1, name
            found[name] = tokens.pop(), lists[0]
    return found


PAGING = paging()


def iterator_of(name: str) -> str:
    """Return the name of an operation's iterating method."""
    return f"iter_{xform_name(name)}"


def test_each_paginated_operation_has_an_iterator() -> None:
    """The operations with a token on both sides, and no others."""
    methods = {name for name in dir(CognitoClient) if name.startswith("iter_")}
    assert methods == {iterator_of(name) for name in PAGING}
    assert len(PAGING) > 20


@pytest.mark.parametrize("name", PAGING)
def test_iterator_takes_all_parameters_but_the_token(name: str) -> None:
    """With the same types."""
    plain = inspect.signature(getattr(CognitoClient, iterator_of(name).removeprefix("iter_"))).parameters
    iterating = inspect.signature(getattr(CognitoClient, iterator_of(name))).parameters
    token = {"NextToken": "next_token", "PaginationToken": "pagination_token"}[PAGING[name][0]]
    assert {key: str(value) for key, value in plain.items() if key != token} == {
        key: str(value) for key, value in iterating.items()
    }


def arguments(name: str) -> dict[str, Any]:
    """Return the smallest valid arguments of an operation."""
    request = smallest(request_types()[name])
    given = {python: getattr(request, python) for python, _ in members(type(request))}
    return {python: value for python, value in given.items() if value is not None}


@pytest.mark.parametrize("name", PAGING)
async def test_iterator_yields_typed_items_of_all_pages(name: str) -> None:
    """In order; each request after the first has the token of the previous page."""
    token, items = PAGING[name]
    element = service_model().operation_model(name).output_shape.members[items].member
    wire_item: Any = {} if element.type_name == "structure" else "item"
    pages: list[Page | bytes] = [
        {items: [wire_item] * 2, token: "t1"},
        {items: [wire_item], token: "t2"},
        {items: [wire_item] * 3},
    ]
    transport = PagingTransport([*pages, *pages])
    async with session_on(transport) as session:
        paginator = getattr(session.client(), iterator_of(name))(**arguments(name))
        found = [item async for item in paginator]
        answers = [page async for page in paginator.pages()]
    kind = getattr(operations, element.name, str) if element.type_name == "structure" else str
    assert [type(item) for item in found] == [kind] * 6
    assert [type(page).__name__ for page in answers] == [f"{name}Response"] * 3
    first = {key: value for key, value in transport.bodies[0].items() if key != token}
    assert [body.get(token) for body in transport.bodies] == [None, "t1", "t2"] * 2
    assert all({key: value for key, value in body.items() if key != token} == first for body in transport.bodies)


# --- pages ---


@pytest.mark.parametrize(
    ("pages", "names"),
    [
        ([users()], ""),
        ([users("a")], "a"),
        ([users("a", token="1"), users("b", token="2"), users("c")], "abc"),
        ([users(token="1"), users(token="2"), users("a", token="3"), users(token="4"), users("b")], "ab"),
        ([users("a", token="1"), users()], "a"),
        ([{"PaginationToken": "1"}, {}], ""),
        ([{"Users": None, "PaginationToken": "1"}, users("a")], "a"),
        ([{**users("a"), "PaginationToken": None}], "a"),
        ([users("a", token="")], "a"),
        ([users("a", token="1"), {**users("b"), "NewMember": 1}], "ab"),
    ],
    ids=[
        "empty",
        "one",
        "three",
        "short and empty",
        "empty end",
        "no list",
        "null list",
        "null",
        "blank",
        "new",
    ],
)
async def test_listing_ends_only_without_a_token(pages: list[Page | bytes], names: str) -> None:
    """Short and empty pages, and pages without a list, do not end it."""
    transport = PagingTransport(pages)
    async with session_on(transport) as session:
        found = [user.username async for user in users_of(session.client())]
    assert found == list(names)
    assert len(transport.bodies) == len(pages)


async def test_pages_are_requested_when_needed() -> None:
    """The next page is requested after the last item of the previous one."""
    transport = PagingTransport([users("a", "b", token="1"), users("c")])
    async with session_on(transport) as session:
        paginator = users_of(session.client())
        assert transport.bodies == []
        seen = [(user.username, len(transport.bodies)) async for user in paginator]
    assert seen == [("a", 1), ("b", 1), ("c", 2)]


async def test_each_loop_starts_with_the_first_page() -> None:
    """A paginator can be used by several loops, also concurrently."""
    pages = [users("a", token="1"), users("b")]
    async with session_on(PagingTransport(pages * 2)) as session:
        paginator = users_of(session.client())
        assert [user.username async for user in paginator] == ["a", "b"]
        assert [user.username async for user in paginator] == ["a", "b"]
    interleaved = [pages[0], pages[0], pages[1], pages[1]]
    async with session_on(PagingTransport(interleaved)) as session:
        one, other = aiter(users_of(session.client())), aiter(users_of(session.client()))
        names = [(await anext(loop)).username for loop in (one, other, one, other)]
        assert names == ["a", "a", "b", "b"]
        with pytest.raises(StopAsyncIteration):
            await anext(one)
        with pytest.raises(StopAsyncIteration):
            await anext(other)


async def test_bound_values_fill_each_request() -> None:
    """Each page is requested with the bound pool."""
    transport = PagingTransport([users("a", token="1"), users("b")])
    async with session_on(transport) as session:
        client = session.client(user_pool_id="eu-west-1_Bound")
        assert [user.username async for user in client.iter_list_users(limit=1)] == ["a", "b"]
    assert transport.bodies == [
        {"UserPoolId": "eu-west-1_Bound", "Limit": 1},
        {"UserPoolId": "eu-west-1_Bound", "Limit": 1, "PaginationToken": "1"},
    ]


async def test_error_of_a_page_ends_the_loop() -> None:
    """The items before it are yielded."""
    refusal = HttpResponse(400, CIMultiDict({"x-amzn-ErrorType": "NotAuthorizedException:"}), b"")
    async with session_on(PagingTransport([users("a", token="1"), refusal])) as session:
        seen: list[str | None] = []
        with pytest.raises(NotAuthorizedException):
            await collect_names(users_of(session.client()), seen)
        assert seen == ["a"]
        with pytest.raises(ParameterValidationError, match="limit"):
            await anext(aiter(session.client().iter_list_users(user_pool_id="eu-west-1_AbC", limit=61)))


async def test_paginator_accepts_any_caller() -> None:
    """Any object with ``send``."""

    class Caller:
        async def send(self, request: Request[Any]) -> Any:
            assert isinstance(request, operations.ListUsersRequest)
            return operations.ListUsersResponse(users=[operations.UserType(username=request.pagination_token)])

    request = operations.ListUsersRequest(user_pool_id="eu-west-1_AbC", pagination_token="mine")
    paginator: Paginator[Any, Any] = Paginator(Caller(), request, cursor="pagination_token", items="users")  # type: ignore[arg-type]
    assert [user.username async for user in paginator] == ["mine"]


# --- repeated tokens ---

PATIENCE = 200


@pytest.mark.parametrize("start", [0, 1, 5], ids="after {} pages".format)
@pytest.mark.parametrize("length", [1, 2, 3, 7, 16], ids="cycle of {}".format)
async def test_repeated_token_is_an_error(length: int, start: int) -> None:
    """Cycles of any length are detected."""

    def pages() -> Iterable[Page]:
        yield from (users("a", token=f"start {number}") for number in range(start))
        for _, number in zip(range(PATIENCE), cycle(range(length)), strict=False):
            yield users("b", token=f"round {number}")

    transport = PagingTransport(pages())
    async with session_on(transport) as session:
        with pytest.raises(PaginationError) as caught:
            await collect_names(users_of(session.client()), [])
    assert caught.value.operation == "ListUsers"
    assert isinstance(caught.value, CognitoError)
    assert "round" not in str(caught.value)
    assert len(transport.bodies) <= 4 * (start + length) + 2


async def test_items_of_the_page_with_a_repeated_token_are_yielded() -> None:
    """No received item is lost."""
    transport = PagingTransport([users("a", token="1"), users("b", token="1")])
    async with session_on(transport) as session:
        seen: list[str | None] = []
        with pytest.raises(PaginationError):
            await collect_names(users_of(session.client()), seen)
    assert seen == ["a", "b"]


async def test_token_equal_to_the_first_request_is_an_error() -> None:
    """The listing would not end."""
    request = operations.ListUsersRequest(user_pool_id="eu-west-1_AbC", pagination_token="t")
    transport = PagingTransport([users("a", token="t")] * 5)
    async with session_on(transport) as session:
        paginator: Paginator[Any, Any] = Paginator(session.client(), request, cursor="pagination_token", items="users")
        with pytest.raises(PaginationError):
            await collect_names(paginator, [])
    assert len(transport.bodies) <= 2


# --- memory ---


def many_users() -> Iterable[bytes]:
    """Yield pages of 20 users without end, with long tokens."""
    for number in count():
        names = (f"user-{number}-{index}" for index in range(20))
        yield json.dumps(users(*names, token=f"{number:0200}")).encode()


async def growth(things: AsyncIterator[Any], early: int, late: int) -> int:
    """Consume items, and return the growth of memory in bytes between two of them."""
    in_use = []
    # The iterators of a paginator are generators, which aclosing closes.
    async with aclosing(cast("AsyncGenerator[Any, None]", things)) as generator:
        await anext(generator)
        tracemalloc.start()
        try:
            for number in range(1, late + 1):
                await anext(generator)
                if number in {early, late}:
                    gc.collect()
                    in_use.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    return in_use[1] - in_use[0]


FEW_PAGES = 5 * 20 * 500
"""The memory of five pages, about: more than the interpreter's own comings and goings, and far less than it would take
to keep only the tokens of all pages, let alone the pages."""


async def test_memory_of_pages_is_flat() -> None:
    """After 2,000 pages as after 100."""
    async with session_on(PagingTransport(many_users(), keep=False)) as session:
        assert await growth(users_of(session.client()).pages(), 100, 2_000) < FEW_PAGES


async def test_memory_of_items_is_flat() -> None:
    """No page is kept."""
    async with session_on(PagingTransport(many_users(), keep=False)) as session:
        assert await growth(aiter(users_of(session.client())), 20 * 100, 20 * 500) < FEW_PAGES


# --- leaving early ---


async def leave(client: CognitoClient) -> None:
    """Leave the loop over items early."""
    async for _ in users_of(client):
        break


async def leave_pages(client: CognitoClient) -> None:
    """Leave the loop over pages early."""
    async for _ in users_of(client).pages():
        break


async def fail(client: CognitoClient) -> None:
    """Leave the loop with an error."""

    async def go() -> None:
        async for _ in users_of(client):
            raise KeyError

    with pytest.raises(KeyError):
        await go()


def generators() -> list[Any]:
    """Return all running async generators, including those of session fixtures."""
    return [thing for thing in gc.get_objects() if inspect.isasyncgen(thing) and thing.ag_frame is not None]


@pytest.mark.parametrize("leaving", [leave, leave_pages, fail])
async def test_leaving_a_loop_early_requests_no_further_page(leaving: Callable[[CognitoClient], Any]) -> None:
    """No task or generator is left."""
    transport = PagingTransport([users("a", "b", token="1"), users("c")])
    before = generators()
    async with session_on(transport) as session:
        await leaving(session.client())
        gc.collect()
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(transport.bodies) == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not [thing for thing in generators() if not any(thing is one for one in before)]


async def test_cancel_during_a_page_ends_the_loop() -> None:
    """The task is cancelled."""
    waiting = asyncio.Event()

    class Hanging(PagingTransport):
        async def send(self, request: HttpRequest) -> HttpResponse:
            if self.bodies:
                waiting.set()
                await asyncio.get_running_loop().create_future()
            return await super().send(request)

    async with session_on(Hanging([users("a", token="1")])) as session:
        task = asyncio.create_task(collect_names(users_of(session.client()), []))
        task.add_done_callback(lambda _: waiting.set())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


PROGRAM = """
import asyncio
from tests.protocol.test_pagination import PagingTransport, leave, leave_pages, session_on, users

async def main():
    async with session_on(PagingTransport([users("a", "b", token="1")] * 2)) as session:
        await leave(session.client())
        await leave_pages(session.client())

asyncio.run(main())
"""


def test_program_that_leaves_a_loop_early_prints_no_warning() -> None:
    """In development mode."""
    paths = "import sys; sys.path[:0] = " + repr([path for path in sys.path if path])
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", f"{paths}\n{PROGRAM}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
