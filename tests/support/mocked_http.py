"""aioresponses for every supported aiohttp."""

import inspect
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import aiohttp
from aioresponses import aioresponses


class _MockedResponse(aiohttp.ClientResponse):
    """Supplies the argument that aiohttp wants since 3.14 and aioresponses 0.7.9 does not give (its issue 289)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
            kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


class MockedHttp(aioresponses):
    """aioresponses that works with every supported aiohttp."""

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Add an answer."""
        super().add(*args, **{"response_class": _MockedResponse, **kwargs})

    @property
    def calls(self) -> Sequence[Any]:
        """Give the keyword arguments of all requests, in order of their URLs and then of time."""
        return [call.kwargs for calls in self.requests.values() for call in calls]
