"""Print the methods of the client: a mixin for each family, with real signatures and docstrings."""

import re

from tools.model import Member, Operation, Page, Service
from tools.render import HEADER, fill, imports, packed, wrapped

PAGES = "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_"


def method_files(service: Service) -> dict[str, str]:
    """Print the file of each family's methods and the one that joins them.

    Returns:
        The files' texts by their path below ``operations/``.
    """
    files = {f"methods/{family}.py": _family(service, family) for family in service.families}
    files["methods/__init__.py"] = _joined(service)
    return files


def _family(service: Service, family: str) -> str:
    operations = [operation for operation in service.operations if operation.family == family]
    body = [f"\n\nclass {_mixin(family)}(OperationCaller):\n", f'    """{service.families[family]}"""\n']
    for operation in operations:
        body.append("\n" + _method(operation))
        if operation.page is not None:
            body.append("\n" + _iterator(operation, operation.page))
    text = "".join(body)
    needed = imports(
        text,
        {
            "cognito_async": ("operations as ops",),
            "cognito_async.pagination": ("Paginator",),
            "cognito_async.protocol.operation": ("OperationCaller",),
        },
    )
    doc = f'"""{service.families[family][:-1]}: the methods."""\n\n'
    return f"{HEADER}{doc}from __future__ import annotations\n\n{needed}{text}"


def _joined(service: Service) -> str:
    lines = "".join(
        f"from cognito_async.operations.methods.{family} import {_mixin(family)}\n"
        for family in sorted(service.families)
    )
    mixins = packed("class OperationMethods(", map(_mixin, service.families), "):")
    return (
        f'{HEADER}"""The methods of all families in one class."""\n\n{lines}\n\n{mixins}'
        f'    """A method for each of the service\'s {len(service.operations)} operations."""\n'
    )


def _mixin(family: str) -> str:
    return "".join(word.capitalize() for word in family.split("_")) + "Methods"


def _ordered(operation: Operation) -> list[Member]:
    return sorted(operation.request.members, key=lambda member: member.optional)


def _method(operation: Operation) -> str:
    parameters = _ordered(operation)
    answer = f"ops.{operation.answer.name}" if operation.answer else "None"
    signature = ["self", *(["*"] if parameters else []), *map(_parameter, parameters)]
    text = packed(f"async def {operation.method}(", signature, f") -> {answer}:", "    ")
    text += f'        """{operation.summary}\n\n{_facts(operation)}'
    if parameters:
        text += "\n        Args:\n" + "".join(map(_argument, parameters))
    text += "\n        Raises:\n" + _raises(operation)
    text += f'        AWS: {PAGES}{operation.name}.html\n        """\n'
    arguments = [f"{member.name}={member.name}" for member in parameters]
    call = "return await" if operation.answer else "await"
    opening = f"{call} self._call(ops.{operation.request.name}("
    return text + packed(opening, arguments, "))", "        ")


def _iterator(operation: Operation, page: Page) -> str:
    parameters = [member for member in _ordered(operation) if member.name != page.token]
    returned = f"Paginator[ops.{operation.answer.name}, {_qualified(page.item_type)}]" if operation.answer else ""
    signature = ["self", *(["*"] if parameters else []), *map(_parameter, parameters)]
    text = packed(f"def iter_{operation.method}(", signature, f") -> {returned}:", "    ")
    text += f'        """Go through all that ``{operation.method}`` lists, page after page.\n\n'
    text += wrapped(
        f"Arguments and errors are those of ``{operation.method}``. ``async for`` gives the {page.items}, "
        "``async for page in ….pages()`` whole answers. Raises PaginationError if the service repeats a token.",
        "        ",
    )
    text += '        """\n'
    arguments = ", ".join(f"{member.name}={member.name}" for member in parameters)
    line = f"        request = ops.{operation.request.name}({arguments})\n"
    limit = 121
    if len(line) > limit:
        line = packed(f"request = ops.{operation.request.name}(", arguments.split(", "), ")", "        ")
    return text + line + f'        return Paginator(self, request, cursor="{page.token}", items="{page.items}")\n'


def _parameter(member: Member) -> str:
    annotation = _qualified(member.annotation)
    if not member.optional:
        return f"{member.name}: {annotation}"
    return f"{member.name}: {annotation}{'' if annotation.endswith('JsonValue') else ' | None'} = None"


def _qualified(annotation: str) -> str:
    """Name the generated types through the lazy index, so that naming them loads nothing."""
    builtin = {"Sequence", "Mapping", "JsonValue"}
    return re.sub(r"\b([A-Z]\w+)\b", lambda match: match[1] if match[1] in builtin else f"ops.{match[1]}", annotation)


def _facts(operation: Operation) -> str:
    signed = {
        True: "Signed with AWS credentials.",
        False: "Unsigned: needs no AWS credentials.",
        None: "Signed only if the session was given AWS credentials; the app client's secret is enough.",
    }[operation.signed]
    quota = "Quota: none published."
    if operation.category:
        quota = f"Quota {operation.category}: {operation.rate} a second."
    article = "an" if operation.name[0] in "AEIOU" else "a"
    returned = f"Returns {article} {operation.answer.name}." if operation.answer else "Returns None."
    return wrapped(f"{returned} {signed} {quota}", "        ")


def _argument(member: Member) -> str:
    notes = [note for note in (member.bounds, "secret" if member.secret else "") if note]
    missing = ""
    if member.bindable:
        missing = " None: bound."
        if member.wire_name == "SecretHash":
            missing = " None: computed."
    kind = member.annotation + (" | None" if member.optional and not member.annotation.endswith("JsonValue") else "")
    phrase = member.phrase[0].upper() + member.phrase[1:]
    detail = f" ({', '.join(notes)})" if notes else ""
    return wrapped(f"{member.name} ({kind}): {phrase}{detail}.{missing}", " " * 12, "    ")


def _unclear(operation: Operation) -> str:
    if operation.idempotency == "idempotent":
        return ""
    return wrapped(f"AmbiguousOutcomeError: the outcome is unknown. {operation.how_to_verify}", " " * 12, "    ")


def _raises(operation: Operation) -> str:
    declared = fill(
        [f"{error}," for error in operation.errors[:-1]] + [f"{operation.errors[-1]}: as the service declares."],
        " " * 12,
    )
    return (
        declared
        + _unclear(operation)
        + "            ParameterValidationError, CognitoError: before anything is sent, and any other failure.\n\n"
    )
