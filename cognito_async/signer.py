"""Signs the attempts of operations that want it, by the service's clock."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from cognito_async.credentials import CredentialsResolver
from cognito_async.errors import CognitoError, CredentialsError
from cognito_async.protocol.operation import Operation
from cognito_async.protocol.signing import sign

CLOCK_SKEW_CODES = frozenset(
    {"AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
)
TOLERATED_SKEW = timedelta(minutes=4)


class Signer:
    """Joins the credentials with the time; unsigned operations pass it untouched."""

    def __init__(self, credentials: CredentialsResolver) -> None:
        """Take where the credentials come from; nothing is looked up yet."""
        self._credentials = credentials
        self.clock_offset: timedelta = timedelta()

    async def headers(
        self, operation: Operation, headers: dict[str, str], url: str, region: str | None, body: bytes
    ) -> dict[str, str]:
        """Give the headers of an attempt, signed if the operation is.

        Raises:
            CredentialsError: It must be signed and there are no credentials, or no region to sign for.
        """
        if operation.signed is False:
            return headers
        credentials = self._credentials.at_hand() if operation.signed is None else await self._credentials.resolve()
        if credentials is None:
            return headers
        if region is None:
            raise CredentialsError(
                "a signed call needs a region: give AsyncCognitoSession('eu-west-1', endpoint_url=…)"
            )
        return sign(url, headers, body, credentials, region, datetime.now(UTC) + self.clock_offset)

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
        """End a look-up that is under way."""
        await self._credentials.close()
