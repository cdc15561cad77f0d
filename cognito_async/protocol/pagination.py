"""Pagination of listings."""

from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar, cast

from attrs import evolve

from cognito_async.errors import PaginationError
from cognito_async.protocol.operation import OperationCaller, Request
from cognito_async.protocol.shapes import Structure

Page = TypeVar("Page", bound=Structure)
Item = TypeVar("Item")


class Paginator(Generic[Page, Item]):
    """Iterates over a paginated listing; created by the ``iter_…`` methods of a client.

    ``async for item in paginator`` yields the items, ``async for page in paginator.pages()`` the responses. Pages are
    requested when they are needed and not kept, so memory stays flat. Each loop starts with the first page.
    """

    __module__ = "cognito_async"

    def __init__(self, caller: OperationCaller, request: Request[Page], *, cursor: str, items: str) -> None:
        """Create a paginator; ``cursor`` (the page token) and ``items`` are member names."""
        self._caller = caller
        self._request = request
        self._cursor = cursor
        self._items = items

    async def pages(self) -> AsyncIterator[Page]:
        """Iterate over the responses.

        A short or empty page is not the last one; only a response without a page token is.

        Yields:
            The responses.

        Raises:
            PaginationError: The page tokens repeat, so the listing would never end.
            CognitoError: The operation failed.
        """
        request = self._request
        # Brent's cycle detection: one token is kept, and replaced after 1, 2, 4, … pages.
        kept, pages, renewal = None, 0, 1
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
        """Iterate over the items."""
        async for page in self.pages():
            for item in getattr(page, self._items) or ():
                if item is not None:
                    yield item
