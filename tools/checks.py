"""Hold the tables against the model: what they lack, and what they say about nothing."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.model import Reader


class ModelError(Exception):
    """The model and the tables disagree; the text says which row to add or remove."""


def check_tables(reader: "Reader") -> None:
    """Refuse tables that lack a row, or have one about nothing, which would otherwise be ignored."""
    rows, modelled = set(reader.rows), set(reader.model["operations"])
    if rows != modelled:
        raise ModelError(f"operations.toml lacks {sorted(modelled - rows)} and has {sorted(rows - modelled)} too many")
    for name, row in reader.rows.items():
        _check_row(name, row, {"family": reader.families, "category": reader.rates})
    nested = reader.reachable("input") | reader.reachable("output")
    if nested - set(reader.types):
        raise ModelError(f"types.toml lacks {sorted(nested - set(reader.types))}")
    members = {f"{owner}.{name}" for owner, shape in reader.shapes.items() for name in shape.get("members", ())}
    bound = {rule: reader.binding[rule] for rule in ("client_secret", "secret_hash_in_map")}
    named = {
        "secrets.toml": (reader.secrets, members),
        "bounds.toml": (set(reader.bounds), members),
        "binding.toml, optionally_signed,": (set(reader.binding["optionally_signed"]["operations"]), modelled),
        **{f"binding.toml, {rule},": (_inputs(rows), members) for rule, rows in bound.items()},
    }
    for where, (given, known) in named.items():
        if given - known:
            raise ModelError(f"{where} has {sorted(given - known)} too many")


def _check_row(name: str, row: dict[str, Any], known: dict[str, Any]) -> None:
    for wanted in ("family", "summary", "idempotency"):
        if not row.get(wanted):
            raise ModelError(f"operations.toml lacks {name}.{wanted}")
    for field_name, values in known.items():
        if field_name in row and row[field_name] not in values:
            raise ModelError(f"operations.toml: {name}.{field_name} is {row[field_name]!r}, which no table knows")


def _inputs(rows: dict[str, str]) -> set[str]:
    return {f"{operation}Request.{member}" for operation, member in rows.items()}
