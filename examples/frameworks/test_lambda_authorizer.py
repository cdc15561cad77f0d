"""Tests of the Lambda authorizer."""

from cognito_async.testing import FakeCognito


def test_authorizer(user_pool: FakeCognito) -> None:
    """Access tokens of the pool are accepted."""
    import lambda_authorizer  # noqa: PLC0415 - reads the variables

    token = user_pool.issuer.access_token(username="ada")
    response = lambda_authorizer.handler({"headers": {"authorization": f"Bearer {token}"}}, None)
    assert response["context"]["username"] == "ada"
    assert not lambda_authorizer.handler({"headers": {}}, None)["isAuthorized"]
    lambda_authorizer.runner.run(lambda_authorizer.verifier.close())
