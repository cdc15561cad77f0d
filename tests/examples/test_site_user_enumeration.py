"""The example site does not show who has an account: neither by the content of a response nor by its time."""

import asyncio
from time import perf_counter

import pytest

from cognito_async import RetryPolicy
from tests.examples.site import (
    ScriptedSite,
    form_of,
    in_process_site,
    post_form,
    refuse,
    scripted_site,
    site_module,
)
from tests.support.scripted_server import Action, Connection, answer, cut

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGN_UP, CONFIRM, RESEND = "/sign-up", "/confirm-sign-up", "/confirm-sign-up/resend"
MINIMUM = 0.2  # seconds, shorter than the site's own
EXTRA = 0.1  # seconds that the service takes longer for a user who exists


@pytest.fixture
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the delays where only the content matters."""
    monkeypatch.setattr(site_module("pages"), "MINIMUM_SECONDS", 0.0)
    monkeypatch.setattr(site_module("sign_up"), "RETRY", RetryPolicy(max_attempts=1))


@pytest.mark.usefixtures("_no_delays")
@pytest.mark.parametrize(
    "code",
    [
        *("CodeDeliveryFailureException", "LimitExceededException", "UnexpectedLambdaException"),
        *("InvalidEmailRoleAccessPolicyException", "InvalidSmsRoleAccessPolicyException"),
        *("InvalidSmsRoleTrustRelationshipException", "InvalidLambdaResponseException"),
    ],
)
@pytest.mark.parametrize("path", [SIGN_UP, RESEND])
async def test_failure_to_send_a_code_looks_like_success(
    scripted: ScriptedSite, path: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Sending fails only for users who are sent a code. The operator finds the failure in the log."""
    async with scripted.client(answer()) as client:
        success = await post_form(client, path, form_of("some"))
    async with scripted.client(otherwise=refuse(code, "the service's words")) as client:
        assert await post_form(client, path, form_of("some")) == success
    assert success[0] == CONFIRM
    assert "Check your e-mail" in success[1]
    for fact in (code, "SignUp" if path == SIGN_UP else "ResendConfirmationCode"):
        assert fact in caplog.text
    assert "@example.com" not in caplog.text


@pytest.mark.usefixtures("_no_delays")
@pytest.mark.parametrize(
    ("path", "code"),
    [
        (SIGN_UP, "UsernameExistsException"),
        *((RESEND, code) for code in ("UserNotFoundException", "InvalidParameterException", "NotAuthorizedException")),
        (RESEND, "UserLambdaValidationException"),
    ],
)
async def test_existing_and_unknown_users_get_the_same_page(scripted: ScriptedSite, path: str, code: str) -> None:
    """A name that is taken, unknown or confirmed already looks like any other."""
    async with scripted.client(answer()) as client:
        success = await post_form(client, path, form_of("who"))
    async with scripted.client(refuse(code)) as client:
        assert await post_form(client, path, form_of("who")) == success


@pytest.mark.usefixtures("_no_delays")
@pytest.mark.parametrize(
    ("path", "action"),
    [
        *((path, refuse(code, "which")) for path in (SIGN_UP, RESEND) for code in (
            "TooManyRequestsException", "InternalErrorException", "ResourceNotFoundException", "SomethingNewException",
        )),
        (SIGN_UP, refuse("NotAuthorizedException", "SignUp is not permitted for this user pool")),
        *((SIGN_UP, refuse(code)) for code in (
            "InvalidPasswordException", "UserLambdaValidationException", "InvalidParameterException",
        )),
    ],
)  # fmt: skip
async def test_errors_that_concern_every_user_are_shown(scripted: ScriptedSite, path: str, action: Action) -> None:
    """No page suggests to look for mail when the service is busy, fails, or rejects the input."""
    async with scripted.client(otherwise=action) as client:
        location, text = await post_form(client, path, form_of("all"))
    assert 'class="message error"' in text or 'id="password-error"' in text
    assert "Check your e-mail" not in text
    assert location == (SIGN_UP if path == SIGN_UP else CONFIRM)


@pytest.mark.usefixtures("_no_delays")
@pytest.mark.parametrize("failure", [cut(), answer({"__type": "InternalErrorException", "message": "canary"}, 500)])
@pytest.mark.parametrize("path", [SIGN_UP, RESEND])
async def test_unknown_outcome_leads_to_the_code_form(scripted: ScriptedSite, path: str, failure: Action) -> None:
    """A code may be on its way."""
    async with scripted.client(otherwise=failure) as client:
        location, text = await post_form(client, path, form_of("lost"))
    assert location == CONFIRM
    assert 'class="message warning"' in text


@pytest.mark.usefixtures("_no_delays")
@pytest.mark.asyncio(loop_scope="function")
async def test_unreachable_service_is_shown() -> None:
    """Without a connection no code is on its way."""
    async with in_process_site() as site, site.client() as client:
        for path in (SIGN_UP, RESEND):
            _, text = await post_form(client, path, form_of("gone"))
            assert 'class="message error"' in text


@pytest.mark.parametrize("code", ["UserLambdaValidationException", "UnexpectedLambdaException"])
async def test_lambda_errors_at_sign_in_look_like_a_wrong_password(scripted: ScriptedSite, code: str) -> None:
    """Some triggers run only for users who exist, others only for those who do not."""
    async with scripted.client(refuse(code), refuse("NotAuthorizedException")) as client:
        pages = [await post_form(client, "/sign-in", form_of("lambda")) for _ in range(2)]
    assert pages[0] == pages[1]


async def test_sign_in_errors_look_alike_with_a_client_secret() -> None:
    """Only the site can ask the service then, so it does not pass on a user's state."""
    codes = ("NotAuthorizedException", "UserNotConfirmedException", "PasswordResetRequiredException")
    async with (
        scripted_site(COGNITO_CLIENT_SECRET="s3cr3t-s3cr3t-s3cr3t-s3cr3t") as scripted,
        scripted.client(*map(refuse, codes)) as client,
    ):
        pages = {await post_form(client, "/sign-in", form_of("alike")) for _ in codes}
    assert len(pages) == 1


def slower_for_existing(existing: Action, unknown: Action) -> Action:
    """Respond later for a user who exists, as services do."""

    async def act(connection: Connection) -> None:
        assert connection.request is not None
        exists = b"existing@example.com" in connection.request.body
        await asyncio.sleep(EXTRA if exists else 0.0)
        await (existing if exists else unknown)(connection)

    return act


@pytest.mark.parametrize(
    ("path", "existing", "unknown"),
    [
        ("/sign-in", refuse("NotAuthorizedException"), refuse("UserNotFoundException")),
        ("/sign-in", answer(), refuse("UserNotFoundException")),
        (SIGN_UP, refuse("UsernameExistsException"), answer()),
        (CONFIRM, refuse("CodeMismatchException"), refuse("UserNotFoundException")),
        (RESEND, answer(), refuse("UserNotFoundException")),
    ],
)
async def test_response_time_does_not_show_who_exists(
    scripted: ScriptedSite, monkeypatch: pytest.MonkeyPatch, path: str, existing: Action, unknown: Action
) -> None:
    """No response is sent before the minimum time, not even to a second click."""
    monkeypatch.setattr(site_module("pages"), "MINIMUM_SECONDS", MINIMUM)
    times: dict[str, list[float]] = {"existing": [], "unknown": []}
    async with scripted.client(otherwise=slower_for_existing(existing, unknown)) as client:

        async def measure(name: str) -> None:
            started = perf_counter()
            assert (await client.post(path, data=form_of(name))).status_code == 303
            times[name].append(perf_counter() - started)

        for _ in range(3):
            await asyncio.gather(*map(measure, times))
    assert min(map(min, times.values())) >= MINIMUM
    assert abs(min(times["existing"]) - min(times["unknown"])) < EXTRA / 2


@pytest.mark.parametrize("path", [SIGN_UP, RESEND])
async def test_limit_for_codes_is_not_retried(scripted: ScriptedSite, path: str) -> None:
    """Only users who are sent codes reach the limit: a retry would show by its time that they exist."""
    async with scripted.client(
        refuse("LimitExceededException"), otherwise=refuse("SomethingNewException", "which")
    ) as client:
        _, text = await post_form(client, path, form_of("limit"))
    assert "Check your e-mail" in text
