"""The example site while the service is in trouble, scripted: what the visitor is told, and what is not told."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio
from attrs import define, field

from tests.examples.site_stage import CODE, NEW, Inside, inside
from tests.support.scripted_server import Action, Connection, ScriptedServer, answer, cut

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESET = "/reset-password"
SECRET = {"COGNITO_CLIENT_SECRET": "s3cr3t-s3cr3t-s3cr3t-s3cr3t"}


def form_of(name: str) -> Mapping[str, str]:
    """Fill in a form, for a user that no other test has."""
    return {"username": f"{name}@example.com", "code": CODE, "password": NEW}


def refuse(code: str, said: str = "canary about ada@example.com") -> Action:
    """Refuse as the service does; what it says of a user must not reach a page, or the log."""
    return answer({"__type": code, "message": said}, 400)


@define
class Trouble:
    """The site on a service that does as told.

    Attributes:
        site: The site.
        plan: What the service does next; then ``otherwise``, again and again.
        otherwise: See ``plan``.
    """

    site: Inside
    plan: list[Action] = field(factory=list)
    otherwise: Action = field(factory=answer)

    @asynccontextmanager
    async def visit(self, *plan: Action, otherwise: Action | None = None) -> AsyncGenerator[httpx.AsyncClient, None]:
        """Let a new visitor open the page for the reset, and the service do as told."""
        self.plan[:], self.otherwise = plan, otherwise or answer()
        async with self.site.visitor() as visitor:
            await visitor.get(RESET)
            yield visitor


@asynccontextmanager
async def troubled(mailbox: Any = None, /, **variables: str) -> AsyncGenerator[Trouble, None]:
    """Run the site on a service that does as told, but for the password policy, which it refuses to tell."""
    plan: list[Action] = [refuse("AccessDeniedException")]

    async def act(connection: Connection) -> None:
        await (plan.pop(0) if plan else made.otherwise)(connection)

    async with ScriptedServer(otherwise=act) as service:
        told = {
            "COGNITO_ENDPOINT_URL": service.url,
            "COGNITO_CLIENT_ID": "abc",
            "COGNITO_USER_POOL_ID": "eu-west-1_abc",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        async with inside(mailbox, **{**told, **variables}) as site:
            made = Trouble(site, plan)
            yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trouble() -> AsyncIterator[Trouble]:
    """Give the tests of this file one such site."""
    async with troubled() as made:
        yield made


@pytest.fixture(autouse=True)
def _nothing_said_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that the log holds neither a user's name nor what the service says about one."""
    caplog.set_level("DEBUG")
    yield
    said = [record.getMessage() for phase in ("setup", "call") for record in caplog.get_records(phase)]
    assert "canary" not in str(said)
    assert "@example.com" not in str(said)


async def say(client: httpx.AsyncClient, path: str, form: Mapping[str, str]) -> tuple[str, str]:
    """Send a form; give where it leads to and what stands there."""
    sent = await client.post(path, data=dict(form))
    assert sent.status_code == 303
    page = await client.get(sent.headers["location"])
    assert "canary" not in page.text
    return sent.headers["location"], page.text


async def test_a_lost_answer_is_told_for_what_it_is(trouble: Trouble) -> None:
    """Where the password may have been changed, the visitor is asked to try it, also after a second click."""
    async with trouble.visit(cut(), otherwise=refuse("ExpiredCodeException")) as visitor:
        for _ in range(2):
            path, text = await say(visitor, RESET, form_of("lost"))
            assert path == "/sign-in"
            assert "Your password may have been changed" in text
            assert "Try to sign in with the new one." in text


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("LimitExceededException", "Too many attempts"),
        ("TooManyFailedAttemptsException", "Try again in 15 minutes."),
        ("InvalidPasswordException", "The code was not accepted"),
        ("PasswordHistoryPolicyViolationException", "The code was not accepted"),
        ("UserNotFoundException", "The code was not accepted"),
    ],
)
async def test_refusals_have_their_words(trouble: Trouble, code: str, told: str) -> None:
    """Each refusal of the service has a text of the site's own; what would tell who exists looks like a wrong code."""
    async with trouble.visit(otherwise=refuse(code)) as visitor:
        path, text = await say(visitor, RESET, form_of(code))
        assert path == RESET
        assert told in text


@pytest.mark.parametrize("path", ["/confirm-sign-up/resend", "/sign-up"])
async def test_what_the_service_refuses_to_read_does_not_tell_who_exists(trouble: Trouble, path: str) -> None:
    """A user who is confirmed already, of whom the service says that the parameter is invalid, looks like any other."""
    refused = refuse("InvalidParameterException")
    async with trouble.visit(refused) as visitor:
        _, text = await say(visitor, path, form_of("confirmed"))
    assert "on our side" not in text
    if path.endswith("resend"):
        async with trouble.visit(refuse("UserNotFoundException")) as visitor:
            _, other = await say(visitor, path, form_of("confirmed"))
        assert text == other


ODD = "multipart/form-data; boundary=x; charset=unicode_escape"


@pytest.mark.parametrize("name", ["username", "code", "password"])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-up", "/confirm-sign-up", "/confirm-sign-up/resend", RESET])
async def test_half_a_character_is_a_bad_form(trouble: Trouble, path: str, name: str) -> None:
    """A form whose character set makes halves of characters is refused, and does not break the pages after it."""
    fields = {**form_of("half"), name: r"Abcdef-1\ud800x"}
    parts = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}' for key, text in fields.items()]
    body = "\r\n".join([*parts, "--x--", ""])
    async with trouble.visit() as visitor:
        sent = await visitor.post(path, content=body, headers={"Content-Type": ODD})
        asked = {"/sign-in": {"username", "password"}, "/sign-up": {"username", "password"}, RESET: {*fields}}
        unread = name not in asked.get(path, {"username"} if path.endswith("resend") else {"username", "code"})
        assert sent.status_code == (303 if unread else 400)
        assert (await visitor.get(RESET)).status_code == 200


async def test_what_the_site_can_not_know_is_for_the_operator(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody has seen yet is told to the visitor in general, and to the log in the service's words."""
    async with trouble.visit(otherwise=refuse("SomethingNewException", "what the operator needs")) as visitor:
        path, text = await say(visitor, RESET, form_of("new"))
    assert path == RESET
    assert "Something is wrong on our side" in text
    assert "what the operator needs" not in text
    assert "what the operator needs" in caplog.text


async def test_a_refusal_may_be_tried_again_at_once(trouble: Trouble) -> None:
    """Only what worked, or may have, stands for a minute: the same form after a refusal is a new try."""
    async with trouble.visit(refuse("CodeMismatchException")) as visitor:
        assert (await say(visitor, RESET, form_of("again")))[0] == RESET
        assert (await say(visitor, RESET, form_of("again")))[0] == "/sign-in"


async def test_a_second_factor_is_named(trouble: Trouble) -> None:
    """An account that needs more than a password is told so, instead of an error."""
    async with trouble.visit(answer({"ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "x" * 20})) as visitor:
        path, text = await say(visitor, "/sign-in", form_of("factor"))
        assert path == "/sign-in"
        assert "Your account asks for one more step" in text


async def test_signing_out_works_without_the_service(trouble: Trouble) -> None:
    """Where the tokens can't be revoked, the visitor leaves all the same."""
    tokens = answer({"AuthenticationResult": {"AccessToken": "a" * 40, "RefreshToken": "r" * 40, "ExpiresIn": 3600}})
    async with trouble.visit(tokens, otherwise=refuse("NotAuthorizedException")) as visitor:
        assert (await visitor.post("/sign-in", data=dict(form_of("out")))).headers["location"] == "/account"
        path, text = await say(visitor, "/sign-out", {})
        assert path == "/sign-in"
        assert "You are signed out" in text
        assert (await visitor.get("/account")).headers["location"] == "/sign-in"


async def test_a_session_ends_at_a_new_password_whatever_name_it_was_begun_with(trouble: Trouble) -> None:
    """Who signed in by one name of the user is signed out when another name is used for the reset."""
    claims = urlsafe_b64encode(json.dumps({"sub": "1f2e", "email": "Names@example.com"}).encode()).decode().rstrip("=")
    tokens = {"AccessToken": "a" * 40, "IdToken": f"e30.{claims}.c2ln", "ExpiresIn": 3600}
    shown = answer({"Username": "1f2e", "UserAttributes": []})
    async with trouble.visit(answer({"AuthenticationResult": tokens}), otherwise=shown) as visitor:
        await visitor.post("/sign-in", data={**form_of("x"), "username": "1f2e"})
        assert (await visitor.get("/account")).status_code == 200
        async with trouble.visit() as other:
            assert (await say(other, RESET, form_of("names")))[0] == "/sign-in"
        assert (await visitor.get("/account")).status_code == 303


async def test_who_is_just_being_let_in_is_not_after_a_reset(trouble: Trouble) -> None:
    """A sign-in with the old password that was on its way when the password changed begins no session."""
    tokens = answer({"AuthenticationResult": {"AccessToken": "a" * 40, "ExpiresIn": 3600}})

    arrived = asyncio.Event()

    async def either(connection: Connection) -> None:
        assert connection.request is not None
        signs_in = connection.request.headers["x-amz-target"].endswith("InitiateAuth")
        arrived.set()
        await (tokens if signs_in else answer({"Username": "late", "UserAttributes": []}))(connection)

    async with trouble.visit(otherwise=either) as visitor, trouble.site.visitor() as other:
        form = dict(form_of("late"))
        resetting = asyncio.ensure_future(visitor.post(RESET, data=form))
        await arrived.wait()
        late = await other.post("/sign-in", data=form)
        await resetting
        assert late.headers["location"] == "/sign-in"
        assert (await other.get("/account")).status_code == 303
        assert (await other.post("/sign-in", data=form)).headers["location"] == "/account"


@pytest.mark.parametrize("code", ["UserLambdaValidationException", "UnexpectedLambdaException"])
async def test_a_function_of_the_pool_does_not_tell_who_signs_in(trouble: Trouble, code: str) -> None:
    """It runs only for users who exist, or only for those who do not: its refusal looks like any other."""
    async with trouble.visit(refuse(code), refuse("NotAuthorizedException")) as visitor:
        told = [await say(visitor, "/sign-in", form_of("function")) for _ in range(2)]
    assert told[0] == told[1]


async def test_who_only_looks_leaves_no_trace(trouble: Trouble) -> None:
    """However many come to look, what a visitor has typed is not forgotten for their sake."""
    async with trouble.visit(refuse("CodeMismatchException")) as visitor:
        sent = await visitor.post(RESET, data=dict(form_of("kept")))
        before = len(trouble.site.state["site"].visits)
        async with trouble.site.visitor() as crowd:
            for _ in range(20):
                crowd.cookies.clear()
                await crowd.get("/sign-in")
                await crowd.get("/account")
        assert len(trouble.site.state["site"].visits) == before
        page = await visitor.get(sent.headers["location"])
        assert "kept@example.com" in page.text


async def test_an_account_that_can_not_be_read_is_an_error_page(trouble: Trouble) -> None:
    """Where the service fails while the account is shown, the page says when to come back, and the session stays."""
    tokens = answer({"AuthenticationResult": {"AccessToken": "a" * 40, "ExpiresIn": 3600}})
    async with trouble.visit(tokens, otherwise=refuse("InternalErrorException")) as visitor:
        await visitor.post("/sign-in", data=dict(form_of("page")))
        page = await visitor.get("/account")
        assert (page.status_code, page.headers["retry-after"]) == (503, "30")
        trouble.otherwise = answer({"Username": "page", "UserAttributes": []})
        assert (await visitor.get("/account")).status_code == 200


async def test_a_throttled_visitor_is_told_when_to_come_back() -> None:
    """Where the service has too much to do, the page names the seconds."""
    async with troubled() as trouble, trouble.visit(otherwise=refuse("TooManyRequestsException")) as visitor:
        path, text = await say(visitor, RESET, form_of("throttled"))
        assert path == RESET
        assert "Nothing was changed." in text
        assert "Try again in 5 seconds." in text


async def test_with_a_client_secret_all_refusals_look_alike() -> None:
    """Where only the site can ask the service, the site does not pass on what it says about a user."""
    codes = ("NotAuthorizedException", "UserNotConfirmedException", "PasswordResetRequiredException")
    async with troubled(**SECRET) as trouble, trouble.visit(*map(refuse, codes)) as visitor:
        told = [await say(visitor, "/sign-in", form_of("alike")) for _ in codes]
    assert len(set(told)) == 1
    assert "That did not work" in told[0][1]
