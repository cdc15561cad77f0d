"""MiniStack, an emulator of AWS, as a child process.

It listens on a loopback port, and stops when the tests end, even if they are killed. It has a private virtualenv,
because it pins a botocore that may differ from yours:

    Emulator ── stdin ──> watchdog ──> MiniStack        the watchdog ends MiniStack when its stdin closes
       └──── a thread reads the output of both
"""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from re import compile as pattern
from types import TracebackType
from typing import Final, Self

from cognito_async.testing.environment import OUTPUT_LINES, PREPARE_COMMAND, LocalPoolError, prepare, run_to_completion

COMMAND_VARIABLE: Final = "COGNITO_ASYNC_MINISTACK"

# Some interpreters need the library paths to start.
_INHERITED: Final = (
    "PATH", "PATHEXT", "HOME", "USERPROFILE", "SystemRoot", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
)  # fmt: skip
_GRACE: Final = 5.0  # seconds between SIGTERM and SIGKILL
_LAST: Final = 30.0  # seconds to wait for killed processes; much less, unless the machine is very slow
_LONGEST_LINE: Final = 65536
_READY: Final = pattern(r"Running on (http://127\.0\.0\.1:\d+)")
_PID: Final = pattern(r"cognito_async watchdog: pid (\d+)")

# The command gets a separate process group, so that wrapper scripts leave nothing behind. The thread uses os.read:
# a thread that waits in sys.stdin crashes the interpreter at exit.
_WATCHDOG: Final = """
import os, shutil, signal, subprocess, sys, threading
folder, grace, *command = sys.argv[1:]
try:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
except OSError as error:
    print(error, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(127)
gone = threading.Event()
def end():
    for name in ("SIGTERM", "SIGKILL"):
        try:
            os.killpg(child.pid, getattr(signal, name)) if os.name == "posix" else child.kill()
        except OSError:
            pass
        if gone.wait(float(grace)):
            return
def watch():
    os.read(0, 1)
    end()
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end, daemon=True).start())
os.write(1, b"\\ncognito_async watchdog: pid %d\\n" % child.pid)
threading.Thread(target=watch, daemon=True).start()
code = child.wait()
gone.set()
if os.name == "posix":
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass
shutil.rmtree(folder, ignore_errors=True)
os._exit(code if code >= 0 else 128 - code)
"""

# As in AWS, the address that the code was sent to is verified once the sign-up is confirmed.
_MINISTACK: Final = """
from ministack.app import main
from ministack.services import cognito
confirm = cognito._confirm_sign_up
def confirm_and_verify(data):
    response = confirm(data)
    pool, _ = cognito._pool_for_client(data.get("ClientId"))
    user = cognito._resolve_user(pool, data.get("Username"))[0] if pool else None
    if user and user["UserStatus"] == "CONFIRMED":
        attributes = cognito._attr_list_to_dict(user["Attributes"])
        if "email" in attributes:
            user["Attributes"] = cognito._dict_to_attr_list({**attributes, "email_verified": "true"})
    return response
cognito._confirm_sign_up = confirm_and_verify
main()
"""


class Emulator:
    """Run the emulator within an ``async with`` block.

    The command is the argument, else the environment variable ``COGNITO_ASYNC_MINISTACK``, else that of a private
    virtualenv, which is created on first use. The emulator inherits few variables, and none of AWS.

    Args:
        command: Program and arguments that start MiniStack.
        startup_timeout: How long the start may take, in seconds.
    """

    __module__ = "cognito_async.testing"

    def __init__(self, *, command: Sequence[str] | None = None, startup_timeout: float = 30.0) -> None:
        self._command = command
        self._startup_timeout = startup_timeout
        self._child: _Child | None = None

    async def __aenter__(self) -> Self:
        if self._child is not None:
            raise LocalPoolError("the emulator is already running")
        command = await _find_command(self._command)
        try:
            await run_to_completion(asyncio.to_thread(self._spawn, command))
            await self._until_ready()
        except BaseException:
            await run_to_completion(self._stop())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await run_to_completion(self._stop())

    @property
    def endpoint_url(self) -> str:
        """The endpoint, e.g. ``http://127.0.0.1:40123``."""
        return self._running().url

    @property
    def pid(self) -> int:
        """The process ID of the emulator, not of its watchdog."""
        return self._running().pid

    def _running(self) -> "_Child":
        if self._child is None:
            raise LocalPoolError("the emulator is not running; use it within its `async with` block")
        return self._child

    def _spawn(self, command: Sequence[str]) -> None:
        self._child = _Child(command, tempfile.mkdtemp(prefix="cognito_async-"))

    async def _until_ready(self) -> None:
        child = self._running()
        await _first_of(child.ready, child.ended, within=self._startup_timeout)
        if child.ready.done() and not child.ended.done():
            return
        why = "ended before it was ready" if child.ended.done() else f"was not ready after {self._startup_timeout:g} s"
        raise LocalPoolError(f"the emulator {why}; its output:\n" + "\n".join(child.tail))

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.ask_to_end()
        await _first_of(child.ended, within=2 * _GRACE)
        if not child.ended.done():
            child.kill()
            await _first_of(child.ended, within=_LAST)
        await asyncio.to_thread(child.clean_up)


class _Child:
    """The watchdog with the emulator, and a thread that reads their output, also while the event loop is blocked."""

    def __init__(self, command: Sequence[str], folder: str) -> None:
        self.folder = folder
        self.url = ""
        self.pid = 0
        self.tail: deque[str] = deque(maxlen=OUTPUT_LINES)
        self.ready: Future[None] = Future()
        self.ended: Future[None] = Future()
        for future in (self.ready, self.ended):
            future.set_running_or_notify_cancel()  # waiters that time out cannot cancel them
        # -I and -S: it needs only the standard library, and must not import modules of the current folder.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WATCHDOG, folder, str(_GRACE), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_child_environment(folder),
            start_new_session=True,  # Ctrl-C interrupts the tests, which then end the emulator
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # on Windows
        )
        self._reader = threading.Thread(target=self._read, name="cognito_async emulator", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        output = self._process.stdout
        assert output is not None
        with output:
            for line in iter(lambda: output.readline(_LONGEST_LINE), b""):
                self._note(line.decode(errors="replace").rstrip())
        self._process.wait()
        self.ended.set_result(None)

    def _note(self, line: str) -> None:
        if found := _PID.fullmatch(line):
            self.pid = int(found[1])
        elif line:
            self.tail.append(line[:500])
        if found := _READY.search(line):
            self.url = found[1]
        if self.pid and self.url and not self.ready.done():
            self.ready.set_result(None)

    def ask_to_end(self) -> None:
        """Let the watchdog end the emulator and itself."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):  # it has already ended
            # Closing is not enough: a fork of this process may hold the pipe open.
            stdin.write(b"\n")
            stdin.close()

    def kill(self) -> None:
        """Kill both processes by their IDs, if the watchdog does not work."""
        code = self._process.poll()
        if self.pid and (code is None or code < 0):  # otherwise it has ended, and another process may have its ID
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        self._process.kill()

    def clean_up(self) -> None:
        """Remove the folder and, if the processes have ended, wait for the thread."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.ended.done():
            self._reader.join()


def _child_environment(folder: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # It keeps a file named after its port (0) in the temporary folder, which two emulators must not share.
    # It also removes Docker containers, so Docker is hidden from it.
    return inherited | dict.fromkeys(("TMPDIR", "TEMP", "TMP", "STATE_DIR"), folder) | {
        "GATEWAY_PORT": "0", "BIND_HOST": "127.0.0.1", "SERVICES": "cognito-idp,ses,iam,sts", "AUTH": "true",
        "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "PYTHONUNBUFFERED": "1",
        "DOCKER_HOST": f"unix://{folder}/no-docker",
    }  # fmt: skip


async def _find_command(command: Sequence[str] | None) -> list[str]:
    found = list(command or ()) or shlex.split(os.environ.get(COMMAND_VARIABLE, ""), posix=os.name == "posix")
    if not found:
        return [str(await prepare()), "-I", "-u", "-c", _MINISTACK]
    if await asyncio.to_thread(shutil.which, found[0]) is None:
        origin = "the argument `command`" if command else COMMAND_VARIABLE
        raise LocalPoolError(
            f"no program {found[0]!r} (from {origin}): fix it, or install the emulator with `{PREPARE_COMMAND}`"
        )
    return found


async def _first_of(*futures: Future[None], within: float) -> None:
    """Wait until a thread has set one of the futures, or for a timeout."""
    waiting = [asyncio.wrap_future(future) for future in futures]
    try:
        await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in waiting:
            future.cancel()
