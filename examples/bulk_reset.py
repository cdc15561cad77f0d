"""Resets 300 passwords against a service that throttles, kills the job halfway and resumes it.

It uses a user pool on this machine, behind a proxy that throttles as Amazon Cognito does, and runs the command line
program; each command is printed before it runs. The lists, journals and reports are left in a folder.
"""

import argparse
import asyncio
import csv
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from story import act, check, run
from throttling import ThrottlingProxy

from cognito_async import AsyncCognitoSession
from cognito_async.testing import LocalPool

USERS = 300
QUOTA = 50.0
BURST = 5
RATE = "60"  # above the quota, so that the service throttles
KILLED_AFTER = 150
OLD_PASSWORD = "Analytical-1843"  # noqa: S105 - only used here
CODE, WRONG_CODE = "654321", "000000"  # the local user pool always sends the same code
WRONG_CODES = 3
PARTIAL = 3
"""The exit code of a job with refused or unknown rows."""

MAX_SECOND_MESSAGES = 20


async def demo(folder: Path) -> None:
    """Run the demo; exit with a message if an expectation fails.

    Args:
        folder: The folder for lists, journals and reports.
    """
    print(f"\nReset {USERS} passwords against a service that throttles, with a crash halfway.\n")
    users = [f"user{number:03}@example.com" for number in range(1, USERS + 1)]
    invited, coded = _write_lists(folder, users)
    async with AsyncExitStack() as stack:
        with act(f"Create a user pool with {USERS} users") as note:
            pool = await stack.enter_async_context(LocalPool(users=dict.fromkeys(users, OLD_PASSWORD)))
            proxy = await stack.enter_async_context(ThrottlingProxy(pool.endpoint_url, rate=QUOTA, burst=BURST))
            note(f"{pool.user_pool_id}, with a quota of {QUOTA:.0f} requests per second.")
        command = Command(folder, pool, proxy)
        await _send_codes(command, invited)
        await _count_messages(pool, users, max_twice=0)
        await _retry_unknown(command, invited)
        await _count_messages(pool, users, max_twice=MAX_SECOND_MESSAGES)
        await _set_passwords(command, coded)
        await _sign_in(pool, users)
        check(await command.run("report", coded.name + ".journal") == 0, "the report should be written")
    print(f"All checks passed. The service throttled {proxy.throttled} requests; no row was lost.")
    print(f"Report: {folder / coded.name}.journal.html")
    print("For your own user pool, see docs/run-book.md.\n")


async def _send_codes(command: "Command", invited: Path) -> None:
    """Send each user a code: validate the list, kill the job halfway, and resume it."""
    journal = f"{invited.name}.journal"
    options = ("--client-id", command.pool.client_id, "--rate", RATE)
    check(await command.run("forgot", invited.name, *options, "--dry-run") == PARTIAL, "one row should be invalid")
    code = await command.run("forgot", invited.name, *options, "--plain", killed_after=KILLED_AFTER)
    check(code == -signal.SIGKILL, "the job should have been killed")
    print(f"\n  The job was killed after {KILLED_AFTER} requests. Its journal:\n")
    await command.run("status", journal)
    print("\n  Resume the job.\n")
    check(await command.run("resume", journal) == PARTIAL, "all rows should be settled")


async def _count_messages(pool: LocalPool, users: list[str], *, max_twice: int) -> None:
    """Count the messages that each user received; at most some users may have two."""
    with act("Count the messages of each user") as note:
        received = Counter(received for message in await pool.messages() for received in message.to)
        numbers = Counter(received[user] for user in users)
        check(numbers[2] <= max_twice and max(numbers) <= 2, "some users received too many messages")  # noqa: PLR2004
        note(f"{numbers[1]} users received one message, {numbers[2]} received two.")
        if numbers[0]:
            note(f"{numbers[0]} received none: they were in flight when the job was killed, so their rows are unknown.")


async def _retry_unknown(command: "Command", invited: Path) -> None:
    """Send the unknown rows again."""
    print("  Send the unknown rows again; a second message is acceptable.\n")
    code = await command.run("resume", f"{invited.name}.journal", "--again", "unknown")
    check(code == PARTIAL, "all rows except the invalid one should be done")


async def _set_passwords(command: "Command", coded: Path) -> None:
    """Set each user's password with the code; some codes are wrong."""
    code = await command.run("confirm", coded.name, "--client-id", command.pool.client_id, "--rate", RATE)
    check(code == PARTIAL, f"only the {WRONG_CODES} rows with a wrong code should be refused")


async def _sign_in(pool: LocalPool, users: list[str]) -> None:
    """Sign in as one of the users with the new password."""
    with act("Sign in with a new password") as note:
        async with AsyncCognitoSession(pool.region, endpoint_url=pool.endpoint_url) as session:
            response = await session.client(client_id=pool.client_id).initiate_auth(
                auth_flow="USER_PASSWORD_AUTH",
                auth_parameters={"USERNAME": users[-1], "PASSWORD": _new_password(users[-1])},
            )
        check(response.authentication_result, "the response should hold tokens")
        note(f"{users[-1]} is signed in.")


class Command:
    """Runs the command line program in a folder, against a user pool behind a proxy."""

    def __init__(self, folder: Path, pool: LocalPool, proxy: ThrottlingProxy) -> None:
        """Create the command."""
        self._folder = folder
        self.pool = pool
        self._proxy = proxy

    async def run(self, name: str, *arguments: str, killed_after: int | None = None) -> int:
        """Run ``cognito-async bulk``.

        Args:
            name: The command.
            arguments: Its arguments.
            killed_after: The number of requests after which to kill it; None to let it finish.

        Returns:
            The exit code.
        """
        if name == "resume":  # requires an endpoint that is not AWS's own again
            arguments = (*arguments, "--endpoint-url", self._proxy.url)
        print(f"  $ cognito-async bulk {name} {' '.join(arguments)}\n", flush=True)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cognito_async.cli", "bulk", name, *arguments),
            cwd=self._folder,
            env={**os.environ, "AWS_REGION": self.pool.region, "AWS_ENDPOINT_URL": self._proxy.url},
        )
        if killed_after is not None:
            self._proxy.on_passed = _after(killed_after, process.kill)
        code = await process.wait()
        self._proxy.on_passed = None
        print(flush=True)
        return code


def _after(calls: int, function: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls another one on a given call."""
    left = iter(range(calls - 1, -1, -1))

    def count() -> None:
        if next(left, None) == 0:
            function()

    return count


def _write_lists(folder: Path, users: list[str]) -> tuple[Path, Path]:
    """Write the list of users, with an invalid row, and the list of codes and passwords."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    invited, coded = folder / "users.csv", folder / "codes.csv"
    coded.touch(0o600)  # it holds passwords
    with invited.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["username"])
        lines.writerows([user] for user in users)
        lines.writerow(["a username, with a comma", "an extra field"])
    with coded.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["username", "confirmation_code", "password"])
        for number, user in enumerate(users):
            lines.writerow([user, WRONG_CODE if number < WRONG_CODES else CODE, _new_password(user)])
    return invited, coded


def _new_password(user: str) -> str:
    return f"Differential-{user[4:7]}"


def main() -> None:
    """Parse the arguments and run the demo."""
    parser = argparse.ArgumentParser(description="Reset 300 passwords in a user pool on this machine.")
    parser.add_argument("--folder", type=Path, default=Path("demo-bulk"), help="folder for lists and reports")
    run(demo(parser.parse_args().folder.resolve()))


if __name__ == "__main__":
    main()
