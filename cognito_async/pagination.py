"""Lists that come in pages."""

from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar, cast

from attrs import evolve

from cognito_async.errors import PaginationError
from cognito_async.protocol.operation import OperationCaller, Request
from cognito_async.protocol.shapes import Structure

Page = TypeVar("Page", bound=Structure)
Item = TypeVar("Item")


class Paginator(Generic[Page, Item]):
    """Goes through a list that the service gives in pages; made by the client's ``iter_…`` methods.

    ``async for item in paginator`` gives the items, ``async for page in paginator.pages()`` the answers. Both ask for
    a page when it is wanted and keep none, so memory stays flat over any number of pages. Each loop starts anew.
    """

    def __init__(self, caller: OperationCaller, request: Request[Page], *, cursor: str, items: str) -> None:
        """Take what to send and to whom; ``cursor`` (the page token) and ``items`` are members."""
        self._caller = caller
        self._request = request
        self._cursor = cursor
        self._items = items

    async def pages(self) -> AsyncIterator[Page]:
        """Give the answers one by one.

        A short or empty page is no end: only an answer without a token is.

        Yields:
            The operation's answers.

        Raises:
            PaginationError: The tokens repeat, which would never end; noticed within a few rounds, in flat memory.
            CognitoError: Whatever the operation raises.
        """
        request = self._request
        kept, pages, renewal = None, 0, 1  # Brent: one token is kept, and renewed after 1, 2, 4, … pages
        while True:
            page = await self._caller.send(request)
            yield page
            token = getattr(page, self._cursor)
            if not token:
                return
            if token == kept:
                name = request.OPERATION.name
                raise PaginationError("the service's page tokens repeat", operation=name)
            pages += 1
            if pages == renewal:
                kept, pages, renewal = token, 0, renewal * 2
            request = evolve(cast("Any", request), **{self._cursor: token})

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Give the items one by one."""
        async for page in self.pages():
            for item in getattr(page, self._items) or ():
                if item is not None:
                    yield item
