"""Filters of ListUsers are checked before they are sent."""

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_async import ParameterValidationError
from cognito_async import operations as ops
from cognito_async.protocol.filters import SEARCHABLE_ATTRIBUTES, broken_filter
from cognito_async.protocol.validation import validate
from cognito_async.protocol.wire import encode
from tests.support.scripted_transport import ScriptedTransport, scripted_session

POOL = "eu-west-1_AbC"


@pytest.mark.parametrize(
    "text",
    [
        *(f'{name} {operator} "value"' for name in SEARCHABLE_ATTRIBUTES for operator in ("=", "^=")),
        *('email="ada@example.com"', 'email ^="ada"', '  email  =  "ada"  ', 'email\n=\t"ada"', 'email = ""'),
        *(r'family_name = "O\"Reilly"', r'name = "back\\slash"', 'name = "a = b"', 'name = "ä 日 😀"', "", "   "),
        *('cognito:user_status = "CONFIRMED"', 'status = "Enabled"', 'Email = "ada@example.com"'),
    ],
)
def test_valid_filters(text: str) -> None:
    """All attributes and operators of the documentation, and whitespace around them."""
    assert broken_filter(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("email ^= user0", "email", "email =", 'email "ada"', '= "ada"', '"ada"', "email = 'ada'", 'email = "ada'),
        *('email == "ada"', 'email != "ada"', 'email $= "ada"', 'email < "ada"', 'email ~ "ada"', 'email =^ "ada"'),
        *('email = "a" and name = "b"', 'email = "a" name = "b"', 'email = "a"b"', r'email = "a\"', 'not email = "a"'),
    ],
)
def test_filters_of_another_form_are_refused(text: str) -> None:
    """One attribute, one operator, and a value in double quotes."""
    rule = broken_filter(text)
    assert rule is not None
    assert 'attribute ^= "prefix"' in rule


@pytest.mark.parametrize("name", ["custom:tenant", "address", "birthdate", "email_verified", "dev:custom:a", "user"])
def test_attributes_that_are_not_searchable_are_refused(name: str) -> None:
    """The rule lists those that are."""
    rule = broken_filter(f'{name} = "value"')
    assert rule is not None
    for searchable in SEARCHABLE_ATTRIBUTES:
        assert searchable in rule


@given(text=st.text(max_size=50))
def test_any_value_is_valid_once_it_is_escaped(text: str) -> None:
    """A value with quotes and backslashes is escaped with a backslash."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    assert broken_filter(f'email ^= "{escaped}"') is None


@pytest.mark.parametrize(("length", "is_valid"), [(256, True), (257, False)])
def test_length_is_that_of_the_model(length: int, *, is_valid: bool) -> None:
    """The length is checked before the form."""
    text = f'email = "{"x" * (length - 10)}"'
    assert len(text) == length
    with nullcontext() if is_valid else pytest.raises(ParameterValidationError, match="at most 256 characters"):
        validate(ops.ListUsersRequest(user_pool_id=POOL, filter=text))


async def test_every_way_to_list_users_checks_the_filter() -> None:
    """Nothing is sent, and the error names the parameter but not its value."""
    wrong = "email ^= c4n4ry"
    request = ops.ListUsersRequest(user_pool_id=POOL, filter=wrong)
    transport = ScriptedTransport()
    async with scripted_session(transport) as session:
        client = session.client(user_pool_id=POOL)
        errors: list[ParameterValidationError] = []
        pages = client.iter_list_users(filter=wrong).pages()
        for call in (client.list_users(filter=wrong), client.send(request), session.send(request), anext(pages)):
            with pytest.raises(ParameterValidationError) as caught:
                await call
            errors.append(caught.value)
        for check in (client.prepare, validate, encode):
            with pytest.raises(ParameterValidationError) as caught:
                check(request)
            errors.append(caught.value)
    assert transport.attempts == []
    for error in errors:
        assert (error.parameter, error.operation) == ("filter", "ListUsers")
        assert "c4n4ry" not in str(error)
