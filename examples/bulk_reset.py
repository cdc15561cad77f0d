"""300 passwords reset in bulk, against a service that throttles, with the plug pulled halfway.

It is played in a user pool on this machine, behind a proxy that throttles as Amazon Cognito does, with the command that
you would use: each is printed before it runs. What it leaves behind, the report among it, is in the folder that it
names.
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

from story import act, check, tell
from throttling import ThrottlingProxy

from cognito_async import AsyncCognitoSession
from cognito_async.testing import LocalPool

USERS = 300
QUOTA = 50.0
BURST = 5
TOLD = "60"  # more than the quota: so the service throttles
KILLED_AFTER = 150
OLD_PASSWORD = "Analytical-1843"  # noqa: S105 - of nobody, and only here
CODE, WRONG_CODE = "654321", "000000"  # the pool on this machine always sends the same
MISTYPED = 3
SOME_REFUSED = 3
MOST_UNKNOWN = 20


async def play(folder: Path) -> None:
    """Play the story; exit with a sentence unless all of it holds.

    Args:
        folder: Where to leave lists, journals and reports.
    """
    print(f"\n{USERS} passwords, a service that throttles, and a plug that is pulled: told by cognito_async.\n")
    users = [f"user{number:03}@example.com" for number in range(1, USERS + 1)]
    invited, coded = _write_lists(folder, users)
    async with AsyncExitStack() as until_the_end:
        with act(f"A user pool opens, and {USERS} users move in") as note:
            pool = await until_the_end.enter_async_context(LocalPool(users=dict.fromkeys(users, OLD_PASSWORD)))
            proxy = await until_the_end.enter_async_context(ThrottlingProxy(pool.endpoint_url, rate=QUOTA, burst=BURST))
            note(f"{pool.user_pool_id}, behind a quota of {QUOTA:.0f} requests a second.")
        command = Command(folder, pool, proxy)
        await _send_codes(command, invited)
        await _count_messages(pool, users, twice=0)
        await _send_once_more(command, invited)
        await _count_messages(pool, users, twice=MOST_UNKNOWN)
        await _set_passwords(command, coded)
        await _sign_in(pool, users)
        check(await command.run("report", coded.name + ".journal") == 0, "a report should have been made.")
    print(f"All of it held. The service throttled {proxy.throttled} requests, and nothing was lost.")
    print(f"Look into {folder}: the report is {coded.name}.journal.html.")
    print("Your own pool: docs/run-book.md.\n")


async def _send_codes(command: "Command", invited: Path) -> None:
    """Send each user a code: rehearsed, killed halfway, and resumed."""
    journal = f"{invited.name}.journal"
    options = ("--client-id", command.pool.client_id, "--rate", TOLD)
    check(await command.run("forgot", invited.name, *options, "--dry-run") == SOME_REFUSED, "one row is broken.")
    code = await command.run("forgot", invited.name, *options, "--plain", killed_after=KILLED_AFTER)
    check(code == -signal.SIGKILL, "the job should have been killed.")
    print(f"\n  The plug is pulled, after {KILLED_AFTER} requests. What does the journal know?\n")
    await command.run("status", journal)
    print("\n  The machine comes back.\n")
    check(await command.run("resume", journal) == SOME_REFUSED, "all but the broken row should be settled.")


async def _count_messages(pool: LocalPool, users: list[str], *, twice: int) -> None:
    """Count what arrived: so many may have two messages, and no more."""
    with act("Who got a message?") as note:
        received = Counter(received for message in await pool.messages() for received in message.to)
        numbers = Counter(received[user] for user in users)
        check(numbers[2] <= twice and max(numbers) <= 2, "some users got a message too many.")  # noqa: PLR2004
        note(f"{numbers[1]} users got one, {numbers[2] or 'nobody'} got two.")
        if numbers[0]:
            note(
                f"{numbers[0]} got none: their requests were about to leave when the plug was pulled. They are unknown."
            )


async def _send_once_more(command: "Command", invited: Path) -> None:
    """Send for the unknown rows once more."""
    print("  Those who got none need one, and a second does no harm.\n")
    code = await command.run("resume", f"{invited.name}.journal", "--again", "unknown")
    check(code == SOME_REFUSED, "all but the broken row should be done.")


async def _set_passwords(command: "Command", coded: Path) -> None:
    """Set each user's password with the code from the mail; some mistyped it."""
    code = await command.run("confirm", coded.name, "--client-id", command.pool.client_id, "--rate", TOLD)
    check(code == SOME_REFUSED, f"the {MISTYPED} mistyped codes should be refused, and nothing else.")


async def _sign_in(pool: LocalPool, users: list[str]) -> None:
    """Sign in with the new password, as one of them."""
    with act("Somebody signs in") as note:
        async with AsyncCognitoSession(pool.region, endpoint_url=pool.endpoint_url) as session:
            answer = await session.client(client_id=pool.client_id).initiate_auth(
                auth_flow="USER_PASSWORD_AUTH",
                auth_parameters={"USERNAME": users[-1], "PASSWORD": _new_password(users[-1])},
            )
        check(answer.authentication_result, "signing in should have brought tokens.")
        note(f"Welcome, {users[-1]}, with your new password.")


class Command:
    """The command line, as a user runs it."""

    def __init__(self, folder: Path, pool: LocalPool, proxy: ThrottlingProxy) -> None:
        """Take where to run it, and against what."""
        self._folder = folder
        self.pool = pool
        self._proxy = proxy

    async def run(self, name: str, *arguments: str, killed_after: int | None = None) -> int:
        """Run ``cognito-async bulk``.

        Args:
            name: The command.
            arguments: Its arguments.
            killed_after: After how many more requests to kill it; None to let it live.

        Returns:
            Its exit code.
        """
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


def _after(times: int, function: Callable[[], None]) -> Callable[[], None]:
    """Call a function at the last of so many calls."""
    left = iter(range(times - 1, -1, -1))

    def count() -> None:
        if next(left, None) == 0:
            function()

    return count


def _write_lists(folder: Path, users: list[str]) -> tuple[Path, Path]:
    """Write the list of whom to send codes, with a broken row, and the list of codes and passwords."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    invited, coded = folder / "users.csv", folder / "codes.csv"
    coded.touch(0o600)  # it holds passwords
    with invited.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["username"])
        lines.writerows([user] for user in users)
        lines.writerow(["an address, with a comma", "and a field too many"])
    with coded.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["username", "confirmation_code", "password"])
        for number, user in enumerate(users):
            lines.writerow([user, WRONG_CODE if number < MISTYPED else CODE, _new_password(user)])
    return invited, coded


def _new_password(user: str) -> str:
    return f"Differential-{user[4:7]}"


def main() -> None:
    """Read the command line and tell the story."""
    parser = argparse.ArgumentParser(description="Reset 300 passwords in a user pool on this machine.")
    parser.add_argument("--folder", type=Path, default=Path("demo-bulk"), help="where to leave lists and reports")
    tell(play(parser.parse_args().folder.resolve()))


if __name__ == "__main__":
    main()
