"""A dry run: every row is read and checked, and nothing is sent."""

from contextlib import aclosing

from cognito_async.bulk import Job, State
from cognito_async.cli.exits import Exit
from cognito_async.cli.streams import put, put_json
from cognito_async.cli.wording import clean, duration, pace, plural


async def rehearse(job: Job, *, as_json: bool) -> Exit:
    """Check all rows of a job, and tell what is wrong with them.

    Args:
        job: The job.
        as_json: Whether to tell it to a program.

    Returns:
        The exit code: ROWS if some row can't be sent.

    Raises:
        SourceError: The source can't be read.
    """
    rows = faulty = 0
    async with aclosing(job.check()) as outcomes:
        async for outcome in outcomes:
            rows += 1
            if outcome.state is State.REFUSED:
                faulty += 1
                reason, line = outcome.reason or "", outcome.line
                if as_json:
                    put_json({"event": "bad row", "line": line, "username": outcome.username, "reason": reason})
                else:
                    put(clean(f"line {line} {outcome.username or '(no username)'}: {reason}"))
    estimate = job.estimate(rows, faulty)
    if as_json:
        told = {"rows": rows, "bad": faulty, "seconds": estimate.seconds, "rate": estimate.rate}
        put_json({"event": "estimate", **told})
    else:
        time = duration(estimate.seconds or 0.0)
        bad = f"{plural(faulty, 'row')} can't be sent" if faulty else "each can be sent"
        put(
            f"{plural(rows, 'row')}, {bad}; the job would take about {time} at {pace(estimate.rate or 0.0)} a second."
            " Nothing was sent."
        )
    return Exit.ROWS if faulty else Exit.DONE
