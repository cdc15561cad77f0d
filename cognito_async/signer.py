"""Signing of attempts with the current credentials, by the service's clock."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from cognito_async.credentials import CredentialsResolver
from cognito_async.errors import CognitoError, CredentialsError, ServiceError
from cognito_async.protocol.operation import Operation
from cognito_async.protocol.signing import sign

CLOCK_SKEW_CODES = frozenset(
    {"AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)
TOLERATED_SKEW = timedelta(minutes=4)
LARGEST_SKEW = timedelta(days=36_500)  # larger than the skew of a machine that starts in 1970


class Signer:
    """Signs the attempts of a session's operations that need it."""

    def __init__(self, credentials: CredentialsResolver) -> None:
        self._credentials = credentials
        self.clock_offset: timedelta = timedelta()  # the service's time minus the local time, as far as known

    async def headers(
        self, operation: Operation, headers: dict[str, str], url: str, region: str | None, body: bytes
    ) -> dict[str, str]:
        """Return the headers of an attempt, signed unless signing is optional and there are no credentials."""
        known = self._credentials
        credentials = known.without_lookup() if operation.signed is None else await known.resolve()
        if credentials is None:
            return headers
        if region is None:
            raise CredentialsError(
                "signed requests need a region: pass it, AsyncCognitoSession('eu-west-1', endpoint_url=…)"
            )
        return sign(url, headers, body, credentials, region, datetime.now(UTC) + self.clock_offset)

    def sign_again(self, error: CognitoError, signed_with: timedelta) -> bool:
        """Return whether a fresh signature may be accepted, and adopt the service's time if the clocks differ.

        ``signed_with`` is the clock offset of the attempt's signature; another call may have changed it since.
        """
        if error.code not in CLOCK_SKEW_CODES:
            return False
        offset = clock_offset(error.server_date, datetime.now(UTC))
        if offset is not None and abs(offset - signed_with) >= TOLERATED_SKEW:
            self.clock_offset = offset
            return True
        return isinstance(error, ServiceError) and error.signature_expired

    async def close(self) -> None:
        """Cancel a running credentials lookup."""
        await self._credentials.close()


def clock_offset(server_date: str | None, now: datetime) -> timedelta | None:
    """Return how far the time of a Date header is ahead of ``now``; None if the header is missing or unusable."""
    try:
        offset = parsedate_to_datetime(server_date or "") - now
    except (ValueError, TypeError):
        return None
    return offset if abs(offset) < LARGEST_SKEW else None
