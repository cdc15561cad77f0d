"""The secret hash, which proves that a request comes from an app client with a secret."""

import hmac
from base64 import b64encode


def secret_hash(client_secret: str, username: str, client_id: str) -> str:
    """Return Base64(HMAC-SHA256(client secret, username + app client ID)), with the username as sent in the request."""
    # "surrogatepass": validation rejects an invalid username later, with an error that names the parameter.
    return b64encode(
        hmac.digest(
            client_secret.encode(errors="surrogatepass"),
            (username + client_id).encode(errors="surrogatepass"),
            "sha256",
        )
    ).decode("ascii")
