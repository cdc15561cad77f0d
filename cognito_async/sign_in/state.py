"""The state of a challenge as text, to answer it in another request or process."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cognito_async.client import CognitoClient
from cognito_async.protocol.wire import from_json, to_json
from cognito_async.sign_in.devices import Device
from cognito_async.sign_in.flow import MAX_CHALLENGES, Flow, Step

VERSION = "1"
MAX_LENGTH = 256 * 1024


def dump(step: Step) -> str:
    """Return the state: all that an answer needs except for the client, the device and the user's context."""
    flow = step.flow
    content = {
        "client_id": flow.client.bound.client_id,
        "admin": flow.admin,
        "username": flow.username,
        "device_key": flow.device_key,
        "remember_device": flow.remember_device,
        "challenges": flow.challenges,
        "client_metadata": dict(flow.context.get("client_metadata") or {}),
        "name": step.name,
        "parameters": dict(step.parameters),
        "available": list(step.available),
        "session": step.session,
    }
    return f"{VERSION}.{urlsafe_b64encode((to_json(content) or '').encode()).decode()}"


def load(client: CognitoClient, state: object, device: Device | None, user_context: object) -> Step | None:
    """Return the challenge of a state; None if it is unreadable or of another app client."""
    if not isinstance(state, str) or len(state) > MAX_LENGTH or not state.isascii():
        return None
    version, _, encoded = state.partition(".")
    try:
        content: Any = from_json(urlsafe_b64decode(encoded).decode()) if version == VERSION else None
    except ValueError:
        return None
    if not isinstance(content, dict) or not _is_valid(content):
        return None
    if content["client_id"] != client.bound.client_id:
        return None
    kept = {name: content[name] for name in ("admin", "username", "remember_device", "challenges")}
    device_key = content["device_key"] if device is None else device.key
    context = {
        "client_metadata": content["client_metadata"] or None,
        "context_data" if content["admin"] else "user_context_data": user_context,
    }
    return Step(
        Flow(client=client, device=device, device_key=device_key, context=context, **kept),
        content["name"],
        parameters=content["parameters"],
        available=tuple(content["available"]),
        session=content["session"],
    )


def _is_valid(content: dict[str, Any]) -> bool:
    kinds: dict[str, tuple[type, ...]] = {
        "client_id": (str, type(None)),
        "admin": (bool,),
        "username": (str,),
        "device_key": (str, type(None)),
        "remember_device": (bool,),
        "challenges": (int,),
        "client_metadata": (dict,),
        "name": (str,),
        "parameters": (dict,),
        "available": (list,),
        "session": (str, type(None)),
    }
    if content.keys() != kinds.keys() or any(type(content[name]) not in kind for name, kind in kinds.items()):
        return False
    texts = [*content["parameters"].values(), *content["available"], *content["client_metadata"].values()]
    return 1 <= content["challenges"] <= MAX_CHALLENGES and all(isinstance(text, str) for text in texts)
