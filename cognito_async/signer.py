"""Sign requests, correcting clock skew."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from cognito_async.credentials import CredentialsResolver
from cognito_async.errors import CognitoError, CredentialsError
from cognito_async.protocol.operation import Operation
from cognito_async.protocol.signing import sign
from cognito_async.protocol.wire import HttpRequest

CLOCK_SKEW_CODES = frozenset(
    {"AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)
TOLERATED_SKEW = timedelta(minutes=4)


class Signer:
    """Sign requests with the session's credentials, by the service's clock.

    Attributes:
        clock_offset: The time to add to the local clock.
    """

    def __init__(self, credentials: CredentialsResolver) -> None:
        self._credentials = credentials
        self.clock_offset: timedelta = timedelta()

    async def headers(
        self, operation: Operation, headers: dict[str, str], url: str, region: str | None, body: bytes
    ) -> dict[str, str]:
        """Return the headers of an attempt, signed if the operation requires it.

        Raises:
            CredentialsError: There are no valid credentials, or no region to sign for.
        """
        if operation.signed is False:
            return headers
        request = HttpRequest(url, headers, body)
        del headers, body  # tracebacks with locals show the request object, whose repr has no body
        credentials = self._credentials.at_hand() if operation.signed is None else await self._credentials.resolve()
        if credentials is None:
            return request.headers
        if region is None:
            raise CredentialsError(
                f"{operation.name} is signed, which needs a region: pass AsyncCognitoSession('eu-west-1', …)"
            )
        now = datetime.now(UTC) + self.clock_offset
        return sign(request.url, request.headers, request.body, credentials, region, now)

    def corrects_clock(self, error: CognitoError, signed_with: timedelta) -> bool:
        """Take over the service's time if it refused a signature and the clocks differ.

        Args:
            error: The refusal.
            signed_with: The offset that the refused attempt was signed with; another call may have corrected it since.

        Returns:
            True if the correction makes another try worth it.
        """
        if error.code not in CLOCK_SKEW_CODES or error.server_date is None:
            return False
        try:
            offset = parsedate_to_datetime(error.server_date) - datetime.now(UTC)
        except (ValueError, TypeError):
            return False
        if abs(offset - signed_with) < TOLERATED_SKEW:
            return False
        self.clock_offset = offset
        return True

    async def close(self) -> None:
        """Cancel a credentials lookup in progress."""
        await self._credentials.close()
