"""Parts of the example site that need no server: stored state, form validation and texts."""

import asyncio
from collections.abc import Sequence

import pytest

from cognito_async import AmbiguousOutcomeError, CodeMismatchException
from cognito_async.fastapi import PasswordPolicy
from tests.examples.site import site_module


def test_memory_store_drops_the_oldest_and_the_expired() -> None:
    """The number of values is bounded, and so is their lifetime."""
    now = [0.0]
    store = site_module("state").MemoryStore(max_items=2, seconds=10.0, clock=lambda: now[0])
    store.put("a", 1)
    store.put("b", 2, seconds=20.0)
    store.put("c", 3)
    assert [store.get(key) for key in "abc"] == [None, 2, 3]
    now[0] = 10.0
    assert [store.get(key) for key in "abc"] == [None, 2, None]
    store.drop("b")
    assert store.get("b") is None


async def test_submission_runs_once_and_again_after_an_error() -> None:
    """Concurrent forms share one run. Success is kept, an error is not."""
    submissions = site_module("state").Submissions()
    error = CodeMismatchException("no")
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)
        if runs == 1:
            raise error

    first = [submissions.once(["form"], work, seconds=60.0) for _ in range(2)]
    assert await asyncio.gather(*first, return_exceptions=True) == [error] * 2
    assert [await submissions.once(["form"], work, seconds=60.0) for _ in range(2)] == [None, None]
    assert runs == 2


async def test_submission_with_ambiguous_outcome_does_not_run_again() -> None:
    """The change may have been applied, so the second click gets the same outcome."""
    submissions = site_module("state").Submissions()
    error = AmbiguousOutcomeError("lost")
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        raise error

    for _ in range(2):
        with pytest.raises(AmbiguousOutcomeError):
            await submissions.once(["form"], work, seconds=60.0)
    assert runs == 1


@pytest.mark.parametrize("other", [["a", "bd"], ["ab", "c"], ["abc"], ["a", "b", "c"]])
async def test_submission_of_another_form_runs(other: Sequence[str]) -> None:
    """Forms are the same only if all parts are."""
    submissions = site_module("state").Submissions()
    runs = []

    async def work() -> None:
        runs.append(1)

    for form in (["a", "bc"], other):
        await submissions.once(form, work, seconds=60.0)
    assert len(runs) == 2


async def test_submission_survives_the_cancellation_of_one_click() -> None:
    """A client that disconnects does not cancel the work for the other click."""
    submissions = site_module("state").Submissions()
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()

    first, second = (asyncio.create_task(submissions.once(["form"], work, seconds=60.0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await second is None


def test_forms_trim_their_fields_and_hide_them_from_reprs() -> None:
    """Spaces around a user name and within a code are removed; a password stays as it is."""
    form = site_module("forms").SiteForm(username=" ada@example.com ", code=" 654 321", password=" Pass word ")
    assert (form.username, form.code, form.password) == ("ada@example.com", "654321", " Pass word ")
    for secret in ("ada", "654321", "word"):
        assert secret not in repr(form)


@pytest.mark.parametrize(
    ("fields", "invalid"),
    [
        ({}, {"username", "code", "password"}),
        ({"username": "a" * 129, "code": "1" * 2049, "password": "aB3-" * 65}, {"username", "code", "password"}),
        ({"username": "a b", "code": "1\x00", "password": "aB3-aB3- "}, {"username", "code", "password"}),
        ({"username": "ada", "code": "1", "password": "aB3-aB3-"}, set[str]()),
    ],
)
def test_form_errors_name_the_invalid_fields(fields: dict[str, str], invalid: set[str]) -> None:
    """Missing and malformed fields are found before a request is sent."""
    forms = site_module("forms")
    assert set(forms.errors_in(forms.SiteForm(**fields), ("username", "code", "password"), PasswordPolicy())) == invalid


def test_password_error_lists_the_broken_rules_of_the_policy() -> None:
    """Only the rules that are broken are listed."""
    forms = site_module("forms")
    policy = PasswordPolicy(minimum_length=9, require_symbols=False)
    text = forms.errors_in(forms.SiteForm(password="Compiler"), ["password"], policy)["password"]
    assert "9 characters" in text
    assert "a digit" in text
    assert "symbol" not in text
    assert "lower-case" not in text
