"""Type checkers prove that a ``match`` of a result is complete, and that a missing case is an error."""

import subprocess
import sys
from pathlib import Path
from typing import assert_never

import pytest

import cognito_async.sign_in
from cognito_async import CognitoClient
from cognito_async.sign_in import (
    CustomChallenge,
    EmailOtpChallenge,
    MfaSetupChallenge,
    NewPasswordRequiredChallenge,
    PasswordChallenge,
    SelectChallenge,
    SelectMfaTypeChallenge,
    SignedIn,
    SignInResult,
    SmsMfaChallenge,
    SmsOtpChallenge,
    SoftwareTokenMfaChallenge,
    UnknownChallenge,
    WebAuthnChallenge,
)
from cognito_async.testing import FakeCognito
from tests.sign_in.support import NAME, PASSWORD

ROOT = Path(__file__).parents[2]


def describe(result: SignInResult) -> str:  # noqa: PLR0911
    """Describe a result; this function type-checks only if the union is closed."""
    match result:
        case SignedIn(username=username):
            return username
        case (
            SmsMfaChallenge(destination=destination)
            | EmailOtpChallenge(destination=destination)
            | SmsOtpChallenge(destination=destination)
        ):
            return f"code sent to {destination}"
        case SoftwareTokenMfaChallenge(device_name=name):
            return f"code of {name}"
        case SelectMfaTypeChallenge(options=options) | SelectChallenge(options=options):
            return " or ".join(options)
        case MfaSetupChallenge(options=options):
            return "set up " + " or ".join(options)
        case NewPasswordRequiredChallenge(required_attributes=names):
            return ", ".join(names)
        case WebAuthnChallenge(request_options=request_options):
            return str(request_options["rpId"])
        case PasswordChallenge() | CustomChallenge() | UnknownChallenge():
            return result.name
    assert_never(result)


async def test_results_match_their_classes(fake: FakeCognito, client: CognitoClient) -> None:
    """At run time, too."""
    fake.create_user(NAME, password=PASSWORD, phone_number="+4915112345678", mfa=["SMS_MFA"])
    assert describe(await client.sign_in(username=NAME, password=PASSWORD)) == "code sent to +*******5678"


INCOMPLETE = """
from typing import assert_never
from cognito_async.sign_in import Challenge, SignInResult, UnknownChallenge

async def answer(result: SignInResult) -> SignInResult:
    if isinstance(result, Challenge) and not isinstance(result, UnknownChallenge):
        return result
    {}
    assert_never(result)
"""


@pytest.mark.parametrize(("case", "complete"), [("if result.tokens: return result", False), ("return result", True)])
def test_missing_case_is_a_type_error(case: str, tmp_path: Path, *, complete: bool) -> None:
    """Of mypy; basedpyright checks the function above."""
    program = tmp_path / "program.py"
    program.write_text(INCOMPLETE.format(case))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={ROOT / '.mypy_cache'}", str(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert (done.returncode == 0) is complete, done.stdout
    assert complete or "UnknownChallenge" in done.stdout


def test_public_names_are_complete_and_show_the_package() -> None:
    """Each class shows the module that users import."""
    names = cognito_async.sign_in.__all__
    assert names == sorted(names, key=lambda name: (name != name.upper(), name))
    union = SignInResult.__args__
    assert {kind.__name__ for kind in union} <= set(names)
    assert len(union) == 13
    for name in set(names) - {"SignInResult", "Tokens"}:
        assert getattr(cognito_async.sign_in, name).__module__ == "cognito_async.sign_in"


def test_import_of_the_client_does_not_load_sign_in() -> None:
    """Nor cryptography."""
    code = (
        "import sys; from cognito_async import AsyncCognitoSession; AsyncCognitoSession('eu-west-1').client('a'); "
        "assert not [n for n in sys.modules if n.startswith('cognito_async.sign_in')]; "
        "import cognito_async.sign_in; assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
