"""Rows from the caller's own code and from the user pool."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cognito_async import ServiceError
from cognito_async.bulk import Ending, Extent, IterableSource, JobMismatchError, PoolSource, Row, SourceError, State
from tests.support.bulk_server import Asked, Bench, Reply, outcomes_of
from tests.support.scripted_transport import refuse, respond


async def these(*rows: Mapping[str, str] | str) -> AsyncIterator[Mapping[str, str] | str]:
    """Give rows."""
    for row in rows:
        yield row


async def test_rows_from_code(tmp_path: Path) -> None:
    """Take usernames, or mappings by column; refuse what lacks a column, by its place."""
    async with Bench(tmp_path) as bench:
        given: Any = IterableSource(these("ada", {"username": "bob"}, {"user": "eve"}, {"username": 7}))  # type: ignore[dict-item]
        told = await outcomes_of(bench.job("forgot", given))
    assert bench.service.users == ["ada", "bob"]
    assert {outcome.line: outcome.reason for outcome in told if outcome.state is State.REFUSED} == {
        3: "username is missing",
        4: "username must be text, in quotes",
    }


async def test_rows_come_in_chunks() -> None:
    """Give a chunk for some hundred rows, and tell the number if it is known."""
    source = IterableSource(these(*(f"user{number}" for number in range(1200))), lines=1200)
    assert [len(rows) async for rows in source.chunks(("username",))] == [500, 500, 200]
    assert await source.extent(b"") == Extent(lines=1200)


async def test_nothing_at_all_is_a_finished_job(tmp_path: Path) -> None:
    """Finish where there is nobody to do anything to."""
    async with Bench(tmp_path) as bench:
        summary = await bench.run("forgot", IterableSource(these()))
    assert (summary.ending, summary.states) == (Ending.FINISHED, {})


def test_a_row_shows_no_values() -> None:
    """Keep passwords out of the repr."""
    assert repr(Row(3, {"username": "ada", "password": "secret"})) == "Row(line=3, fault=None)"


# --- the pool ---------------------------------------------------------------------------------------------------------

USERS = [
    {
        "Username": f"user{number}",
        "UserStatus": "CONFIRMED" if number % 2 else "RESET_REQUIRED",
        "Attributes": [{"Name": "email_verified", "Value": "true" if number % 3 else "false"}],
    }
    for number in range(150)
]


def pool(asked: Asked) -> Reply:
    """List users by pages, and do what else is asked."""
    if asked.operation != "ListUsers":
        return respond()
    import json  # noqa: PLC0415

    start = int(asked.body.get("PaginationToken", "0"))
    end = start + asked.body["Limit"]
    page: dict[str, Any] = {"Users": USERS[start:end]}
    if end < len(USERS):
        page["PaginationToken"] = str(end)
    return respond(body=json.dumps(page).encode())


async def test_the_listing_is_complete_before_the_first_request(tmp_path: Path) -> None:
    """Read the whole pool first: what the job does would change what is listed."""
    async with Bench(tmp_path, pool) as bench:
        summary = await bench.run("reset", PoolSource(bench.client()))
        operations = [asked.operation for asked in bench.service.requests]
        assert operations == ["ListUsers"] * 3 + ["AdminResetUserPassword"] * 150
        assert summary.states == {State.DONE: 150}
        again = await bench.run("reset", PoolSource(bench.client()))
    assert (again.settled, len(bench.service.requests)) == (0, 153)


@pytest.mark.parametrize(
    ("options", "asked", "count"),
    [
        ({}, None, 150),
        ({"filter": 'email ^= "a"'}, 'email ^= "a"', 150),
        ({"status": "CONFIRMED"}, 'cognito:user_status = "CONFIRMED"', 75),
        ({"filter": 'email ^= "a"', "status": "CONFIRMED"}, 'email ^= "a"', 75),
        ({"attributes": {"email_verified": "true"}}, None, 100),
        ({"attributes": {"email_verified": "true"}, "status": "CONFIRMED"}, 'cognito:user_status = "CONFIRMED"', 50),
        ({"attributes": {"phone_number": "1"}}, None, 0),
    ],
    ids=["all", "filter", "status", "both", "attributes", "attributes and status", "nobody"],
)
async def test_some_of_a_pool(options: dict[str, Any], asked: str | None, count: int, tmp_path: Path) -> None:
    """Leave the filter to the service, and the rest to nobody."""
    async with Bench(tmp_path, pool) as bench:
        summary = await bench.run("reset", PoolSource(bench.client(), **options))
    assert bench.service.requests[0].body.get("Filter") == asked
    assert summary.states.get(State.DONE, 0) == count


async def test_another_choice_of_users_is_another_job(tmp_path: Path) -> None:
    """Refuse to go on with another filter than before."""
    async with Bench(tmp_path, pool) as bench:
        await bench.run("reset", PoolSource(bench.client(), status="CONFIRMED"))
        with pytest.raises(JobMismatchError, match="source is for the user pool"):
            await bench.run("reset", PoolSource(bench.client()))


async def test_a_pool_has_no_passwords(tmp_path: Path) -> None:
    """Refuse actions that need more than usernames."""
    async with Bench(tmp_path, pool) as bench:
        with pytest.raises(SourceError, match="no confirmation_code and no password"):
            await bench.run("confirm", PoolSource(bench.client()))
        assert not bench.service.requests


async def test_a_listing_that_fails_begins_anew(tmp_path: Path) -> None:
    """Send nothing where the listing broke off, and read all of it the next time."""

    def broken(asked: Asked) -> Reply:
        return refuse("NotAuthorizedException") if asked.body.get("PaginationToken") == "120" else pool(asked)

    async with Bench(tmp_path, broken) as bench:
        with pytest.raises(ServiceError):
            await bench.run("reset", PoolSource(bench.client()))
        assert {asked.operation for asked in bench.service.requests} == {"ListUsers"}
        bench.service.answer = pool
        summary = await bench.run("reset", PoolSource(bench.client()))
    assert summary.states == {State.DONE: 150}
