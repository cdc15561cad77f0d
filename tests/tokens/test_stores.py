"""Token stores: compare-and-set, locks, and a private file."""

import asyncio
import json
import os
import resource
import stat
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from rich.console import Console

from cognito_async import ParameterValidationError, TokenStoreError
from cognito_async.files import FileLock
from cognito_async.tokens import FileTokenStore, LockingTokenStore, MemoryTokenStore, TokenProvider, Tokens, stores
from tests.support.canaries import CANARY, leaking_frames
from tests.support.processes import ROOT, until
from tests.support.refresh_service import LIFETIME, RefreshService
from tests.support.scripted_server import ScriptedServer
from tests.support.scripted_transport import scripted_session

NOW = datetime(2030, 1, 1, 12, 30, 0, 123456, tzinfo=UTC)


def tokens(number: int = 1) -> Tokens:
    """Return tokens with all members, whose secrets are canaries."""
    return Tokens(
        access_token=f"{CANARY}-access-{number}",
        id_token=f"{CANARY}-ïd-{number}",
        refresh_token=f"{CANARY}-refresh-{number}",
        expires_at=NOW + timedelta(seconds=number),
        lifetime=3600.0,
        device_key="eu-west-1_d",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a token file in a folder that does not exist."""
    return tmp_path / "config" / "shop" / "tokens.json"


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, path: Path) -> Any:
    """Return a store of each kind."""
    return MemoryTokenStore() if request.param == "memory" else FileTokenStore(path)


# --- all stores -------------------------------------------------------------------------------------------------------


async def test_replace_compares_and_sets(store: LockingTokenStore) -> None:
    """Each key has its own tokens."""
    first, second = tokens(1), tokens(2)
    assert await store.load("ada") is None
    assert await store.replace("ada", None, first)
    assert await store.load("ada") == first
    assert not await store.replace("ada", None, second)
    assert not await store.replace("ada", second, second)
    assert await store.replace("grace", None, second)
    assert await store.replace("ada", first, second)
    assert await store.load("ada") == second
    await store.remove("ada")
    await store.remove("ada")
    assert await store.load("ada") is None
    assert await store.load("grace") == second


async def test_lock_excludes_other_tasks_for_the_same_key_only(
    store: LockingTokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is cancelled while it waits leaves no lock behind."""
    monkeypatch.setattr(stores, "LOCK_INTERVAL", 0.001)
    entered: list[int] = []

    async def enter(number: int, key: str = "ada") -> None:
        async with store.lock(key):
            entered.append(number)

    async with store.lock("ada"):
        waiting = [asyncio.create_task(enter(number)) for number in range(5)]
        await enter(9, "grace")
        waiting[0].cancel()
        waiting[1].cancel()
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        assert entered == [9]
    await asyncio.gather(*waiting[2:])
    assert sorted(entered) == [2, 3, 4, 9]
    await enter(0)


# --- the file ---------------------------------------------------------------------------------------------------------


async def test_file_is_private_and_its_folder_too(path: Path) -> None:
    """Whatever the umask; no other file stays behind."""
    mask = os.umask(0)
    try:
        store = FileTokenStore(path)
        async with store.lock("ada"):
            assert await store.replace("ada", None, tokens())
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["tokens.json"]
    assert await FileTokenStore(path).load("ada") == tokens()
    assert json.loads(path.read_bytes())["version"] == 1


async def test_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An unknown one is an invalid parameter."""
    monkeypatch.setenv("HOME", str(tmp_path))
    await FileTokenStore("~/.config/shop/tokens.json").replace("default", None, tokens())
    assert (tmp_path / ".config/shop/tokens.json").exists()
    with pytest.raises(ParameterValidationError) as raised:
        FileTokenStore("~no-such-user/tokens.json")
    assert raised.value.parameter == "path"


async def test_any_text_can_be_a_key(store: LockingTokenStore) -> None:
    """Such as a username that is no path and half a character."""
    key = "../ada\0\ud800"
    async with store.lock(key):
        assert await store.replace(key, None, tokens())
    assert await store.load(key) == tokens()


async def test_tokens_are_on_the_disk_before_they_replace_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete, so that a power failure loses no rotated refresh token."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    await FileTokenStore(path).replace("ada", None, tokens())
    assert synced == [path.stat().st_size]


async def test_write_waits_for_that_of_another_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a moment only."""
    store = FileTokenStore(path)
    await store.replace("ada", None, tokens(1))
    writing = FileLock(path.with_name(".tokens.json.write.lock"))
    monkeypatch.setattr("time.sleep", lambda _: writing.release())
    assert await store.replace("ada", tokens(1), tokens(2))


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError(28, "No space left on device"), "No space left on device"), (TimeoutError(), "TimeoutError")],
    ids=["strerror", "class"],
)
async def test_failed_write_leaves_the_previous_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    """And no temporary file, and no lock. The error names the reason."""
    store = FileTokenStore(path)
    await store.replace("ada", None, tokens(1))

    def fail(_: int) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(TokenStoreError) as raised:
            await store.replace("ada", tokens(1), tokens(2))
    assert reason in str(raised.value)
    assert leaking_frames(raised.value) == []
    assert [each.name for each in path.parent.iterdir()] == ["tokens.json"]
    assert await store.load("ada") == tokens(1)
    assert await store.replace("ada", tokens(1), tokens(2))


async def test_write_to_a_full_disk_shows_no_token(path: Path) -> None:
    """Not even the frames of the standard library."""
    store = FileTokenStore(path)
    await store.replace("ada", None, tokens(1))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(TokenStoreError) as raised:
            await store.replace("ada", tokens(1), evolve(tokens(2), access_token=CANARY * 10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert leaking_frames(raised.value) == []
    assert await store.load("ada") == tokens(1)


async def test_temporary_file_of_a_killed_process_is_removed(path: Path) -> None:
    """It contains tokens; files of other stores in the directory are kept."""
    store = FileTokenStore(path)
    await store.replace("ada", None, tokens())
    kept = [path.with_name(name) for name in (".tokens.json.write.lock.bak", ".tokens.json.2.abcdefgh", "abcdefgh")]
    for file in (path.with_name(".tokens.json.abcdefgh"), *kept):
        file.write_text(CANARY)
    await store.remove("ada")
    assert set(path.parent.iterdir()) == {path, *kept}


@pytest.mark.parametrize("invalid", ["", ".", "a\0b", b"tokens.json", None])
def test_path_that_is_not_of_a_file_is_refused(invalid: Any) -> None:
    """When the store is created."""
    with pytest.raises(ParameterValidationError) as raised:
        FileTokenStore(invalid)
    assert raised.value.parameter == "path"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[]",
        '{"version": 1}',
        '{"version": 2, "tokens": {}}',
        '{"version": 1, "tokens": []}',
        '{"version": 1, "tokens": {"ada": null}}',
        '{"version": 1, "tokens": {"ada": {"access_token": "c4n4ry"}}}',
        json.dumps({"version": 1, "tokens": {"ada": {**tokens().to_dict(), "expires_at": "2030-01-01"}}}),
        "[" * 100_000,
        '"\\ud800',
        "\x00" * 100,
    ],
)
async def test_damaged_file_is_a_typed_error_and_is_not_overwritten(path: Path, content: str) -> None:
    """Neither the error nor the frames contain its content."""
    path.parent.mkdir(parents=True)
    path.touch(mode=0o600)
    path.write_text(content)
    store = FileTokenStore(path)
    for act in (store.load("ada"), store.replace("ada", None, tokens()), store.remove("ada")):
        with pytest.raises(TokenStoreError) as raised:
            await act
        assert str(path) in str(raised.value)
        assert leaking_frames(raised.value) == []
    assert path.read_text() == content


async def test_every_truncation_of_a_file_is_detected(path: Path) -> None:
    """None yields other tokens."""
    store = FileTokenStore(path)
    await store.replace("ada", None, tokens())
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(TokenStoreError):
            await store.load("ada")


def link(path: Path) -> None:
    """Make the file a link to another private file."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def fifo(path: Path) -> None:
    """Make the file a named pipe."""
    path.unlink()
    os.mkfifo(path, 0o600)


ATTACKS = [link, fifo, lambda path: path.chmod(0o640), lambda path: path.chmod(0o602)]
if getattr(os, "geteuid", os.getpid)() == 0:
    ATTACKS.append(lambda path: os.chown(path, 12345, -1))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", ["tokens.json", ".tokens.json.write.lock"])
async def test_file_that_others_control_is_refused(path: Path, attack: Any, name: str) -> None:
    """Links, pipes, other modes and other owners, for the file and for its lock."""
    store = FileTokenStore(path)
    await store.replace("ada", None, tokens())
    victim = path.with_name(name)
    victim.touch(mode=0o600)
    attack(victim)
    with pytest.raises(TokenStoreError):
        await store.replace("ada", tokens(), tokens(2))
    if name == path.name:
        with pytest.raises(TokenStoreError):
            await store.load("ada")
        with pytest.raises(TokenStoreError):
            await store.remove("ada")


async def test_invalid_tokens_are_not_written(path: Path) -> None:
    """The file could not be read again."""
    store = FileTokenStore(path)
    invalid: list[dict[str, Any]] = [
        {"lifetime": 0.0},
        {"expires_at": NOW.replace(tzinfo=None)},
        {"expires_at": "soon"},
    ]
    for changes in invalid:
        with pytest.raises(ParameterValidationError) as raised:
            await store.replace("ada", None, evolve(tokens(), **changes))
        assert raised.value.parameter == "new"
    assert not path.exists()


@pytest.mark.parametrize("fails", [False, True])
async def test_lock_taken_for_a_cancelled_task_is_released(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, fails: bool
) -> None:
    """The thread cannot be cancelled: it takes the lock, or fails to, after the task has ended."""
    store, go, taken = FileTokenStore(path), threading.Event(), threading.Event()
    try_lock = store._try_lock

    def take_late(lock: Path) -> Any:
        go.wait(60)
        try:
            if fails:
                raise TokenStoreError("disk failure")
            return try_lock(lock)
        finally:
            taken.set()

    monkeypatch.setattr(store, "_try_lock", take_late)
    waiting = asyncio.create_task(store.lock("ada").__aenter__())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    await asyncio.to_thread(taken.wait, 60)
    monkeypatch.undo()
    async with asyncio.timeout(20), store.lock("ada"):
        pass
    assert caplog.records == []


async def test_lock_that_is_held_for_too_long_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stopped process, for example. Few attempts are made to take it."""
    attempts: list[Path] = []

    def attempt(file: Path) -> FileLock:
        attempts.append(file)
        return FileLock(file)

    monkeypatch.setattr(stores, "LOCK_TIMEOUT", 2 * stores.LOCK_INTERVAL)
    store = FileTokenStore(path)
    async with store.lock("ada"):
        monkeypatch.setattr(stores, "FileLock", attempt)
        with pytest.raises(TokenStoreError):
            await store.lock("ada").__aenter__()
    assert 2 <= len(attempts) <= 4


async def test_stores_show_no_tokens(store: LockingTokenStore) -> None:
    """Neither in their repr nor in rich's."""
    await store.replace("ada", None, tokens())
    console = Console(record=True, quiet=True)
    console.print(store, vars(store), await store.load("ada"))
    assert CANARY not in f"{store!r}{vars(store)}{console.export_text()}{await store.load('ada')}"


def test_file_store_shows_its_path(path: Path) -> None:
    """For logs."""
    assert str(path) in repr(FileTokenStore(path))


def test_tokens_survive_a_dict_and_refuse_another() -> None:
    """The error and its frames hold no value."""
    data = tokens().to_dict()
    assert Tokens.from_dict(json.loads(json.dumps(data))) == tokens()
    assert Tokens.from_dict({**data, "new": 1}) == tokens()
    invalid = {"access_token": "", "id_token": 1, "token_type": None, "lifetime": float("nan"), "expires_at": "soon"}
    assert Tokens.from_dict({**data, "id_token": None, "refresh_token": ""}).id_token is None
    for name, value in [*invalid.items(), ("lifetime", True)]:
        with pytest.raises(ParameterValidationError) as raised:
            Tokens.from_dict({**data, name: value})
        assert raised.value.parameter == "data"
        assert leaking_frames(raised.value) == []


# --- processes --------------------------------------------------------------------------------------------------------

PROGRAM = """
import asyncio, sys
from cognito_async import AsyncCognitoSession
from cognito_async.tokens import FileTokenStore, TokenProvider

url, path, rounds = sys.argv[1:]

async def main():
    async with AsyncCognitoSession("eu-west-1", endpoint_url=url) as session:
        store = FileTokenStore(path)
        async with TokenProvider(session.client("app"), store=store) as provider:
            print("ready", flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            await asyncio.gather(*(provider.access_token() for _ in range(50)))
            for _ in range(int(rounds)):
                await asyncio.gather(*(provider.refresh() for _ in range(50)))

asyncio.run(main())
"""


@pytest.mark.parametrize("rounds", [0, 5])
async def test_four_processes_with_rotation_and_no_grace_period_stay_signed_in(path: Path, rounds: int) -> None:
    """200 callers at expiry cause one refresh; refreshes on request never use a rotated refresh token."""
    service = RefreshService(rotation=True, grace=-1.0)
    expired = service.sign_in(datetime.now(UTC) - timedelta(seconds=LIFETIME))
    await FileTokenStore(path).replace("default", None, expired)
    async with ScriptedServer(otherwise=service.serve) as server:
        processes = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROGRAM, server.url, str(path), str(rounds)),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            for _ in range(4)
        ]
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        done = await asyncio.gather(*(process.communicate(b"\n") for process in processes))
    assert [(process.returncode, err) for process, (_, err) in zip(processes, done, strict=True)] == [(0, b"")] * 4
    assert service.refusals == 0
    assert 1 <= service.refreshes <= 1 + 4 * rounds
    stored = await FileTokenStore(path).load("default")
    assert stored is not None
    assert stored.refresh_token != expired.refresh_token
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_killed_process_releases_its_lock(path: Path) -> None:
    """Another process can refresh."""
    service = RefreshService(rotation=True)
    await FileTokenStore(path).replace("default", None, service.sign_in(datetime.now(UTC) - timedelta(hours=2)))
    hold = "async with store.lock('default'): print('locked', flush=True); await asyncio.sleep(600)"
    program = f"""
import asyncio
from cognito_async.tokens import FileTokenStore
async def main():
    store = FileTokenStore({str(path)!r})
    {hold}
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    async with scripted_session(service) as session:
        provider = TokenProvider(session.client("app"), store=FileTokenStore(path))
        waiting = asyncio.create_task(provider.tokens())
        await until(lambda: len(list(path.parent.iterdir())) > 1)
        assert not waiting.done()
        process.kill()
        await process.wait()
        assert await waiting == await FileTokenStore(path).load("default")
