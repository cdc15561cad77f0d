"""Passkeys at the fake user pool: request options and a partial check of the credential."""

import base64
import json
import secrets
from typing import Any

from cognito_async.testing.fake_cognito.pool import Refusal


def request_options(credential_ids: list[str], relying_party: str) -> str:
    """Return PublicKeyCredentialRequestOptions as JSON, with a fresh challenge."""
    return json.dumps(
        {
            "challenge": secrets.token_urlsafe(32),
            "timeout": 180_000,
            "rpId": relying_party,
            "allowCredentials": [{"type": "public-key", "id": name, "transports": []} for name in credential_ids],
            "userVerification": "preferred",
        }
    )


def verify_assertion(credential: str, options: str, credential_ids: list[str]) -> None:
    """Check an AuthenticationResponseJSON: its form, credential ID, type and challenge, but not its signature."""
    try:
        parsed = json.loads(credential)
        response: dict[str, Any] = parsed["response"]
        client_data = json.loads(_decode(response["clientDataJSON"]))
        complete = all(_decode(response[name]) for name in ("authenticatorData", "signature"))
        form = (parsed["type"], parsed["id"], client_data["type"])
        challenge = client_data["challenge"]
    except (KeyError, TypeError, ValueError):
        raise Refusal(
            "InvalidParameterException", "Invalid CREDENTIAL. Must be an AuthenticationResponseJSON."
        ) from None
    if not complete or form != ("public-key", form[1], "webauthn.get") or form[1] not in credential_ids:
        raise Refusal("NotAuthorizedException", "Invalid credential.")
    if challenge != json.loads(options)["challenge"]:
        raise Refusal("NotAuthorizedException", "Invalid credential.")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
