"""The secret hash, which proves that a request comes from an app client with a secret."""

import hmac
from base64 import b64encode


def secret_hash(client_secret: str, username: str, client_id: str) -> str:
    """Compute the ``SECRET_HASH`` of a user.

    Args:
        client_secret: The app client secret.
        username: The username as sent in the request.
        client_id: The app client ID.

    Returns:
        Base64 of HMAC-SHA256, keyed with the secret, over the username followed by the app client ID.
    """
    # "surrogatepass": validation rejects an invalid username later, with an error that names the parameter.
    return b64encode(
        hmac.digest(
            client_secret.encode(errors="surrogatepass"),
            (username + client_id).encode(errors="surrogatepass"),
            "sha256",
        )
    ).decode("ascii")
