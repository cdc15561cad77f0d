"""Check the tables against the model: missing rows, and rows about nothing in the model."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.model import Reader


class ModelError(Exception):
    """The model and the tables disagree; the message names the row to add or remove."""


def check_tables(reader: "Reader") -> None:
    """Raise ModelError if a row is missing, or names something that the model lacks."""
    rows, modelled = set(reader.rows), set(reader.model["operations"])
    if rows != modelled:
        raise ModelError(f"operations.toml: add {sorted(modelled - rows)}, remove {sorted(rows - modelled)}")
    for name, row in reader.rows.items():
        _check_row(name, row, {"family": reader.families, "category": reader.rates})
    nested = reader.reachable("input") | reader.reachable("output")
    if nested - set(reader.types):
        raise ModelError(f"types.toml: add {sorted(nested - set(reader.types))}")
    members = {f"{owner}.{name}" for owner, shape in reader.shapes.items() for name in shape.get("members", ())}
    bound = {rule: reader.binding[rule] for rule in ("client_secret", "secret_hash_in_map")}
    named = {
        "secrets.toml": (reader.secrets, members),
        "bounds.toml": (set(reader.bounds), members),
        "binding.toml, optionally_signed": (set(reader.binding["optionally_signed"]["operations"]), modelled),
        **{f"binding.toml, {rule}": (_inputs(rows), members) for rule, rows in bound.items()},
    }
    for where, (given, known) in named.items():
        if given - known:
            raise ModelError(f"{where}: remove {sorted(given - known)}, which the model lacks")


def _check_row(name: str, row: dict[str, Any], known: dict[str, Any]) -> None:
    for required in ("family", "summary", "idempotency"):
        if not row.get(required):
            raise ModelError(f"operations.toml: add {name}.{required}")
    for field_name, values in known.items():
        if field_name in row and row[field_name] not in values:
            raise ModelError(f"operations.toml: {name}.{field_name} is {row[field_name]!r}, which is unknown")


def _inputs(rows: dict[str, str]) -> set[str]:
    return {f"{operation}Request.{member}" for operation, member in rows.items()}
