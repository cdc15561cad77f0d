"""The parts of the example site that need no server: what it remembers, what may be typed, what it says."""

import asyncio
import json
from base64 import urlsafe_b64encode

import pytest

from cognito_async import CodeMismatchException
from cognito_async.fastapi import PasswordPolicy
from tests.examples.site_stage import part


def test_a_store_keeps_so_much_for_so_long() -> None:
    """The first one in has to go when there are too many, and each when its time is over; keys can't be guessed."""
    now = [0.0]
    store = part("stores").MemoryStore(most=2, seconds=10.0, clock=lambda: now[0])
    first, second = store.add("a"), store.add("b", seconds=20.0)
    assert len(first) == 43
    third = store.add("c")
    assert [store.get(key) for key in (first, second, third)] == [None, "b", "c"]
    now[0] = 10.0
    assert [store.get(key) for key in (second, third, "")] == ["b", None, None]
    assert list(store.items()) == [(second, "b")]
    store.drop(second)
    store.drop(second)
    assert len(store) == 0


async def test_a_form_is_done_once() -> None:
    """Two clicks at once are one call; what worked stands, what was refused does not."""
    submissions = part("submissions").Submissions()
    refusal = CodeMismatchException("no")
    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        if calls == 1:
            raise refusal

    refused = await asyncio.gather(*[submissions.once("form", work, 60.0) for _ in range(2)])
    assert refused == [refusal] * 2
    assert [await submissions.once("form", work, 60.0) for _ in range(2)] == [None, None]
    assert calls == 2


async def test_a_visitor_who_leaves_does_not_stop_the_other_click() -> None:
    """A request that is cancelled leaves the work to the other one; a bug reaches both, and is not kept."""
    submissions = part("submissions").Submissions()
    gate = asyncio.Event()

    async def work() -> None:
        await gate.wait()

    leaves = asyncio.create_task(submissions.once("form", work, 60.0))
    stays = asyncio.create_task(submissions.once("form", work, 60.0))
    await asyncio.sleep(0)
    leaves.cancel()
    gate.set()
    assert await stays is None

    async def bug() -> None:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await submissions.once("other", bug, 60.0)


def test_the_name_of_a_form_tells_nothing_and_all_of_it_counts() -> None:
    """Names differ where anything differs, also where only the seams do, and from one process to the next."""
    submissions = part("submissions").Submissions()
    names = {submissions.name(*parts) for parts in (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("a", "bd"))}
    assert len(names) == 5
    assert submissions.name("a", "bc") == submissions.name("a", "bc")
    assert part("submissions").Submissions().name("a", "bc") not in names


def test_a_key_is_known_again_by_who_made_it() -> None:
    """No other process's key, and none that was made up or changed, passes for one's own."""
    keys = part("keys").Keys()
    key = keys.new()
    assert keys.knows(key)
    assert key != keys.new()
    for other in ("", ".", "x.y", key[:-1], key + "0", "x" + key, "é.é", part("keys").Keys().new()):
        assert not keys.knows(other)


def token(claims: object) -> str:
    """Make what looks like an ID token."""
    payload = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


def test_the_names_of_a_user_are_in_the_token() -> None:
    """Every name that one can sign in with is there, and nothing else; a token that can't be read has none."""
    names_in = part("names").names_in
    claims = {"sub": "1f-2E", "cognito:username": "ada", "email": "Ada@Example.com", "name": "Ada L.", "exp": 1}
    assert names_in(token(claims)) == {"1f-2e", "ada", "ada@example.com"}
    for odd in (None, "", "a", "a.b", "a.!!!.c", token([]), token({"sub": 5}), "a.bnVsbA.c"):
        assert names_in(odd) == frozenset()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1, "1 second"), (5, "5 seconds"), (120, "120 seconds"), (121, "3 minutes"), (900, "15 minutes")],
)
def test_times_are_told_as_people_do(seconds: int, told: str) -> None:
    """Short times in seconds, longer ones in minutes, rounded up."""
    assert part("notes").duration(seconds) == told


def test_what_is_typed_is_tidied_up_and_kept_out_of_reprs() -> None:
    """Blanks around a name and within a code go, a password stays as it is, and a repr shows none of them."""
    form = part("fields").ResetForm(username=" ada@example.com ", code=" 654 321", password=" Pass word ")
    assert (form.username, form.code, form.password) == ("ada@example.com", "654321", " Pass word ")
    for secret in ("ada", "654321", "word"):
        assert secret not in repr(form)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, {"username", "code", "password"}),
        ({"username": "a" * 129, "code": "1" * 2049, "password": "aB3-" * 65}, {"username", "code", "password"}),
        ({"username": "a b", "code": "1\x00", "password": "aB3-aB3- "}, {"username", "code", "password"}),
        ({"username": "ada", "code": "1", "password": "aB3-aB3-"}, set[str]()),
    ],
)
def test_fields_that_can_not_be_right(fields: dict[str, str], wrong: set[str]) -> None:
    """What is missing, too long, or holds what can't be there is found before the service is asked."""
    assert set(part("fields").ResetForm(**fields).new_faults(PasswordPolicy())) == wrong


def test_broken_rules_are_one_sentence() -> None:
    """What a password lacks is listed, as the pool's policy has it."""
    faults = part("fields").password_faults
    assert faults("aB3aB3 ", PasswordPolicy(minimum_length=9)) == (
        "The password must have at least 9 characters and no blank at the beginning or end.",
    )
    assert faults("abc", PasswordPolicy(require_symbols=False)) == (
        "The password must have at least 8 characters, an upper-case letter (A to Z) and a digit.",
    )
