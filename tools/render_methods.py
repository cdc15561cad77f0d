"""Render the methods of the client: a mixin per family, with real signatures and docstrings."""

import re

from tools.model import Member, Operation, Page, Service
from tools.render import HEADER, WIDTH, imports, packed, wrapped

BOUND_AS_IS = ("client_id", "user_pool_id")
PAGES = "https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_"


def method_files(service: Service) -> dict[str, str]:
    """Render the modules of methods, one per family, and the package that joins them.

    Returns:
        The source code by path below ``operations/``.
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
            "cognito_async.protocol.pagination": ("Paginator",),
            "cognito_async.protocol.operation": ("OperationCaller",),
        },
    )
    doc = f'"""{service.families[family][:-1]}: methods."""\n\n'
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
    response = f"ops.{operation.response.name}" if operation.response else "None"
    signature = ["self", *(["*"] if parameters else []), *map(_parameter, parameters)]
    text = packed(f"async def {operation.method}(", signature, f") -> {response}:", "    ")
    text += f'        """{operation.summary}\n\n{_facts(operation)}'
    if parameters:
        text += "\n        Args:\n" + "".join(map(_argument, parameters))
    return f'{text}\n        Raises:\n{_raises(operation)}        """\n{_body(operation, parameters)}'


def _body(operation: Operation, parameters: list[Member]) -> str:
    """Render the call. Deleting the secrets keeps them out of tracebacks that show the locals of frames."""
    arguments = [f"{member.name}={_filled(member)}" for member in parameters]
    secrets = [member.name for member in parameters if member.secret or "Struct(" in member.expression]
    call = "return await self._call" if operation.response else "await self._call"
    if not secrets:
        return packed(f"{call}(ops.{operation.request.name}(", arguments, "))", "        ")
    return (
        packed(f"request = ops.{operation.request.name}(", arguments, ")", "        ")
        + _deletion(secrets)
        + f"        {call}(request)\n"
    )


def _filled(member: Member) -> str:
    """Render the value of a member: the argument, or the client's value where it is None."""
    if member.name in BOUND_AS_IS and member.bindable:
        return f"self._bound.{member.name} if {member.name} is None else {member.name}"
    return member.name


def _deletion(names: list[str]) -> str:
    line = f"        del {', '.join(names)}\n"
    return line if len(line) <= WIDTH + 1 else packed("del (", names, ")", "        ")


def _iterator(operation: Operation, page: Page) -> str:
    parameters = [member for member in _ordered(operation) if member.name != page.token]
    returned = f"Paginator[ops.{operation.response.name}, {_qualified(page.item_type)}]" if operation.response else ""
    signature = ["self", *(["*"] if parameters else []), *map(_parameter, parameters)]
    text = packed(f"def iter_{operation.method}(", signature, f") -> {returned}:", "    ")
    text += f'        """Iterate over the items of all pages of ``{operation.method}``.\n\n'
    text += wrapped(
        f"Takes the arguments and raises the errors of ``{operation.method}``. ``async for`` yields the {page.items}, "
        "``async for page in ….pages()`` the responses. Raises PaginationError if the service repeats a page token.",
        "        ",
    )
    text += '        """\n'
    arguments = [f"{member.name}={member.name}" for member in parameters]
    text += packed(f"request = ops.{operation.request.name}(", arguments, ")", "        ")
    return text + f'        return Paginator(self, request, cursor="{page.token}", items="{page.items}")\n'


def _parameter(member: Member) -> str:
    annotation = _qualified(member.annotation)
    if not member.optional:
        return f"{member.name}: {annotation}"
    return f"{member.name}: {annotation}{'' if annotation.endswith('JsonValue') else ' | None'} = None"


def _qualified(annotation: str) -> str:
    """Qualify the generated types with ``ops``, the lazy index, so that annotations load no module."""
    builtin = {"Sequence", "Mapping", "JsonValue"}
    return re.sub(r"\b([A-Z]\w+)\b", lambda match: match[1] if match[1] in builtin else f"ops.{match[1]}", annotation)


def _facts(operation: Operation) -> str:
    signed = {
        True: "Signed with AWS credentials.",
        False: "Unsigned: needs no AWS credentials.",
        None: "Signed only if the session has AWS credentials; the app client secret is enough.",
    }[operation.signed]
    quota = "Quota: none published."
    if operation.category:
        quota = f"Quota {operation.category}: {operation.rate} per second."
    article = "an" if operation.name[0] in "AEIOU" else "a"
    returned = f"Returns {article} {operation.response.name}." if operation.response else "Returns None."
    return wrapped(f"{returned} {signed} {quota}", "        ") + f"        {PAGES}{operation.name}.html\n"


def _argument(member: Member) -> str:
    notes = [note for note in (member.bounds, "secret" if member.secret else "") if note]
    missing = ""
    if member.bindable:
        missing = " None: computed." if member.wire_name == "SecretHash" else " None: the client's."
    kind = member.annotation + (" | None" if member.optional and not member.annotation.endswith("JsonValue") else "")
    phrase = member.phrase[0].upper() + member.phrase[1:]
    detail = f" ({', '.join(notes)})" if notes else ""
    return wrapped(f"{member.name} ({kind}): {phrase}{detail}.{missing}", " " * 12, "    ")


def _ambiguous(operation: Operation) -> str:
    if operation.idempotency == "idempotent":
        return ""
    return wrapped(f"AmbiguousOutcomeError: the outcome is unknown. {operation.how_to_verify}", " " * 12, "    ")


def _raises(operation: Operation) -> str:
    declared = ", ".join(operation.errors)
    service = wrapped(f"ServiceError: one of {declared}.", " " * 12, " " * 4) if declared else ""
    return (
        service
        + _ambiguous(operation)
        + "            ParameterValidationError: an argument is invalid; nothing was sent.\n"
        + "            CognitoError: any other failure.\n"
    )
