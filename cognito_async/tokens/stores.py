"""Stores that keep the tokens of users between processes and restarts."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from glob import escape
from hashlib import sha256
from pathlib import Path
from typing import Protocol, cast, runtime_checkable
from weakref import WeakValueDictionary

from cognito_async.errors import ParameterValidationError, TokenStoreError
from cognito_async.event_loop import running_loop
from cognito_async.files import FileLock, read_private, replace_file
from cognito_async.tokens.model import Tokens, is_valid

LOCK_TIMEOUT = 60.0
"""Seconds to wait while another process refreshes the tokens of a key; longer than a refresh with its retries."""

LOCK_INTERVAL = 0.05
"""Seconds between two attempts to take the lock of a key."""

_WRITE_TIMEOUT = 10.0
_VERSION = 1


class TokenStore(Protocol):
    """Keeps tokens by key. Implement it to keep tokens in a database, with ``Tokens.to_dict`` and ``from_dict``.

    A provider raises the errors of its store unchanged, and keeps its tokens.
    """

    __module__: str = "cognito_async.tokens"

    async def load(self, key: str, /) -> Tokens | None:
        """Return the tokens of a key; None if there are none."""
        ...

    async def replace(self, key: str, old: Tokens | None, new: Tokens, /) -> bool:
        """Replace the tokens of a key if they are still the expected ones (compare-and-set).

        Args:
            key: The key.
            old: The expected tokens; None if there must be none.
            new: The tokens to store. They are durable when the method returns.

        Returns:
            True if the tokens were replaced; False if the store holds other ones.
        """
        ...

    async def remove(self, key: str, /) -> None:
        """Remove the tokens of a key, if there are any."""
        ...


@runtime_checkable
class LockingTokenStore(TokenStore, Protocol):
    """A token store with a lock for each key, so that only one of several processes refreshes.

    Without a lock, two processes may refresh with the same refresh token, which the service refuses if refresh token
    rotation has no retry grace period.
    """

    __module__: str = "cognito_async.tokens"

    def lock(self, key: str, /) -> AbstractAsyncContextManager[None]:
        """Return a context manager that holds the lock of a key."""
        ...


class MemoryTokenStore:
    """Keeps tokens in the memory of this process. Providers that share a key share the store."""

    __module__ = "cognito_async.tokens"

    def __init__(self) -> None:
        self._entries: dict[str, Tokens] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(self, key: str) -> Tokens | None:
        """Return the tokens of a key; None if there are none."""
        return self._entries.get(key)

    async def replace(self, key: str, old: Tokens | None, new: Tokens) -> bool:
        """Replace the tokens of a key if they are ``old``; return whether they were replaced."""
        if self._entries.get(key) != old:
            return False
        self._entries[key] = new
        return True

    async def remove(self, key: str) -> None:
        """Remove the tokens of a key, if there are any."""
        self._entries.pop(key, None)

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncGenerator[None]:
        """Hold the lock of a key."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            yield


class FileTokenStore:
    """Keeps tokens in a JSON file that only this user can access.

    The file has mode 0600 and is replaced atomically. Processes of one machine can share it: each write and each
    refresh takes a lock next to the file. Use a local file system. A file that belongs to another user, that other
    users can access or that is a symbolic link is refused. The tokens are stored in clear text, as by the AWS CLI.

    All methods raise TokenStoreError if the file cannot be used. They work in threads, not on the event loop.
    """

    __module__ = "cognito_async.tokens"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Configure a store, which does no I/O.

        Args:
            path: The file; ``~`` stands for the home directory. It is created with the first tokens, and its directory
                with mode 0700. It can hold the tokens of several keys.

        Raises:
            ParameterValidationError: The path is not that of a file, or starts with ``~`` but the home directory is
                unknown.
        """
        try:
            self._path = Path(path).expanduser()
        except RuntimeError:
            raise ParameterValidationError("path", "must not start with ~: the home directory is unknown") from None
        except TypeError:
            raise ParameterValidationError("path", "must be a str or a Path") from None
        if not self._path.name or "\0" in str(self._path):
            raise ParameterValidationError("path", "must be the path of a file")

    def __repr__(self) -> str:
        return f"FileTokenStore({str(self._path)!r})"

    async def load(self, key: str) -> Tokens | None:
        """Return the tokens of a key; None if there are none."""
        running_loop()
        return (await asyncio.to_thread(self._read)).get(key)

    async def replace(self, key: str, old: Tokens | None, new: Tokens) -> bool:
        """Replace the tokens of a key if they are ``old``; return whether they were replaced."""
        if not is_valid(new):
            raise ParameterValidationError("new", "must be Tokens, with an aware datetime in expires_at")
        running_loop()
        return await asyncio.to_thread(self._replace, key, old, new)

    async def remove(self, key: str) -> None:
        """Remove the tokens of a key, if there are any."""
        running_loop()
        await asyncio.to_thread(self._remove, key)

    @asynccontextmanager
    async def lock(self, key: str) -> AsyncGenerator[None]:
        """Hold the lock of a key, in this process and among the processes of this machine."""
        lock = await self._acquire(self._beside(sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]))
        try:
            yield
        finally:
            await asyncio.shield(asyncio.to_thread(lock.release))

    async def _acquire(self, path: Path) -> FileLock:
        loop = running_loop()
        deadline = loop.time() + LOCK_TIMEOUT
        while True:
            attempt = asyncio.ensure_future(asyncio.to_thread(self._try_lock, path))
            try:
                lock = await asyncio.shield(attempt)
            except asyncio.CancelledError:
                attempt.add_done_callback(_release)  # the thread may still take the lock
                raise
            if lock is not None:
                return lock
            if loop.time() >= deadline:
                raise TokenStoreError(f"another process has locked {path} for {LOCK_TIMEOUT:g} s; end that process")
            await asyncio.sleep(LOCK_INTERVAL)

    def _try_lock(self, path: Path) -> FileLock | None:
        with self._errors():
            self._create_folder()
            try:
                return FileLock(path)
            except BlockingIOError:
                return None

    def _replace(self, key: str, old: Tokens | None, new: Tokens) -> bool:
        with self._writing() as entries:
            if entries.get(key) != old:
                return False
            self._write({**entries, key: new})
            return True

    def _remove(self, key: str) -> None:
        if key in self._read():
            with self._writing() as entries:
                self._write({name: tokens for name, tokens in entries.items() if name != key})

    @contextmanager
    def _writing(self) -> Generator[dict[str, Tokens]]:
        """Hold the lock of the file; yield its entries."""
        with self._errors():
            self._create_folder()
            lock = FileLock(self._beside("write"), timeout=_WRITE_TIMEOUT)
            try:
                yield self._read()
            finally:
                lock.release()

    def _read(self) -> dict[str, Tokens]:
        with self._errors():
            entries = _parse(read_private(self._path))
        if entries is None:
            raise TokenStoreError(f"{self._path} is not a token file of this version; delete it and sign in again")
        return entries

    def _write(self, entries: dict[str, Tokens]) -> None:
        # Left behind by processes that were killed during this, as the lock of the file excludes others.
        for temporary in self._path.parent.glob(f".{escape(self._path.name)}.????????"):
            temporary.unlink(missing_ok=True)
        with replace_file(self._path) as file:
            # Not kept in a variable, and not json.dump: tracebacks with locals would show the tokens.
            file.write(json.dumps({"version": _VERSION, "tokens": {k: t.to_dict() for k, t in entries.items()}}))
            file.flush()
            os.fsync(file.fileno())

    def _create_folder(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _beside(self, name: str) -> Path:
        return self._path.with_name(f".{self._path.name}.{name}.lock")

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise TokenStoreError(f"cannot use the token file {self._path}: {reason}") from error


def _parse(content: bytes | None) -> dict[str, Tokens] | None:
    """Return the entries of a token file, none if it is missing; None if it cannot be read."""
    if content is None:
        return {}
    try:
        document = json.loads(content)
        if document["version"] != _VERSION:
            return None
        entries = cast("dict[str, dict[str, object]]", document["tokens"])
        return {key: Tokens.from_dict(entry) for key, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _release(attempt: "asyncio.Future[FileLock | None]") -> None:
    """Release a lock that the thread took for a cancelled task."""
    if not attempt.cancelled() and attempt.exception() is None:
        lock = attempt.result()
        if lock is not None:
            lock.release()
