"""Start, resume and dry-run bulk jobs, with a display and signal handling."""

import asyncio
import os
import stat
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import evolve

from cognito_async.bulk import BulkError, BulkPolicy, Job, State
from cognito_async.bulk.journal import Fact, read_facts
from cognito_async.bulk.progress import duration
from cognito_async.cli import output, secrets
from cognito_async.cli.display import Banner, JsonDisplay, PlainDisplay, Result
from cognito_async.cli.errors import CommandError, Exit
from cognito_async.cli.secrets import SecretValue
from cognito_async.cli.settings import (
    JobSettings,
    Options,
    Target,
    UserFilter,
    absolute,
    quota_category,
    saved_settings,
)
from cognito_async.cli.signals import stopping
from cognito_async.files import OTHERS

if TYPE_CHECKING:
    from cognito_async.cli.live import LiveDisplay

Display: TypeAlias = "PlainDisplay | JsonDisplay | LiveDisplay"

MIN_INTERVAL: Final = 0.1
STOPPING: Final = "Stopping: waiting for in-flight requests. Press Ctrl-C again to quit now."
ABORTED: Final = "aborted; in-flight rows will be resolved when you resume"
OUTPUT_CLOSED: Final = "stdout closed; stopping (resume to continue)"


# --- commands ---


def start(action: str, options: Options) -> Exit:
    """Start a job, or resume it if its journal exists."""
    settings = _settings(action, options)
    bulk_action = settings.bulk_action()
    if bulk_action.user_pool or settings.users is not None:
        settings.target.require_user_pool()
    secret = None
    if not bulk_action.user_pool:
        settings.target.require_app_client()
        secret = secrets.client_secret(options.client_secret_file, ask=options.ask_client_secret)
        settings = evolve(settings, has_secret=secret is not None)
    _warn_if_readable(settings)
    journal = None if options.dry_run else _journal(options)
    return asyncio.run(_run(settings, journal, options, secret=secret, journaled=False))


def resume(options: Options) -> Exit:
    """Resume a job with the settings in its journal; options take precedence."""
    journal = output.private_file(options.journal or "", "journal", must_exist=True)
    facts = read_facts(journal)
    saved = saved_settings(facts, journal)
    saved.target.check_endpoint(options.endpoint_url)
    settings = saved.with_options(options)
    secret = None
    if not settings.bulk_action().user_pool:
        secret = secrets.client_secret(settings.secret_file, ask=options.ask_client_secret)
        if secret is None and settings.has_secret:
            secret = secrets.prompt(secrets.CLIENT_SECRET)
        settings = evolve(settings, has_secret=secret is not None)
    return asyncio.run(_run(settings, journal, options, secret=secret, journaled=Fact.COMPLETE in facts))


def _settings(action: str, options: Options) -> JobSettings:
    if options.generate != (options.passwords_file is not None):
        raise CommandError("--generate and --passwords-file require each other")
    settings = JobSettings(
        action=action,
        permanent=not options.temporary,
        generate=options.generate,
        input=_input(options),
        format=options.format,
        users=UserFilter.of(options) if options.pool else None,
        passwords=options.passwords_file and absolute(options.passwords_file),
        target=Target.of(options),
        strict=options.strict,
        case_sensitive=options.case_sensitive,
    )
    return settings.with_options(options)


def _input(options: Options) -> str | None:
    if options.pool:
        if options.input is not None:
            raise CommandError("INPUT and --pool are mutually exclusive")
        return None
    if options.filter or options.status or options.attribute:
        raise CommandError("--filter, --status and --attribute require --pool")
    if options.input is None:
        raise CommandError("missing INPUT: pass a CSV or JSON Lines file, or --pool to select users from the pool")
    if options.input == output.STANDARD_STREAM:
        return output.STANDARD_STREAM
    if output.find_file(Path(options.input)) is None:
        raise CommandError(f"input file not found: {options.input}")
    return absolute(options.input)


def _journal(options: Options) -> Path:
    if options.journal is not None:
        return output.private_file(options.journal, "journal")
    if options.input in {None, output.STANDARD_STREAM}:
        raise CommandError("--journal is required with --pool or stdin")
    return output.private_file(f"{options.input}.journal", "journal")


def _warn_if_readable(settings: JobSettings) -> None:
    """Warn about an input with passwords or codes that other users can read."""
    action = settings.bulk_action()
    if os.name != "posix" or settings.input in {None, output.STANDARD_STREAM} or not action.rereads:
        return
    with suppress(OSError):
        status = Path(settings.input or "").stat()
        if stat.S_ISREG(status.st_mode) and status.st_mode & OTHERS:
            columns = " and ".join(action.secrets)
            output.warn(f"other users can read {settings.source_name()}, which holds {columns}: chmod 600 it")


# --- running ---


async def _run(
    settings: JobSettings, journal: Path | None, options: Options, *, secret: SecretValue | None, journaled: bool
) -> Exit:
    """Run a job; without a journal, only check its rows."""
    if settings.passwords is not None:
        output.private_file(settings.passwords, "passwords file")
    target, action = settings.target, settings.bulk_action()
    async with target.session({quota_category(action.operation): settings.effective_rate()}) as session:
        client = target.client(session, secret)
        job = Job(
            client,
            action,
            settings.source(client, journaled=journaled),
            journal=journal or os.devnull,
            policy=BulkPolicy(max_errors=settings.max_errors, longest_pause=settings.wait),
            strict=settings.strict,
            case_sensitive=settings.case_sensitive,
            passwords=settings.passwords,
            remember=settings.facts(),
        )
        if journal is None:
            return await _dry_run(job, as_json=options.json)
        supervisor = _Supervisor(job, _display(options))
        banner = _banner(settings, journal)
        return await supervisor.run(banner, journal, [State(name) for name in options.again or ()])


async def _dry_run(job: Job, *, as_json: bool) -> Exit:
    """Check every row, print the invalid ones and estimate the duration."""
    rows = invalid = 0
    async with aclosing(job.check()) as outcomes:
        async for outcome in outcomes:
            rows += 1
            invalid += outcome.state is State.REFUSED
            line, username, reason = outcome.line, outcome.username, outcome.reason or ""
            if outcome.state is State.REFUSED and as_json:
                output.put_json({"event": "bad row", "line": line, "username": username, "reason": reason})
            elif outcome.state is State.REFUSED:
                output.put(f"line {line} {username or '(no username)'}: {reason}")
    estimate = job.estimate(rows, invalid)
    if as_json:
        output.put_json(
            {"event": "estimate", "rows": rows, "bad": invalid, "seconds": estimate.seconds, "rate": estimate.rate}
        )
    else:
        time_needed, rate = duration(round(estimate.seconds or 0.0)), output.rate(estimate.rate or 0.0)
        found = f"{output.plural(rows, 'row')}, {invalid:,} invalid"
        output.put(f"{found}; about {time_needed} at {rate} requests per second. Nothing was sent.")
    return Exit.PARTIAL if invalid else Exit.DONE


def _banner(settings: JobSettings, journal: Path) -> Banner:
    action, target = settings.bulk_action(), settings.target
    return Banner(
        action=action.label,
        does=action.does,
        rows=settings.source_name(),
        target=f"user pool {target.user_pool_id}" if action.user_pool else f"app client {target.client_id}",
        region=target.region,
        endpoint_url=target.endpoint_url,
        journal=str(journal),
        continued=journal.exists(),
        rate=settings.effective_rate(),
        published=settings.rate is None,
        category=quota_category(action.operation),
    )


def _display(options: Options) -> Display:
    interval = max(options.interval, MIN_INTERVAL)
    if options.json:
        return JsonDisplay(interval)
    if not options.plain and output.is_smart_terminal():
        with suppress(ImportError):
            from cognito_async.cli.live import LiveDisplay  # noqa: PLC0415 - rich may be missing

            return LiveDisplay()
    return PlainDisplay(interval)


class _Supervisor:
    """One run of a job with a display, which signals can stop or abort."""

    def __init__(self, job: Job, display: Display) -> None:
        self._job = job
        self._display = display
        # One thread, so that a slow terminal or reader never delays the requests.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cognito_async-display")
        self._output_closed = False
        self._aborted = False

    async def run(self, banner: Banner, journal: Path, retry_states: Collection[State]) -> Exit:
        """Run the job and return the exit code."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task

        def abort() -> None:
            self._aborted = True
            task.cancel()

        result: Result | None = None
        try:
            with stopping(self._stop, abort):
                await self._show(self._display.start, banner)
                await self._watch(retry_states)
            summary, endpoint = self._job.summary, banner.endpoint_url
            result = Result(summary=summary, action=banner.action, journal=journal, endpoint_url=endpoint)
        except asyncio.CancelledError:
            if not self._aborted:
                raise
            raise CommandError(ABORTED, Exit.INTERRUPTED) from None
        else:
            return result.exit
        finally:
            await self._show(self._display.end, result)
            self._thread.shutdown()

    async def _watch(self, retry_states: Collection[State]) -> None:
        ticking = asyncio.create_task(self._tick())
        try:
            async with aclosing(self._job.run(retry_states)) as outcomes:
                async for outcome in outcomes:
                    if outcome.state is not State.DONE:
                        await self._show(self._display.outcome, outcome)
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])
        await self._show(self._display.progress, self._job.progress, time.time())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._display.interval)
            with suppress(BulkError):  # not started: the input is being fingerprinted
                await self._show(self._display.progress, self._job.progress, time.time())

    def _stop(self) -> None:
        self._job.stop()
        self._thread.submit(self._display.note, STOPPING)

    async def _show(self, show: Callable[..., None], *args: object) -> None:
        if self._output_closed:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, show, *args)
        except OSError:
            self._output_closed = True
            self._job.stop()
            output.warn(OUTPUT_CLOSED)
