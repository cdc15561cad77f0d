"""A user pool in this process, for tests of sign-in, tokens and devices; see ``FakeCognito``."""

from cognito_async.testing.fake_cognito.pool import FakeAppClient, FakeDevice, FakeUser, SentCode
from cognito_async.testing.fake_cognito.server import FakeCognito, ReceivedRequest

__all__ = ["FakeAppClient", "FakeCognito", "FakeDevice", "FakeUser", "ReceivedRequest", "SentCode"]
