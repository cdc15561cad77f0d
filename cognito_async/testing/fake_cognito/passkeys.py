"""Passkeys at the fake user pool: request options, the browser's credential and a partial check of it."""

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cognito_async.protocol.shapes import JsonValue
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


def passkey_credential(options: Mapping[str, Any], credential_id: str | None) -> dict[str, JsonValue]:
    """Return the credential of a browser, as JSON; see ``FakeCognito.passkey_credential``."""
    registers = "user" in options
    if credential_id is None:
        allowed = [entry["id"] for entry in options.get("allowCredentials") or ()]
        if not allowed and not registers:
            raise LookupError("the options allow no passkey: create the user with passkeys=[...]")
        credential_id = secrets.token_urlsafe(16) if registers else allowed[0]
    relying_party = options["rp"]["id"] if registers else options["rpId"]
    client_data = {
        "type": "webauthn.create" if registers else "webauthn.get",
        "challenge": options["challenge"],
        "origin": f"https://{relying_party}",
    }
    results = ("attestationObject",) if registers else ("authenticatorData", "signature")
    response: dict[str, JsonValue] = {name: _encode(name.encode()) for name in results}
    response["clientDataJSON"] = _encode(json.dumps(client_data).encode())
    credential: dict[str, JsonValue] = {"id": credential_id, "rawId": credential_id, "type": "public-key"}
    return credential | {"response": response, "clientExtensionResults": {}}


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


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
