"""The pytest plugin, in the projects of its users."""

import pytest

from cognito_async.testing.environment import environment_folder

pytest_plugins = ["pytester"]

CACHE = environment_folder().parent.parent

ASYNC_TEST = """
async def test_client_signs_a_user_up(cognito_client, cognito_pool):
    await cognito_client.sign_up(username="new-{name}@example.com", password="Passw0rd!")
    assert await cognito_pool.code_for("new-{name}@example.com")

async def test_users_have_their_state(cognito_users, cognito_client):
    user = await cognito_users("ada@example.com", state="FORCE_CHANGE_PASSWORD")
    found = await cognito_client.admin_get_user(username=user.email)
    assert found.user_status == "FORCE_CHANGE_PASSWORD"

async def test_users_are_deleted_after_their_test(cognito_users):
    await cognito_users("ada@example.com")

async def test_client_of_the_fake_signs_a_user_in(fake_client, fake_cognito, fake_environ):
    fake_cognito.create_user("ada", password="Passw0rd!")
    done = await fake_client.sign_in(username="ada", password="Passw0rd!")
    verifier = fake_cognito.issuer.verifier(client_ids={{fake_environ["COGNITO_CLIENT_ID"]}})
    assert (await verifier.verify(done.tokens.access_token)).username == "ada"
"""

SYNC_TEST = """
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from cognito_async import ParameterValidationError, UsernameExistsException
from cognito_async.fastapi import Cognito, CognitoDep, CurrentUser

def test_application_reads_the_variables(cognito_environ, cognito_users):
    app = FastAPI(lifespan=Cognito().lifespan)

    @app.post("/forgot")
    async def forgot(cognito: CognitoDep) -> None:
        await cognito.forgot_password(username="grace@example.com")

    cognito_users.create("grace@example.com")
    with TestClient(app) as client:
        assert client.post("/forgot").status_code == 200

def test_users_of_others_stay(cognito_pool, cognito_users):
    TestUsers = type(cognito_users)
    TestUsers(cognito_pool).create("alan@example.com")
    with pytest.raises(UsernameExistsException):
        cognito_users.create("alan@example.com")

def test_the_user_stayed(cognito_users):
    with pytest.raises(UsernameExistsException):
        cognito_users.create("alan@example.com")

def test_unknown_states_are_refused(cognito_users):
    with pytest.raises(ParameterValidationError):
        cognito_users.create(state="confirmed")

def test_application_of_the_fake_reads_the_variables(fake_environ, fake_cognito):
    app = FastAPI(lifespan=Cognito().lifespan)

    @app.get("/me")
    async def me(user: CurrentUser) -> str | None:
        return user.username

    assert fake_cognito.endpoint_url.startswith("http://127.0.0.1:")
    headers = {"Authorization": f"Bearer {fake_cognito.issuer.access_token(username='grace')}"}
    with TestClient(app) as client:
        assert client.get("/me", headers=headers).json() == "grace"
"""

OTHER_SETTINGS = {
    **dict.fromkeys(("COGNITO_ENDPOINT_URL", "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER"), "http://127.0.0.1:9"),
    **dict.fromkeys(
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"), "true"
    ),
    "COGNITO_REGION": "us-east-1",
    "COGNITO_CLIENT_SECRET": "another",
    "AWS_SESSION_TOKEN": "another",
    "http_proxy": "http://127.0.0.1:9",
    "no_proxy": "example.com",
}

MODES = {
    "asyncio auto, function loop": "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function",
    "asyncio auto, session loop": (
        "asyncio_mode = auto\nasyncio_default_test_loop_scope = session\nasyncio_default_fixture_loop_scope = session"
    ),
    "asyncio strict, function loop": "asyncio_mode = strict\nasyncio_default_fixture_loop_scope = function",
    "asyncio strict, session loop": (
        "asyncio_mode = strict\nasyncio_default_test_loop_scope = session\nasyncio_default_fixture_loop_scope = session"
    ),
    "anyio": "addopts = -p no:asyncio",
}
MARKS = {
    "asyncio auto": "",
    "asyncio strict": "import pytest\npytestmark = pytest.mark.asyncio\n",
    "anyio": (
        "import pytest\npytestmark = pytest.mark.anyio\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    ),
}


@pytest.fixture(autouse=True)
def _emulator_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache folder: ``pytester`` sets another home folder, where the emulator would be installed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))


@pytest.mark.parametrize("mode", MODES)
def test_fixtures_work_in_every_mode(mode: str, pytester: pytest.Pytester) -> None:
    """Of pytest-asyncio and anyio, with warnings as errors."""
    pytester.makeini(f"[pytest]\nfilterwarnings = error\n{MODES[mode]}")
    pytester.makepyfile(MARKS[mode.partition(",")[0]] + ASYNC_TEST.format(name=mode.replace(" ", "").replace(",", "")))
    pytester.runpytest_subprocess().assert_outcomes(passed=4)


def test_fixtures_work_in_synchronous_tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the test client of FastAPI, which runs the application in a separate thread, and other settings around."""
    for name, value in OTHER_SETTINGS.items():
        monkeypatch.setenv(name, value)
    pytester.makepyfile(SYNC_TEST)
    pytester.runpytest_subprocess("-p", "no:asyncio").assert_outcomes(passed=5)


def test_plugin_starts_nothing_for_tests_that_do_not_use_it(pytester: pytest.Pytester) -> None:
    """The package's modules are not even imported."""
    pytester.makepyfile("import sys\n\ndef test_imports():\n    assert 'aiohttp' not in sys.modules")
    pytester.runpytest_subprocess("-p", "no:asyncio").assert_outcomes(passed=1)
