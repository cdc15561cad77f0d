"""The example site and who has an account: neither the words of an answer nor its time tell."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter

import pytest
import pytest_asyncio

from cognito_async import RetryPolicy
from tests.examples.site_stage import inside, part
from tests.examples.test_site_faults import Trouble, form_of, refuse, say, troubled
from tests.support.scripted_server import Action, Connection, answer, cut

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGN_UP, CONFIRM, RESEND = "/sign-up", "/confirm-sign-up", "/confirm-sign-up/resend"
FLOOR = 0.2  # seconds: shorter than the site's own
EXTRA = 0.1  # seconds that a user who exists takes the service longer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trouble() -> AsyncIterator[Trouble]:
    """Give the tests of this file one site on a service that does as told."""
    async with troubled() as made:
        yield made


@pytest.fixture
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the pauses away where only the words count."""
    monkeypatch.setattr(part("sign_up"), "FLOOR", 0.0)
    monkeypatch.setattr(part("sign_up"), "RETRY", RetryPolicy(max_attempts=1))


# --- the words --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_in_haste")
@pytest.mark.parametrize(
    "code",
    [
        *("CodeDeliveryFailureException", "LimitExceededException", "UnexpectedLambdaException"),
        *("InvalidEmailRoleAccessPolicyException", "InvalidSmsRoleAccessPolicyException"),
        *("InvalidSmsRoleTrustRelationshipException", "InvalidLambdaResponseException"),
    ],
)
@pytest.mark.parametrize("path", [SIGN_UP, RESEND])
async def test_what_fails_for_some_looks_as_if_all_were_well(
    trouble: Trouble, path: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What goes wrong only where a code is sent is for the log: on the page it would tell who is sent one."""
    async with trouble.visit(answer()) as visitor:
        fine = await say(visitor, path, form_of("some"))
    async with trouble.visit(otherwise=refuse(code, "the service's own words")) as visitor:
        assert await say(visitor, path, form_of("some")) == fine
    assert fine[0] == CONFIRM
    assert "Check your e-mail" in fine[1]
    assert f"{code} ({'SignUp' if path == SIGN_UP else 'ResendConfirmationCode'}, 1 attempts" in caplog.text
    assert "@example.com" not in caplog.text


@pytest.mark.usefixtures("_in_haste")
@pytest.mark.parametrize(
    ("path", "code"),
    [
        (SIGN_UP, "UsernameExistsException"),
        *((RESEND, code) for code in ("UserNotFoundException", "InvalidParameterException", "NotAuthorizedException")),
        (RESEND, "UserLambdaValidationException"),
    ],
)
async def test_who_exists_looks_like_who_does_not(trouble: Trouble, path: str, code: str) -> None:
    """A name that is taken, or unknown, or confirmed already, gets the page of one that is none of it."""
    async with trouble.visit(answer()) as visitor:
        fine = await say(visitor, path, form_of("who"))
    async with trouble.visit(refuse(code)) as visitor:
        assert await say(visitor, path, form_of("who")) == fine


OURS = "Something is wrong on our side"


@pytest.mark.usefixtures("_in_haste")
@pytest.mark.parametrize(
    ("path", "action", "told"),
    [
        *((path, refuse("TooManyRequestsException"), "Try again in 5 seconds.") for path in (SIGN_UP, RESEND)),
        *((path, refuse("InternalErrorException"), "can&#39;t be reached") for path in (SIGN_UP, RESEND)),
        *((path, refuse("ResourceNotFoundException", "which"), OURS) for path in (SIGN_UP, RESEND)),
        *((path, refuse("SomethingNewException", "which"), OURS) for path in (SIGN_UP, RESEND)),
        (SIGN_UP, refuse("NotAuthorizedException", "SignUp is not permitted for this user pool"), OURS),
        (SIGN_UP, refuse("InvalidPasswordException"), "The password can&#39;t be used"),
        (SIGN_UP, refuse("UserLambdaValidationException"), "The request was refused"),
        (SIGN_UP, refuse("InvalidParameterException"), "The request was refused"),
    ],
)
async def test_what_happens_to_everybody_is_told(trouble: Trouble, path: str, action: Action, told: str) -> None:
    """Where the service has too much to do, fails, is not set up, or refuses what was typed, the page says so."""
    async with trouble.visit(otherwise=action) as visitor:
        led_to, text = await say(visitor, path, form_of("all"))
    assert told in text
    assert "Check your e-mail" not in text
    assert led_to == (SIGN_UP if path == SIGN_UP else CONFIRM)


@pytest.mark.usefixtures("_in_haste")
@pytest.mark.parametrize("lost", [cut(), answer({"__type": "InternalErrorException", "message": "canary"}, 500)])
@pytest.mark.parametrize(
    ("path", "told"), [(SIGN_UP, "Your account may have been made"), (RESEND, "It may or may not have worked")]
)
async def test_a_lost_answer_is_told_where_the_code_goes(trouble: Trouble, path: str, told: str, lost: Action) -> None:
    """Where a code may be on its way, the visitor is told no more than that, on the page that takes it."""
    async with trouble.visit(otherwise=lost) as visitor:
        led_to, text = await say(visitor, path, form_of("lost"))
    assert led_to == CONFIRM
    assert told in text


@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.usefixtures("_in_haste")
async def test_a_service_that_is_gone_is_told() -> None:
    """Where nobody can be reached, nobody is sent to look for mail."""
    variables = {"COGNITO_CLIENT_ID": "abc", "COGNITO_ENDPOINT_URL": "http://127.0.0.1:9"}
    async with inside(**variables) as site, site.visitor() as visitor:
        for path in (SIGN_UP, RESEND):
            _, text = await say(visitor, path, form_of("gone"))
            assert "can&#39;t be reached" in text


# --- the time ---------------------------------------------------------------------------------------------------------


def slow_for_some(known: Action, unknown: Action) -> Action:
    """Take longer for a user who exists, as services do: there is a password to check, or a mail to send."""

    async def act(connection: Connection) -> None:
        assert connection.request is not None
        there = b"there@example.com" in connection.request.body
        await asyncio.sleep(EXTRA if there else 0.0)
        await (known if there else unknown)(connection)

    return act


@pytest.mark.parametrize(
    ("path", "known", "unknown"),
    [
        ("/sign-in", refuse("NotAuthorizedException"), refuse("UserNotFoundException")),
        ("/sign-in", answer(), refuse("UserNotFoundException")),
        (SIGN_UP, refuse("UsernameExistsException"), answer()),
        (CONFIRM, refuse("CodeMismatchException"), refuse("UserNotFoundException")),
        (RESEND, answer(), refuse("UserNotFoundException")),
    ],
)
async def test_time_does_not_tell_who_exists(
    trouble: Trouble, monkeypatch: pytest.MonkeyPatch, path: str, known: Action, unknown: Action
) -> None:
    """No answer comes before one about a user who exists could, not even to a second click, which may be remembered."""
    for name in ("sign_in", "sign_up"):
        monkeypatch.setattr(part(name), "FLOOR", FLOOR)
    times: dict[str, list[float]] = {"there": [], "ghost": []}
    async with trouble.visit(otherwise=slow_for_some(known, unknown)) as visitor:

        async def take(name: str) -> None:
            started = perf_counter()
            assert (await visitor.post(path, data=dict(form_of(name)))).status_code == 303
            times[name].append(perf_counter() - started)

        for _ in range(3):
            await asyncio.gather(*map(take, times))
    assert min(map(min, times.values())) >= FLOOR
    assert abs(min(times["there"]) - min(times["ghost"])) < EXTRA / 2


@pytest.mark.parametrize("path", [SIGN_UP, RESEND])
async def test_a_limit_is_not_told_by_a_pause(trouble: Trouble, path: str) -> None:
    """Only who is sent a code can meet a limit: the site does not try again, which would take its time."""
    limit, again = refuse("LimitExceededException"), refuse("SomethingNewException", "which")
    async with trouble.visit(limit, otherwise=again) as visitor:
        _, text = await say(visitor, path, form_of("limit"))
    assert "Check your e-mail" in text
