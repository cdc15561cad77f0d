"""Extensions of griffe, which reads the package for the reference pages."""

from collections.abc import Iterator

import griffe


class HideTables(griffe.Extension):
    """Hides the values of tables, and how members of requests and responses are declared."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: object) -> None:
        """Remove such a value."""
        if str(attr.value).startswith(("{", "member(")):
            attr.value = None


class HideInternals(griffe.Extension):
    """Hides members for other modules of the package: the first line of their docstrings ends with "; internal."."""

    def on_class_members(self, *, cls: griffe.Class, **_: object) -> None:
        """Remove the internal members of a class."""
        for name, member in list(cls.members.items()):
            if not member.is_alias and member.docstring and member.docstring.lines[0].endswith("; internal."):
                cls.del_member(name)


class AttrsConstructors(griffe.Extension):
    """Adds the constructors that attrs generates.

    Classes with private fields get none: only the library creates their instances.
    """

    def on_package(self, *, pkg: griffe.Module, **_: object) -> None:
        """Add the constructors of all classes of a package, and hide how fields are declared."""
        attrs_classes = [each for each in classes(pkg) if _decorator(each)]
        for each in attrs_classes:
            fields = {field.name: field for base in [*reversed(each.mro()), each] for field in _fields(base)}
            if "__init__" not in each.members and not any(name.startswith("_") for name in fields):
                each.set_member("__init__", _constructor(each, list(fields.values())))
        for each in attrs_classes:
            for field in _fields(each):
                if isinstance(field.value, griffe.ExprCall):
                    field.value = None


def classes(parent: griffe.Module | griffe.Class) -> Iterator[griffe.Class]:
    """Yield the classes of a module or class and of all that it contains."""
    for member in parent.members.values():
        if isinstance(member, griffe.Class):
            yield member
        if isinstance(member, griffe.Module | griffe.Class):
            yield from classes(member)


def _decorator(cls: griffe.Class) -> str:
    texts = (str(decorator.value) for decorator in cls.decorators)
    return next((text for text in texts if text.partition("(")[0] in {"frozen", "define"}), "")


def _fields(cls: griffe.Class) -> Iterator[griffe.Attribute]:
    if not _decorator(cls):
        return
    for member in cls.members.values():
        if (
            isinstance(member, griffe.Attribute)
            and member.annotation is not None
            and "property" not in member.labels
            and not str(member.annotation).startswith("ClassVar")
            and _arguments(member).get("init") != "False"
        ):
            yield member


def _arguments(field: griffe.Attribute) -> dict[str, str | griffe.Expr]:
    arguments = field.value.arguments if isinstance(field.value, griffe.ExprCall) else ()
    return {each.name: each.value for each in arguments if isinstance(each, griffe.ExprKeyword)}


def _constructor(cls: griffe.Class, fields: list[griffe.Attribute]) -> griffe.Function:
    keyword_only = "kw_only=True" in _decorator(cls)
    kind = griffe.ParameterKind.keyword_only if keyword_only else griffe.ParameterKind.positional_or_keyword
    parameters = [
        griffe.Parameter(field.name, annotation=field.annotation, kind=kind, default=_default(field))
        for field in fields
    ]
    return griffe.Function("__init__", parent=cls, parameters=griffe.Parameters(griffe.Parameter("self"), *parameters))


def _default(field: griffe.Attribute) -> str | griffe.Expr | None:
    if not isinstance(field.value, griffe.ExprCall):
        return field.value
    arguments = _arguments(field)
    return "..." if "factory" in arguments else arguments.get("default")
