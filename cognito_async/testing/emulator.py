"""MiniStack, an emulator of AWS, as a child process of the tests.

It answers Cognito's API on a loopback port of its own, and it ends when the tests do: however they end. The
emulator lives in an environment of its own, since it pins a botocore that is hardly ever the one you use:

    Emulator ── stdin ──> watchdog ──> MiniStack        the watchdog ends MiniStack when its stdin closes
       └──── a thread reads what both print

Nothing here knows Cognito, and nothing here is imported unless a test asks for a local pool.
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

from cognito_async.testing.environment import LAST_WORDS, PREPARE_COMMAND, LocalPoolError, prepare, to_the_end

if sys.platform == "win32":
    _creation_flags = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _creation_flags = 0

__all__ = ["COMMAND_VARIABLE", "Emulator"]

COMMAND_VARIABLE: Final = "COGNITO_ASYNC_MINISTACK"

# The library paths are there because an interpreter may need them to start at all.
_INHERITED: Final = (
    "PATH", "PATHEXT", "HOME", "USERPROFILE", "SystemRoot", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
)  # fmt: skip
_GRACE: Final = 5.0  # seconds from SIGTERM to SIGKILL
_LAST: Final = 30.0  # seconds until what was killed is gone: a moment, but for a machine that stands still
_READY: Final = pattern(r"Running on (http://127\.0\.0\.1:\d+)")
_PID: Final = pattern(r"cognito_async watchdog: pid (\d+)")

# The command gets a process group of its own, so that a wrapper script leaves nothing behind. The watching thread
# uses plain os.read: one that waits in sys.stdin takes the interpreter down with an error as it exits.
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
    """Run the emulator for as long as an ``async with`` block lasts.

    The command is the argument, else what the variable ``COGNITO_ASYNC_MINISTACK`` says, else a private
    environment that is made on first use. It sees hardly any of your variables, and none of AWS's.

    Args:
        command: Program and arguments that start MiniStack.
        startup_timeout: Seconds it may take until it listens.
    """

    def __init__(self, *, command: Sequence[str] | None = None, startup_timeout: float = 30.0) -> None:
        self._command = command
        self._startup_timeout = startup_timeout
        self._child: _Child | None = None

    async def __aenter__(self) -> Self:
        if self._child is not None:
            raise LocalPoolError("this emulator is running already")
        command = await _find_command(self._command)
        try:
            await to_the_end(asyncio.to_thread(self._spawn, command))
            await self._until_ready()
        except BaseException:
            await to_the_end(self._stop())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await to_the_end(self._stop())

    @property
    def endpoint_url(self) -> str:
        """Return the address it answers on, such as ``http://127.0.0.1:40123``."""
        return self._running().url

    @property
    def pid(self) -> int:
        """Return the process id of the emulator itself, not of its watchdog."""
        return self._running().pid

    def _running(self) -> "_Child":
        if self._child is None:
            raise LocalPoolError("the emulator runs only inside its `async with` block")
        return self._child

    def _spawn(self, command: Sequence[str]) -> None:
        self._child = _Child(command, tempfile.mkdtemp(prefix="cognito_async-"))

    async def _until_ready(self) -> None:
        child = self._running()
        await _first_of(child.ready, child.ended, within=self._startup_timeout)
        if child.ready.done() and not child.ended.done():
            return
        why = "ended before it was ready" if child.ended.done() else f"was not ready after {self._startup_timeout:g} s"
        raise LocalPoolError(f"the emulator {why}; its last words:\n" + "\n".join(child.tail))

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.ask_to_end()
        await _first_of(child.ended, within=2 * _GRACE)
        if not child.ended.done():
            child.kill()
            await _first_of(child.ended, within=_LAST)
        await asyncio.to_thread(child.clear_away)


class _Child:
    """The watchdog with the emulator under it, and a thread that reads what they print.

    A thread, because the loop that started the emulator may stand still while tests run on other loops, and a
    program whose output nobody reads comes to a halt when the pipe is full.
    """

    def __init__(self, command: Sequence[str], folder: str) -> None:
        self.folder = folder
        self.url = ""
        self.pid = 0
        self.tail: deque[str] = deque(maxlen=LAST_WORDS)
        self.ready: Future[None] = Future()
        self.ended: Future[None] = Future()
        for future in (self.ready, self.ended):
            future.set_running_or_notify_cancel()  # nobody who waits and gives up may cancel them
        # -I and -S: it needs the standard library only, and must not run what lies about in this folder.
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _WATCHDOG, folder, str(_GRACE), *command],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_child_environment(folder),
            start_new_session=True,  # Ctrl-C is for the tests; they end the emulator in their own time
            creationflags=_creation_flags,
        )
        self._reader = threading.Thread(target=self._read, name="cognito_async emulator", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        output, rest = self._process.stdout, b""
        assert output is not None
        while chunk := output.read(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-65536:]
            for line in lines:
                self._note(line.decode(errors="replace").rstrip())
        self._note(rest.decode(errors="replace"))
        output.close()
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
        """Tell the watchdog to end the emulator and then itself."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):  # it has ended already
            # Closing is not enough: a process forked from this one may hold the pipe open.
            stdin.write(b"\n")
        stdin.close()

    def kill(self) -> None:
        """Kill both by their ids: the last resort, for when the watchdog does not do its work."""
        code = self._process.poll()
        if self.pid and (code is None or code < 0):  # else the watchdog has seen it end: its id may be another's
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        self._process.kill()

    def clear_away(self) -> None:
        """Remove its folder and, if it has ended, wait for the thread, which says so a moment before its own end."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.ended.done():
            self._reader.join()


def _child_environment(folder: str) -> dict[str, str]:
    """Return the few variables that the emulator gets."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # It keeps a file named after its port in the temporary folder, and two that ask for port 0 would share it.
    # It also removes containers that it takes for its own: there is to be no Docker for it.
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
        raise LocalPoolError(f"no program {found[0]!r}, which {origin} names; `{PREPARE_COMMAND}` makes one for you")
    return found


async def _first_of(*futures: Future[None], within: float) -> None:
    """Wait until a thread has set one of the futures, or the time is out."""
    waiting = [asyncio.wrap_future(future) for future in futures]
    try:
        await asyncio.wait(waiting, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in waiting:
            future.cancel()
