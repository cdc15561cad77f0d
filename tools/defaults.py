"""Rows for what the tables lack: safe defaults, made from the names and shapes of the service model."""

import re
from typing import Any

from cognito_async.protocol.idempotency import idempotency_by_name
from cognito_async.protocol.secret_names import is_secret_name

_NAME = re.compile(r"(?P<admin>Admin(?=[A-Z]))?(?P<verb>[A-Z][a-z]+)(?P<noun>\w*)")
GONE = "ResourceNotFoundException"


def words(name: str) -> str:
    """Return a name as words: ``"client secret"`` for ``ClientSecret``, with acronyms as they are."""
    parts = re.findall(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+|\d+", name)
    return " ".join(part if part[:2].isupper() else part.lower() for part in parts)


def operation_row(name: str, model: dict[str, Any], nouns: dict[str, list[str]]) -> dict[str, Any]:
    """Return the row of an operation.

    Args:
        name: The AWS name.
        model: The service model.
        nouns: The parts of names that decide about the family, by family.
    """
    operation, shapes = model["operations"][name], model["shapes"]
    received = shapes[operation["output"]["shape"]]["members"] if "output" in operation else {}
    declared = [error["shape"] for error in operation["errors"]]
    row: dict[str, Any] = {
        "family": _family(name, shapes[operation["input"]["shape"]]["members"], nouns),
        "summary": _summary(name),
        "idempotency": "sends_message",
    }
    if re.match(r"(?:Admin)?Delete[A-Z]", name) and not received:
        row["idempotency"] = "idempotent"
        row["gone"] = [GONE] if GONE in declared else []
    elif idempotency_by_name(name).kind == "idempotent" and not any(map(_is_handed_out, received)):
        row["idempotency"] = "idempotent"
    if row["idempotency"] != "idempotent":
        row["reason"] = "not reviewed: a repetition may have an effect of its own"
        row["how_to_verify"] = _how_to_verify(name, model["operations"])
    return row


def _family(name: str, sent: dict[str, Any], nouns: dict[str, list[str]]) -> str:
    for family, parts in nouns.items():
        if any(part in name for part in parts):
            return family
    by_member = {"AccessToken": "self_service", "Username": "user_administration"}
    return next((family for member, family in by_member.items() if member in sent), "pool_settings")


def _summary(name: str) -> str:
    found = _NAME.fullmatch(name)
    if not found or not found["noun"]:
        return f"Call the operation {name}."
    return f"{found['verb']} the {words(found['noun'])}{' as an administrator' if found['admin'] else ''}."


def _is_handed_out(member: str) -> bool:
    """Return whether a response with this member issues tokens or reports a sent code, so that it is not a read."""
    return is_secret_name(member) or member == "AuthenticationResult" or member.startswith("CodeDelivery")


def _how_to_verify(name: str, operations: dict[str, Any]) -> str:
    found = _NAME.fullmatch(name)
    noun = found["noun"] if found else ""
    read = next((read for verb in ("Describe", "Get") if noun and (read := f"{verb}{noun}") in operations), None)
    return f"Look at the result of {read}." if read else f"Check the effect of {name} before you call it again."
