"""Lists that come in pages: all 18, whatever the pages are like, in flat memory, and never for ever."""

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
from cognito_async.pagination import Paginator
from cognito_async.protocol.operation import Request
from cognito_async.protocol.shapes import members
from cognito_async.protocol.wire import HttpRequest, HttpResponse
from tests.support.strategies import request_types, service_model, smallest

KEYS = Credentials(access_key_id="AKID", secret_access_key="secret")
Page = dict[str, Any]


class PagingTransport:
    """Answers each request with the next page; keeps no request unless it is told to."""

    def __init__(self, pages: Iterable[Page | bytes | HttpResponse], *, keep: bool = True) -> None:
        self.pages = iter(pages)
        self.keep = keep
        self.bodies: list[dict[str, Any]] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Give the next page, after letting the loop run as a socket would."""
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
        """Have nothing to close."""


def session_on(transport: PagingTransport) -> AsyncCognitoSession:
    """Open a session on a transport."""
    return AsyncCognitoSession("eu-west-1", transport=transport, credentials=KEYS)


def users(*names: str, token: str | None = None) -> Page:
    """Make a page of ListUsers."""
    page: Page = {"Users": [{"Username": name} for name in names]}
    return page if token is None else {**page, "PaginationToken": token}


def users_of(client: CognitoClient) -> Paginator[operations.ListUsersResponse, operations.UserType]:
    """Go through the users of a pool."""
    return client.iter_list_users(user_pool_id="eu-west-1_AbC")


async def note(paginator: AsyncIterable[operations.UserType], seen: list[str | None]) -> None:
    """Note the names of all users, for as long as it goes."""
    async for user in paginator:
        seen.append(user.username)  # noqa: PERF401 - what was seen before an error counts


# --- which ones page ---


def paging() -> dict[str, tuple[str, str]]:
    """Find the operations that page in the model: a token on both sides; with the token's and the list's names."""
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
    """Name the method that goes through an operation's pages: ListUsers, iter_list_users."""
    return f"iter_{xform_name(name)}"


def test_every_operation_that_pages_has_its_iterator() -> None:
    """The operations with a token on both sides, and no others, have an ``iter_`` method."""
    methods = {name for name in dir(CognitoClient) if name.startswith("iter_")}
    assert methods == {iterator_of(name) for name in PAGING}
    assert len(PAGING) > 20


@pytest.mark.parametrize("name", PAGING)
def test_the_signature_is_the_operations_without_its_token(name: str) -> None:
    """An iterator takes what the operation takes, but for the token, which is its own affair."""
    plain = inspect.signature(getattr(CognitoClient, iterator_of(name).removeprefix("iter_"))).parameters
    iterating = inspect.signature(getattr(CognitoClient, iterator_of(name))).parameters
    token = {"NextToken": "next_token", "PaginationToken": "pagination_token"}[PAGING[name][0]]
    assert {key: str(value) for key, value in plain.items() if key != token} == {
        key: str(value) for key, value in iterating.items()
    }


def arguments(name: str) -> dict[str, Any]:
    """Give the smallest valid arguments of an operation."""
    request = smallest(request_types()[name])
    given = {python: getattr(request, python) for python, _ in members(type(request))}
    return {python: value for python, value in given.items() if value is not None}


@pytest.mark.parametrize("name", PAGING)
async def test_each_goes_through_its_pages(name: str) -> None:
    """Items come typed and in order over all pages; each request but the first carries the token of the page before."""
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


# --- what pages are like ---


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
async def test_only_a_missing_token_ends(pages: list[Page | bytes], names: str) -> None:
    """Short and empty pages, and pages without the list, go on while there is a token; null or blank is none."""
    transport = PagingTransport(pages)
    async with session_on(transport) as session:
        found = [user.username async for user in users_of(session.client())]
    assert found == list(names)
    assert len(transport.bodies) == len(pages)


async def test_nothing_is_asked_for_before_it_is_wanted() -> None:
    """Making the iterator sends nothing, and the next page is asked for once the last item of this one is used up."""
    transport = PagingTransport([users("a", "b", token="1"), users("c")])
    async with session_on(transport) as session:
        paginator = users_of(session.client())
        assert transport.bodies == []
        seen = [(user.username, len(transport.bodies)) async for user in paginator]
    assert seen == [("a", 1), ("b", 1), ("c", 2)]


async def test_each_loop_starts_from_the_first_page() -> None:
    """One paginator serves several loops, also at the same time."""
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


async def test_bound_values_fill_every_page() -> None:
    """A client that is bound to a pool asks for each page in that pool."""
    transport = PagingTransport([users("a", token="1"), users("b")])
    async with session_on(transport) as session:
        client = session.client(user_pool_id="eu-west-1_Bound")
        assert [user.username async for user in client.iter_list_users(limit=1)] == ["a", "b"]
    assert transport.bodies == [
        {"UserPoolId": "eu-west-1_Bound", "Limit": 1},
        {"UserPoolId": "eu-west-1_Bound", "Limit": 1, "PaginationToken": "1"},
    ]


async def test_errors_come_out_of_the_loop() -> None:
    """What a page's call raises, the loop raises; what came before it has been given."""
    refusal = HttpResponse(400, CIMultiDict({"x-amzn-ErrorType": "NotAuthorizedException:"}), b"")
    async with session_on(PagingTransport([users("a", token="1"), refusal])) as session:
        seen: list[str | None] = []
        with pytest.raises(NotAuthorizedException):
            await note(users_of(session.client()), seen)
        assert seen == ["a"]
        with pytest.raises(ParameterValidationError, match="limit"):
            await anext(aiter(session.client().iter_list_users(user_pool_id="eu-west-1_AbC", limit=61)))


async def test_paginators_need_no_client() -> None:
    """Anything that can send requests will do."""

    class Caller:
        async def send(self, request: Request[Any]) -> Any:
            assert isinstance(request, operations.ListUsersRequest)
            return operations.ListUsersResponse(users=[operations.UserType(username=request.pagination_token)])

    request = operations.ListUsersRequest(user_pool_id="eu-west-1_AbC", pagination_token="mine")
    paginator: Paginator[Any, Any] = Paginator(Caller(), request, cursor="pagination_token", items="users")  # type: ignore[arg-type]
    assert [user.username async for user in paginator] == ["mine"]


# --- for ever ---

PATIENCE = 200


@pytest.mark.parametrize("start", [0, 1, 5], ids="after {} pages".format)
@pytest.mark.parametrize("length", [1, 2, 3, 7, 16], ids="cycle of {}".format)
async def test_a_token_that_comes_back_ends_in_an_error(length: int, start: int) -> None:
    """Tokens that go round in a circle, of whatever length, end in an error soon, instead of never."""

    def pages() -> Iterable[Page]:
        yield from (users("a", token=f"start {number}") for number in range(start))
        for _, number in zip(range(PATIENCE), cycle(range(length)), strict=False):
            yield users("b", token=f"round {number}")

    transport = PagingTransport(pages())
    async with session_on(transport) as session:
        with pytest.raises(PaginationError) as caught:
            await note(users_of(session.client()), [])
    assert caught.value.operation == "ListUsers"
    assert isinstance(caught.value, CognitoError)
    assert "round" not in str(caught.value)
    assert len(transport.bodies) <= 4 * (start + length) + 2


async def test_the_items_of_the_page_that_repeats_the_token_are_given() -> None:
    """The error comes when a page would be asked for again: nothing that was received is lost."""
    transport = PagingTransport([users("a", token="1"), users("b", token="1")])
    async with session_on(transport) as session:
        seen: list[str | None] = []
        with pytest.raises(PaginationError):
            await note(users_of(session.client()), seen)
    assert seen == ["a", "b"]


async def test_a_token_like_the_callers_own_is_noticed() -> None:
    """A request that starts with a token of the caller's own, and gets it back, would go on for ever too."""
    request = operations.ListUsersRequest(user_pool_id="eu-west-1_AbC", pagination_token="t")
    transport = PagingTransport([users("a", token="t")] * 5)
    async with session_on(transport) as session:
        paginator: Paginator[Any, Any] = Paginator(session.client(), request, cursor="pagination_token", items="users")
        with pytest.raises(PaginationError):
            await note(paginator, [])
    assert len(transport.bodies) <= 2


# --- memory ---


def many_users() -> Iterable[bytes]:
    """Make pages of 20 users without end, each with a token of its own of some length."""
    for number in count():
        names = (f"user-{number}-{index}" for index in range(20))
        yield json.dumps(users(*names, token=f"{number:0200}")).encode()


async def growth(things: AsyncIterator[Any], early: int, late: int) -> int:
    """Take things, and give by how many bytes the memory in use grew between the early and the late of them."""
    in_use = []
    # A cast: what the paginator gives are generators, which the async with closes.
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


async def test_memory_stays_flat() -> None:
    """After two thousand pages, 40,000 users, as much memory is in use as after a hundred."""
    async with session_on(PagingTransport(many_users(), keep=False)) as session:
        assert await growth(users_of(session.client()).pages(), 100, 2_000) < FEW_PAGES


async def test_memory_stays_flat_over_items() -> None:
    """Going through the items keeps no page either."""
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
    """Leave the loop by an error of one's own."""

    async def go() -> None:
        async for _ in users_of(client):
            raise KeyError

    with pytest.raises(KeyError):
        await go()


def generators() -> list[Any]:
    """Find the asynchronous generators that have not ended; fixtures of a whole session are such, too."""
    return [thing for thing in gc.get_objects() if inspect.isasyncgen(thing) and thing.ag_frame is not None]


@pytest.mark.parametrize("leaving", [leave, leave_pages, fail])
async def test_leaving_early_leaves_nothing(leaving: Callable[[CognitoClient], Any]) -> None:
    """After a break or an error no page is asked for any more, and no task or generator is left."""
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


async def test_cancelling_the_loop() -> None:
    """A task that is cancelled while it waits for a page ends with the cancellation."""
    waiting = asyncio.Event()

    class Hanging(PagingTransport):
        async def send(self, request: HttpRequest) -> HttpResponse:
            if self.bodies:
                waiting.set()
                await asyncio.get_running_loop().create_future()
            return await super().send(request)

    async with session_on(Hanging([users("a", token="1")])) as session:
        task = asyncio.create_task(note(users_of(session.client()), []))
        task.add_done_callback(lambda _: waiting.set())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


PROGRAM = """
import asyncio
from tests.core.test_pagination import PagingTransport, leave, leave_pages, session_on, users

async def main():
    async with session_on(PagingTransport([users("a", "b", token="1")] * 2)) as session:
        await leave(session.client())
        await leave_pages(session.client())

asyncio.run(main())
"""


def test_a_program_that_leaves_early_ends_in_silence() -> None:
    """The same at the end of a program, in development mode: not a word about generators or tasks left behind."""
    paths = "import sys; sys.path[:0] = " + repr([path for path in sys.path if path])
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", f"{paths}\n{PROGRAM}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
