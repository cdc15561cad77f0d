"""aioresponses for all supported versions of aiohttp."""

import inspect
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import aiohttp
from aioresponses import aioresponses


class _MockedResponse(aiohttp.ClientResponse):
    """Adds an argument that aiohttp needs since 3.14 and aioresponses 0.7.9 does not pass (its issue 289)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
            kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


class MockedHttp(aioresponses):
    """aioresponses for all supported versions of aiohttp."""

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Add a response."""
        super().add(*args, **{"response_class": _MockedResponse, **kwargs})

    @property
    def calls(self) -> Sequence[Any]:
        """The keyword arguments of all requests, in order of their URLs and then of time."""
        return [call.kwargs for calls in self.requests.values() for call in calls]
