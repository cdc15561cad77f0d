"""The proof that a call comes from an app client that has a secret."""

import hmac
from base64 import b64encode


def secret_hash(client_secret: str, username: str, client_id: str) -> str:
    """Compute an app client's secret hash for one user.

    Args:
        client_secret: The app client's secret.
        username: The user's name, just as the call gives it.
        client_id: The app client's id.

    Returns:
        Base64 of HMAC-SHA256, keyed with the secret, over the user name followed by the client id.
    """
    # "surrogatepass": a broken user name is for validation to refuse, by name, not for a codec.
    return b64encode(
        hmac.digest(
            client_secret.encode(errors="surrogatepass"),
            (username + client_id).encode(errors="surrogatepass"),
            "sha256",
        )
    ).decode("ascii")
