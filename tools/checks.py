"""Compare the tables with the model: rows to review, rows about nothing in the model, and invalid rows."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cognito_async.errors.faults import CODES

if TYPE_CHECKING:
    from tools.model import Reader, Service


class ModelError(Exception):
    """There is no model, or a row of the tables is invalid; the message names it."""


def check_values(reader: "Reader") -> None:
    """Raise ModelError if a row has an unknown family, quota category or idempotency."""
    kinds = {"idempotent", "one_time", "sends_message", "unsafe"}
    valid: dict[str, Any] = {"family": reader.families, "category": reader.rates, "idempotency": kinds}
    for name, row in reader.rows.items():
        for field, values in valid.items():
            if field in row and row[field] not in values:
                raise ModelError(f"operations.toml: {name}.{field} is {row[field]!r}, which is unknown")


def to_review(reader: "Reader", service: "Service") -> Iterator[str]:
    """Yield a line for each new operation and for each table that lacks rows, with the defaults in use."""
    for operation in service.operations:
        lacking = {"family", "summary", "idempotency"} - set(reader.tables["operations"].get(operation.name, ()))
        if lacking:
            found = {"family": operation.family, "idempotency": operation.idempotency, "summary": operation.summary}
            facts = [f"{field} {found[field]}" for field in found if field in lacking]
            facts += ["signed" if operation.signed else "unsigned"]
            facts += [f"secret {member.wire_name}" for member in operation.request.members if member.secret]
            yield f"operations.toml: {operation.name}: {', '.join(facts)}"
    lacking_rows = {
        "types.toml": set(service.nested) - set(reader.tables["types"]),
        "parameters.toml": reader.unreviewed_phrases,
        "secrets.toml (secret by name)": reader.unreviewed_secrets,
        "names.toml": reader.unreviewed_names,
        "cognito_async/errors/faults.py": set(service.errors) - set(CODES),
    }
    yield from (f"{where}: {', '.join(sorted(rows))}" for where, rows in lacking_rows.items() if rows)


def stale_rows(reader: "Reader") -> Iterator[str]:
    """Yield a line for each table with rows about nothing in the model; a typo could show a secret or skip a bound."""
    operations, tables = reader.model["operations"], reader.tables
    members = {f"{owner}.{name}" for owner, shape in reader.shapes.items() for name in shape.get("members", ())}
    sent = {f"{name}.{member}" for name in operations for member in reader.sent_members(name)}
    names = {member.partition(".")[2] for member in members}
    rows: dict[str, tuple[Iterable[str], Iterable[str]]] = {
        "operations.toml": (tables["operations"], operations),
        "types.toml": (tables["types"], reader.shapes),
        "parameters.toml, any": (tables["parameters"]["any"], {each.partition(".")[2] for each in sent}),
        "parameters.toml, by_operation": (tables["parameters"]["by_operation"], sent),
        "secrets.toml": (tables["secrets"]["unmarked"]["members"], members),
        "secrets.toml, not_secret": (tables["secrets"]["not_secret"]["names"], names),
        "bounds.toml": (tables["bounds"], members),
        "binding.toml, optionally_signed": (tables["binding"]["optionally_signed"]["operations"], operations),
    }
    for rule in ("client_secret", "secret_hash_in_map"):
        bound = {f"{operation}.{member}" for operation, member in tables["binding"][rule].items()}
        rows[f"binding.toml, {rule}"] = (bound, sent)
    for where, (given, known) in rows.items():
        if set(given) - set(known):
            yield f"{where}: remove {', '.join(sorted(set(given) - set(known)))}, which the model lacks"
