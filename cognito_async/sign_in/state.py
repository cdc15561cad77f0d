"""The state of a challenge as text, to answer it in another request or process."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from typing import Any, Final, cast

from cognito_async.client import CognitoClient
from cognito_async.protocol.wire import from_json, to_json
from cognito_async.sign_in.devices import Device
from cognito_async.sign_in.flow import MAX_CHALLENGES, Flow, Step, device_rule

VERSION: Final = "1"
MAX_LENGTH: Final = 256 * 1024
KEPT: Final = ("admin", "username", "has_user_id", "device_key", "remember_device", "challenges")
"""The attributes of the flow that a state holds."""


def dump(step: Step, omitted: Collection[str] = ()) -> str:
    """Return the state: all that an answer needs except for the client, the device and the user's context.

    ``omitted`` are names of parameters that are left out.
    """
    flow = step.flow
    content = {
        **{name: getattr(flow, name) for name in KEPT},
        "client_id": flow.client.bound.client_id,
        "client_metadata": dict(flow.context.get("client_metadata") or {}),
        "name": step.name,
        "parameters": {name: value for name, value in step.parameters.items() if name not in omitted},
        "available": list(step.available),
        "session": step.session,
    }
    text = to_json(content, ensure_ascii=False) or ""
    return f"{VERSION}.{urlsafe_b64encode(text.encode(errors='surrogatepass')).decode()}"


def load(client: CognitoClient, state: object, device: Device | None, user_context: object) -> Step | None:
    """Return the challenge of a state; None if it is unreadable, of another app client, or the device is invalid."""
    content = _parsed(state)
    if content is None or content["client_id"] != client.bound.client_id or device_rule(device) is not None:
        return None
    kept = {name: content[name] for name in KEPT}
    if device is not None:
        kept["device_key"] = device.key
    context = {
        "client_metadata": content["client_metadata"] or None,
        "context_data" if content["admin"] else "user_context_data": user_context,
    }
    return Step(
        Flow(client=client, device=device, context=context, **kept),
        content["name"],
        parameters=content["parameters"],
        available=tuple(content["available"]),
        session=content["session"],
    )


def _parsed(state: object) -> dict[str, Any] | None:
    """Return the content of a state; None if it is unreadable."""
    if not isinstance(state, str) or len(state) > MAX_LENGTH:
        return None
    version, _, encoded = state.partition(".")
    try:
        value = from_json(urlsafe_b64decode(encoded).decode(errors="surrogatepass"))
    except ValueError:
        return None
    if version != VERSION or not isinstance(value, dict):
        return None
    content = cast("dict[str, Any]", value)
    if content.keys() != _TYPES.keys() or any(type(content[name]) not in kinds for name, kinds in _TYPES.items()):
        return None
    texts = [*content["parameters"].values(), *content["available"], *content["client_metadata"].values()]
    is_valid = 1 <= content["challenges"] <= MAX_CHALLENGES and all(isinstance(text, str) for text in texts)
    return content if is_valid else None


_NONE: Final = type(None)
_TYPES: Final = {
    "admin": (bool,),
    "username": (str,),
    "has_user_id": (bool,),
    "device_key": (str, _NONE),
    "remember_device": (bool,),
    "challenges": (int,),
    "client_id": (str, _NONE),
    "client_metadata": (dict,),
    "name": (str,),
    "parameters": (dict,),
    "available": (list,),
    "session": (str, _NONE),
}
