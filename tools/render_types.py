"""Render the generated types: requests, responses, nested structures, enumerations, errors and their lazy index."""

from collections.abc import Iterable, Iterator

from cognito_async.protocol.secret_names import is_secret_name
from tools.model import Member, Operation, Service, Structure
from tools.render import HEADER, imports, packed

CLASS = "@structure\n"


def type_files(service: Service) -> dict[str, str]:
    """Render the modules of types.

    Returns:
        The source code by path below ``operations/``.
    """
    homes = _homes(service)
    files = {
        f"{family}.py": _family(service, homes, family, f"{doc[:-1]}: requests, responses and nested types.")
        for family, doc in service.families.items()
    }
    files |= {f"{name}.py": _family(service, homes, name, row["doc"]) for name, row in service.shared.items()}
    files["facts.py"] = _facts(service)
    files["__init__.py"] = _index(service, homes)
    return files


def errors_file(service: Service) -> str:
    """Render the module of the declared errors."""
    declared: dict[str, list[str]] = {name: [] for name in service.errors}
    for operation in service.operations:
        for error in operation.errors:
            declared[error].append(operation.name)
    parts = [HEADER, '"""The errors that the service declares, by their AWS names."""\n\n']
    parts += ["from collections.abc import Mapping\nfrom typing import ClassVar\n\n"]
    parts += [
        "from cognito_async.errors.tree import ServiceError\n\n",
        packed("__all__ = [", map(_quoted, declared), "]"),
    ]
    plain = [name for name, extra in service.errors.items() if not extra]
    # One line each, like the responses without members: the names are what people look for.
    parts.append("\n\n")
    parts += [f'class {name}(ServiceError): """{_declared_by(declared[name])}"""\n' for name in plain]
    parts += [_error(name, extra, declared[name]) for name, extra in service.errors.items() if extra]
    parts.append("\n\nBY_CODE: Mapping[str, type[ServiceError]] = {name: globals()[name] for name in __all__}\n")
    return "".join(parts)


def _declared_by(operations: list[str]) -> str:
    many = 3
    return f"Declared by {f'{len(operations)} operations' if len(operations) > many else ', '.join(operations)}."


def _error(name: str, extra: dict[str, str], operations: list[str]) -> str:
    """Render an error with members beyond the message."""
    pairs = ", ".join(f'"{python}": "{wire}"' for python, wire in extra.items())
    return (
        f'\n\nclass {name}(ServiceError):\n    """{_declared_by(operations)}"""\n\n'
        f"    EXTRA_MEMBERS: ClassVar[Mapping[str, str]] = {{{pairs}}}\n"
        + "".join(
            f'\n    {python}: str | None = None\n    """The response\'s ``{wire}``; None if there is none."""\n'
            for python, wire in extra.items()
        )
    )


def _homes(service: Service) -> dict[str, str]:
    """Return the module of each nested type and enumeration: that of its only family, or a shared one."""
    users: dict[str, set[str]] = {}
    for operation in service.operations:
        roots = [root for root in (operation.request, operation.response) if root is not None]
        nested = [*_closure(service, roots)]
        values = [value for each in (*roots, *(service.nested[name] for name in nested)) for value in each.values]
        for name in (*nested, *values):
            users.setdefault(name, set()).add(operation.family)
    named = {name: home for home, row in service.shared.items() for name in row["types"]}
    rest = [*service.shared][-1]
    return {name: families.pop() if len(families) == 1 else named.get(name, rest) for name, families in users.items()}


def _closure(service: Service, roots: Iterable[Structure | None]) -> Iterator[str]:
    """Yield the nested types of some structures, innermost first, each once."""
    seen: set[str] = set()

    def below(structure: Structure) -> Iterator[str]:
        for name in structure.nested:
            if name not in seen:
                seen.add(name)
                yield from below(service.nested[name])
                yield name

    for root in roots:
        if root is not None:
            yield from below(root)


def _family(service: Service, homes: dict[str, str], family: str, doc: str) -> str:
    operations = [operation for operation in service.operations if operation.family == family]
    roots = [root for op in operations for root in (op.response, op.request)] or [*service.nested.values()]
    names = [*_closure(service, roots)] if operations else _inner_first(service, homes, family)
    values = "".join(_known(name, known) for name, known in service.values.items() if homes.get(name) == family)
    body = [_structure(service.nested[name], "Structure") for name in names if homes[name] == family]
    for operation in operations:
        if operation.response is not None:
            body.append(_structure(operation.response, "Response"))
        response = operation.response.name if operation.response else "None"
        body.append(_structure(operation.request, f"Request[{response}]", _operation(operation)))
    empty = "".join(_empty(operation.empty_response) for operation in operations if operation.empty_response)
    text = (
        (f"\n{values}" if values else "") + "".join(f"\n\n{part}" for part in body) + (f"\n\n{empty}" if empty else "")
    )
    extra = {
        f"cognito_async.operations.{shared}": [name for name, home in homes.items() if home == shared]
        for shared in service.shared
        if shared != family
    }
    return f'{HEADER}"""{doc}"""\n\n{imports(text, extra)}{text}'


def _inner_first(service: Service, homes: dict[str, str], shared_home: str) -> list[str]:
    shared = [service.nested[name] for name, home in homes.items() if home == shared_home and name in service.nested]
    inner = [*_closure(service, shared)]
    return [*inner, *(each.name for each in shared if each.name not in inner)]


def _structure(structure: Structure, base: str, extra: str = "") -> str:
    members = "".join(_field(member) for member in structure.members)
    return f'{CLASS}class {structure.name}({base}):\n    """{structure.doc}"""\n{extra}{members}'


def _field(member: Member) -> str:
    annotation = f"{member.annotation} | None" if member.optional and not _nullable(member) else member.annotation
    arguments = [_quoted(member.wire_name), member.expression]
    if member.optional:
        arguments.append("default=None")
    if member.optional and member.required:
        arguments.append("required=True")
    if member.secret:
        arguments.append("secret=True")
    return packed(f"{member.name}: {annotation} = member(", arguments, ")", "    ")


def _nullable(member: Member) -> bool:
    return member.annotation == "JsonValue"


def _operation(operation: Operation) -> str:
    facts = [_quoted(operation.name)]
    if operation.signed is not True:
        facts.append(f"signed={operation.signed}")
    if operation.category:
        facts.append(f'category="{operation.category}"')
    if operation.response:
        facts.append(f"response={operation.response.name}")
    if operation.fills:
        pairs = [f"({_quoted(rule)}, {_quoted(member)})" for rule, member in operation.fills]
        facts.append(f"fills=({', '.join(pairs)}{',' if len(pairs) == 1 else ''})")
    return packed("OPERATION: ClassVar[Operation] = Operation(", facts, ")", "    ")


def _known(name: str, known: tuple[str, ...]) -> str:
    """Render the known values of an enumeration, for completion and typos; the service may send others."""
    return packed(f"{name}: TypeAlias = Literal[", map(_quoted, known), "]")


def _empty(name: str) -> str:
    """Render a response without members, which no call returns, on one line."""
    return f'class {name}(Response): """Has no members; the call returns None."""\n'


def _facts(service: Service) -> str:
    """Render facts about the operations that the service model lacks."""
    quotas = service.quotas
    rates = [f'    "{name}": {row["rate"]:.1f},\n' for name, row in quotas["categories"].items()]
    adjustable = [_quoted(name) for name, row in quotas["categories"].items() if row["adjustable"]]
    plain = [each for each in service.operations if each.idempotency == "idempotent" and not each.gone]
    rows = [_idempotency(each) for each in sorted(service.operations, key=lambda op: op.name) if each not in plain]
    return "".join(
        [
            f'{HEADER}"""Rate quotas and idempotency of the operations."""\n\n',
            "from collections.abc import Mapping\n\nfrom cognito_async.protocol.idempotency import Idempotency\n\n",
            "# Requests per second by category: the default quotas of an account and region, as published on\n",
            f"# {quotas['source']}, {quotas['date']}.\n",
            "PUBLISHED: Mapping[str, float] = {\n",
            *rates,
            "}\n# Categories with adjustable quotas.\n",
            packed("ADJUSTABLE = frozenset({", adjustable, "})"),
            '\nIDEMPOTENT = Idempotency("idempotent")\n\nIDEMPOTENCY: Mapping[str, Idempotency] = {\n',
            *rows,
            packed(
                "**dict.fromkeys((",
                [_quoted(each.name) for each in sorted(plain, key=lambda op: op.name)],
                "), IDEMPOTENT),",
                "    ",
            ),
            "}\n\n# Members with secrets whose names do not say so, see protocol.secret_names.\n",
            packed(
                "SECRET_MEMBERS = frozenset({",
                [_quoted(name) for name in service.secret_names if not is_secret_name(name)],
                "})",
            ),
        ]
    )


def _idempotency(operation: Operation) -> str:
    parts = [_quoted(operation.idempotency)]
    for name in ("applied", "gone"):
        codes = getattr(operation, name)
        if codes:
            parts.append(f"{name}=({', '.join(map(_quoted, codes))},)")
    if operation.how_to_verify:
        parts.append(f"how_to_verify={_quoted(operation.how_to_verify)}")
    return packed(f'"{operation.name}": Idempotency(', parts, "),", "    ")


def _index(service: Service, homes: dict[str, str]) -> str:
    modules: dict[str, list[str]] = {family: [] for family in (*service.families, *service.shared)}
    for name, home in homes.items():
        modules[home].append(name)
    for operation in service.operations:
        modules[operation.family].append(operation.request.name)
        if operation.response:
            modules[operation.family].append(operation.response.name)
        elif operation.empty_response:
            modules[operation.family].append(operation.empty_response)
    parts = [
        HEADER,
        '"""Every request, response and nested type by its AWS name; each module is imported when first used."""\n\n',
    ]
    parts.append("from importlib import import_module\nfrom typing import TYPE_CHECKING, Any\n\nif TYPE_CHECKING:\n")
    parts += [f"    from cognito_async.operations.{module} import *\n" for module in sorted(modules)]
    every = sorted(name for names in modules.values() for name in names)
    parts.append("\n" + packed("__all__ = [", map(_quoted, every), "]"))
    parts.append("_NAMES = {\n")
    for module, names in sorted(modules.items()):
        parts.append(packed(f'"{module}": (', map(_quoted, sorted(names)), "),", "    "))
    parts.append("}\n_HOME = {name: module for module, names in _NAMES.items() for name in names}\n")
    parts.append(_LAZY)
    return "".join(parts)


_LAZY = '''

def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # type checkers use the imports above, so typos are errors

    def __getattr__(name: str) -> Any:
        """Import the module of a name, and keep the name here."""
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value
'''


def _quoted(text: str) -> str:
    return f'"{text}"'
