"""Defaults for rows that the tables lack: never less safe than the reviewed rows."""

import pytest

from cognito_async.protocol.secret_names import is_secret_name
from tools.defaults import operation_row, words
from tools.model import Reader, load_model

READER = Reader(load_model())
NOUNS = READER.tables["families"]["nouns"]
ROWS = READER.tables["operations"]


@pytest.mark.parametrize("name", ROWS)
def test_default_repeats_only_reviewed_repeatable_operations(name: str) -> None:
    """What the default retries after an ambiguous attempt is retried by the reviewed row, too."""
    default = operation_row(name, READER.model, NOUNS)
    if default["idempotency"] == "idempotent":
        assert ROWS[name]["idempotency"] in {"idempotent", "one_time"}
    else:
        assert default["how_to_verify"].endswith(".")


def test_default_families_are_mostly_the_reviewed_ones() -> None:
    """The family only decides about the module, so that a few may differ."""
    families = [operation_row(name, READER.model, NOUNS)["family"] == row["family"] for name, row in ROWS.items()]
    assert sum(families) / len(families) > 0.75
    assert set(NOUNS) <= set(READER.families)


def test_default_summaries_are_unique_sentences() -> None:
    """Each starts with a capital letter and ends with a period."""
    summaries = [operation_row(name, READER.model, NOUNS)["summary"] for name in ROWS]
    assert len(set(summaries)) == len(summaries)
    for summary in summaries:
        assert summary[0].isupper()
        assert summary.endswith(".")
        assert len(summary.split()) > 1


def test_secrets_by_name_agree_with_the_reviewed_table() -> None:
    """No reviewed member is secret by its name alone, so that each report is about a new member."""
    READER.service()
    assert READER.unreviewed_secrets == set()
    for wire_name in ("Password", "ClientSecret", "AccessToken", "ConfirmationCode", "UserCode", "Session", "Salt"):
        assert is_secret_name(wire_name)


@pytest.mark.parametrize(
    "name",
    [
        *("NewPassword", "new_password", "SMS_MFA_CODE", "SECRET_HASH", "PrivateKey", "api_key", "clientsecret"),
        *("RecoveryCodes", "OneTimeToken", "PASSWORD_CLAIM_SECRET_BLOCK", "SECRETHash", "Pin", "Credential"),
    ],
)
def test_name_of_a_secret_is_recognised(name: str) -> None:
    """In any spelling."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("ClientSecretArn", "ClientSecretId", "TokenType", "PasswordPolicy", "NextToken", "PaginationToken"),
        *("AccessTokenValidity", "TokenValidityUnits", "SessionId", "Username", "Monkey", "Encode", "Shipping", ""),
    ],
)
def test_name_of_a_description_is_not_secret(name: str) -> None:
    """Page tokens, identifiers and settings grant no access."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ClientSecret", "client secret"),
        ("CIMDPolicies", "CIMD policies"),
        ("ClientMetadataURLs", "client metadata URLs"),
        ("S3Configuration", "S 3 configuration"),
    ],
)
def test_words_of_a_name(name: str, expected: str) -> None:
    """Acronyms keep their capitals."""
    assert words(name) == expected
