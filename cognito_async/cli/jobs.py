"""Start, resume and dry-run bulk jobs, with a display and signal handling."""

import asyncio
import os
import stat
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from itertools import chain, count
from pathlib import Path
from shlex import quote
from typing import Final

from attrs import evolve

from cognito_async.bulk import (
    BulkError,
    BulkPolicy,
    FileSource,
    Job,
    JobMismatchError,
    Row,
    SourceError,
    State,
    Summary,
)
from cognito_async.bulk.journal import Fact, read_facts
from cognito_async.bulk.progress import duration
from cognito_async.cli import output, secrets
from cognito_async.cli.display import JsonDisplay, PlainDisplay, summary_exit
from cognito_async.cli.errors import CommandError, Exit
from cognito_async.cli.secrets import SecretValue
from cognito_async.cli.settings import JobSettings, Options, saved_settings
from cognito_async.cli.signals import stopping
from cognito_async.files import OTHERS

START_INTERVAL: Final = 0.05  # seconds between two looks at a job that has not started


def start(action: str, options: Options) -> Exit:
    """Start a job, or resume it if its journal exists."""
    settings = JobSettings.of(action, options)
    secret = _client_secret(settings, options)
    _warn_if_readable(settings)
    journal = None if options.dry_run else _journal(options)
    try:
        return asyncio.run(_run(settings, journal, options, secret=secret, journaled=False))
    except JobMismatchError as error:
        if error.repeats:
            raise
        new = _new_journal(action, options.journal or options.input or action)
        raise CommandError(f"{error}, for example --journal {quote(new)}") from None


def resume(options: Options) -> Exit:
    """Resume a job with the settings in its journal; options take precedence."""
    journal = output.existing_journal(options.journal or "")
    facts = read_facts(journal)
    saved = saved_settings(facts, journal)
    saved.target.check_endpoint(options.endpoint_url)
    settings = saved.with_options(options)
    secret = _client_secret(settings, options)
    return asyncio.run(_run(settings, journal, options, secret=secret, journaled=Fact.COMPLETE in facts))


def _client_secret(settings: JobSettings, options: Options) -> SecretValue | None:
    """Read the app client's secret; prompt for it if the job had one when it was started."""
    if settings.resolve:
        if not settings.bulk_action().sets_permanent_password:
            raise CommandError("--resolve requires the action confirm, or set-password without --temporary")
        if not (settings.target.client_id and settings.target.user_pool_id):
            raise CommandError("--resolve requires --client-id and --user-pool-id")
    elif settings.bulk_action().user_pool:
        return None
    settings.target.require_app_client()
    file = options.client_secret_file or settings.secret_file
    secret = secrets.client_secret(file, ask=options.ask_client_secret)
    return secrets.prompt(secrets.CLIENT_SECRET) if secret is None and settings.has_secret else secret


def _journal(options: Options) -> Path:
    if options.journal is not None:
        return output.private_file(options.journal, "journal")
    if options.input in {None, output.STANDARD_STREAM}:
        raise CommandError("--journal is required with --pool or stdin")
    return output.private_file(f"{options.input}.journal", "journal")


def _new_journal(action: str, path: str) -> str:
    """Return the path of a file that does not exist, beside the journal or input, and named after the action."""
    start = f"{Path(path).with_suffix('')}.{action}"
    numbered = (f"{start}-{number}.journal" for number in count(2))
    return next(name for name in chain([f"{start}.journal"], numbered) if not os.path.lexists(name))


def _warn_if_readable(settings: JobSettings) -> None:
    """Warn about an input with passwords or codes that other users can read."""
    action = settings.bulk_action()
    if os.name != "posix" or settings.input in {None, output.STANDARD_STREAM} or not action.rereads:
        return
    path = Path(settings.input or "")
    with suppress(OSError, SourceError):
        mode = path.stat().st_mode
        source = FileSource(path, settings.format)
        if stat.S_ISREG(mode) and mode & OTHERS and asyncio.run(_has_valid_row(source, action.columns)):
            columns = " and ".join(action.secrets)
            output.warn(f"other users can read {settings.source_name()}, which holds {columns}: chmod 600 it")


async def _has_valid_row(source: FileSource, columns: tuple[str, ...]) -> bool:
    """Return whether a row at the start of a file has a value in each column."""
    async with aclosing(source.chunks(columns)) as chunks:
        return any(row.values for row in await anext(chunks, list[Row]()))


async def _run(
    settings: JobSettings, journal: Path | None, options: Options, *, secret: SecretValue | None, journaled: bool
) -> Exit:
    if settings.passwords is not None:
        output.private_file(settings.passwords, "passwords file")
    target, action = settings.target, settings.bulk_action()
    async with target.session({settings.quota_category(): settings.effective_rate()}) as session:
        client = target.client(session, secret)
        job = Job(
            client,
            action,
            settings.source(client, journaled=journaled),
            journal=journal or os.devnull,
            policy=BulkPolicy(
                max_errors=settings.max_errors, longest_pause=settings.wait, resolve_unknown=settings.resolve
            ),
            strict=settings.strict,
            case_sensitive=settings.case_sensitive,
            passwords=settings.passwords,
            remember=evolve(settings, has_secret=secret is not None).facts(),
        )
        if journal is None:
            return await _dry_run(job, settings, as_json=options.json)
        retry_states = [State(name) for name in options.again or ()]
        return await _Supervisor(job, _display(options), settings, journal).run(retry_states)


def _warn_of_no_rows(settings: JobSettings) -> None:
    output.warn(f"warning: no rows in {settings.source_name()}")


async def _dry_run(job: Job, settings: JobSettings, *, as_json: bool) -> Exit:
    rows = invalid = 0
    async with aclosing(job.check()) as outcomes:
        async for outcome in outcomes:
            rows += 1
            if outcome.state is not State.REFUSED:
                continue
            invalid += 1
            line, username, reason = outcome.line, outcome.username, outcome.reason or ""
            if as_json:
                output.put_json({"event": "bad row", "line": line, "username": username, "reason": reason})
            else:
                output.put(f"line {line}{f' {username}' if username else ''}: {reason}")
    estimate = job.estimate(rows, invalid)
    seconds, rate = estimate.seconds, estimate.rate
    if as_json:
        output.put_json({"event": "estimate", "rows": rows, "bad": invalid, "seconds": seconds, "rate": rate})
    else:
        pace = f"{duration(round(seconds or 0.0))} at {output.rate(rate or 0.0)} requests per second"
        output.put(f"{output.plural(rows, 'row')}, {invalid:,} invalid; about {pace}. Nothing was sent.")
    if not rows:
        _warn_of_no_rows(settings)
    return Exit.PARTIAL if invalid else Exit.DONE


def _display(options: Options) -> PlainDisplay:
    interval = max(options.interval, 0.1)
    if options.json:
        return JsonDisplay(interval)
    if not options.plain and output.is_smart_terminal():
        with suppress(ImportError):
            from cognito_async.cli.live import LiveDisplay  # noqa: PLC0415 - rich may be missing

            return LiveDisplay()
    return PlainDisplay(interval)


class _Supervisor:
    def __init__(self, job: Job, display: PlainDisplay, settings: JobSettings, journal: Path) -> None:
        self._job = job
        self._display = display
        self._settings = settings
        self._journal = journal
        self._resuming = journal.exists()
        self._started = False  # whether the display has been started
        # One thread, so that a slow terminal or reader never delays the requests.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cognito_async-display")
        self._output_closed = False

    async def run(self, retry_states: Collection[State]) -> Exit:
        summary: Summary | None = None
        try:
            with stopping(self._stop):
                await self._watch(retry_states)
            summary = self._job.summary
            return summary_exit(summary)
        finally:
            await self._show(self._display.end, summary, self._settings, self._journal)
            self._thread.shutdown()
            if summary is not None and summary.finished and not any(summary.states.values()):
                _warn_of_no_rows(self._settings)

    async def _watch(self, retry_states: Collection[State]) -> None:
        ticking = asyncio.create_task(self._tick())
        try:
            async with aclosing(self._job.run(retry_states)) as outcomes:
                async for outcome in outcomes:
                    await self._start()
                    if outcome.state is not State.DONE:
                        await self._show(self._display.outcome, outcome)
            await self._start()
        finally:
            ticking.cancel()
            await asyncio.wait([ticking])
        await self._show(self._display.progress, self._job.progress, time.time())

    async def _start(self) -> None:
        """Start the display, once the journal and the input are known to belong to the job."""
        if not self._started:
            self._started = True
            await self._show(self._display.start, self._settings, self._journal, self._resuming)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._display.interval if self._started else START_INTERVAL)
            with suppress(BulkError):  # the journal and the input are still being checked
                progress = self._job.progress
                await self._start()
                await self._show(self._display.progress, progress, time.time())

    def _stop(self) -> None:
        self._job.stop()
        text = "Stopping: waiting for in-flight requests. Press Ctrl-C again to quit now."
        self._thread.submit(self._display.note, text)

    async def _show(self, show: Callable[..., None], *args: object) -> None:
        if self._output_closed:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, show, *args)
        except OSError:
            self._output_closed = True
            self._job.stop()
            output.warn("stdout closed; stopping (resume to continue)")
