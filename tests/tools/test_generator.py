"""The generator: committed files are up to date, changes of a newer model are reported, its output is complete."""

import copy
import inspect
import json
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from botocore import xform_name
from botocore.loaders import Loader

import tools.model
from cognito_async import CognitoClient, operations
from cognito_async.errors import modelled
from cognito_async.protocol.operation import Operation
from cognito_async.protocol.shapes import Struct, Structure, members
from tests.support.strategies import nested_shapes, request_types, service_model, smallest
from tools import generate
from tools.checks import ModelError
from tools.model import snake_case, table

ROOT = generate.ROOT
Model = dict[str, Any]


@cache
def rendered() -> dict[str, str]:
    """Render all files once, from the installed model."""
    return generate.render()


def checked(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the check and return its exit code and its output."""
    capsys.readouterr()
    code = generate.main(["--check", *arguments])
    output = capsys.readouterr()
    return code, output.out + output.err


# --- the committed files ---


def test_committed_files_are_up_to_date() -> None:
    """The command in CONTRIBUTING passes."""
    command = [sys.executable, "-m", "tools.generate", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "as generated" in done.stdout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with the generated files, and point the generator to it."""
    generate.write(rendered(), tmp_path)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    return tmp_path


def test_check_after_generating_passes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files that were just written are up to date."""
    code, output = checked([], capsys)
    assert (code, "as generated" in output) == (0, True)


@pytest.mark.parametrize(
    "name",
    [
        "cognito_async/operations/mfa.py",
        "cognito_async/operations/__init__.py",
        "cognito_async/errors/modelled.py",
        "tools/model_facts.txt",
    ],
)
def test_check_shows_a_manual_edit(name: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The edited line, its file and the generated line are shown."""
    lines = (project / name).read_text(encoding="utf-8").splitlines()
    original, lines[9] = lines[9], "# edited by hand"
    (project / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    code, output = checked([], capsys)
    assert code == 1
    assert name in output
    assert "-# edited by hand" in output
    assert f"+{original}" in output
    assert "make generate" in output


def test_check_names_a_missing_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All lines of the file differ."""
    (project / "cognito_async/operations/groups.py").unlink()
    code, output = checked([], capsys)
    assert code == 1
    assert "cognito_async/operations/groups.py" in output


@pytest.mark.parametrize("name", ["cognito_async/operations/stray.py", "cognito_async/operations/methods/stray.py"])
def test_check_names_a_stale_file(name: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The generated packages contain generated files only."""
    (project / name).write_text("", encoding="utf-8")
    code, output = checked([], capsys)
    assert code == 1
    assert f"{name}: no longer generated" in output


def test_generate_restores_all_files(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files are written, stale ones removed, and the output is deterministic."""
    (project / "cognito_async/operations/stray.py").write_text("", encoding="utf-8")
    (project / "cognito_async/operations/mfa.py").write_text("edited", encoding="utf-8")
    shutil.rmtree(project / "cognito_async/operations/methods")
    assert generate.main([]) == 0
    assert checked([], capsys)[0] == 0
    assert generate.render() == rendered()


# --- a newer model ---


@cache
def installed_model() -> Model:
    """Return the installed model."""
    model: Model = Loader().load_service_model("cognito-idp", "service-2")
    return model


def newer(change: Callable[[Model], None], folder: Path) -> list[str]:
    """Write a changed model in botocore's layout, and return the arguments that name it."""
    model = copy.deepcopy(installed_model())
    change(model)
    home = folder / "cognito-idp" / "2016-04-18"
    home.mkdir(parents=True)
    (home / "service-2.json").write_text(json.dumps(model), encoding="utf-8")
    return ["--model", str(folder)]


def _add_operation(model: Model) -> None:
    model["operations"]["TryShoe"] = {**model["operations"]["GetGroup"], "name": "TryShoe"}


def _add_reading_operation(model: Model) -> None:
    model["operations"]["DescribeShoe"] = {**model["operations"]["GetGroup"], "name": "DescribeShoe"}


def _add_operation_without_shapes(model: Model) -> None:
    model["operations"]["TryShoe"] = {"name": "TryShoe", "http": {}}


def _remove_operation(model: Model) -> None:
    del model["operations"]["GetGroup"]


def _add_request_member(model: Model) -> None:
    model["shapes"]["GetGroupRequest"]["members"]["ShoeSize"] = {"shape": "StringType"}


def _add_answer_member(model: Model) -> None:
    model["shapes"]["GroupType"]["members"]["ShoeSize"] = {"shape": "StringType"}


def _remove_member(model: Model) -> None:
    del model["shapes"]["GroupType"]["members"]["Precedence"]


def _add_type(model: Model) -> None:
    model["shapes"]["ShoeType"] = {"type": "structure", "members": {}}
    model["shapes"]["GroupType"]["members"]["Shoe"] = {"shape": "ShoeType"}


def _require(model: Model) -> None:
    model["shapes"]["CreateGroupRequest"]["required"].append("Description")


def _add_recursive_type(model: Model) -> None:
    inner = {"Laces": {"shape": "LaceListType"}, "Size": {"shape": "ShoeSizeType"}}
    model["shapes"]["ShoeType"] = {"type": "structure", "members": inner}
    model["shapes"]["LaceListType"] = {"type": "list", "member": {"shape": "ShoeType"}}
    model["shapes"]["ShoeSizeType"] = {"type": "double"}
    model["shapes"]["GroupType"]["members"]["Shoe"] = {"shape": "ShoeType"}


def _add_reserved_names(model: Model) -> None:
    names = ("Class", "Datetime", "Extra", "Self")
    model["shapes"]["GetGroupRequest"]["members"] |= {name: {"shape": "StringType"} for name in names}
    model["operations"]["Call"] = {"name": "Call", "http": {}}


def _add_member_spelled_alike(model: Model) -> None:
    model["shapes"]["GroupType"]["members"]["GroupNAME"] = {"shape": "StringType"}


def _add_secret_by_name(model: Model) -> None:
    model["shapes"]["GetGroupRequest"]["members"]["ShoePassword"] = {"shape": "StringType"}


def _rename_secret(model: Model) -> None:
    members = model["shapes"]["ConfirmSignUpRequest"]["members"]
    members["NewConfirmationCode"] = members.pop("ConfirmationCode")


def _rename_bound_member(model: Model) -> None:
    members = model["shapes"]["RevokeTokenRequest"]["members"]
    members["AppClientSecret"] = members.pop("ClientSecret")


def _add_second_list(model: Model) -> None:
    model["shapes"]["ListGroupsResponse"]["members"]["Shoes"] = {"shape": "GroupListType"}


def _add_error(model: Model) -> None:
    model["operations"]["GetGroup"]["errors"].append({"shape": "GroupExistsException"})


def _add_exception(model: Model) -> None:
    model["shapes"]["ShoeException"] = {"type": "structure", "members": {}, "exception": True}
    model["operations"]["GetGroup"]["errors"].append({"shape": "ShoeException"})


def _add_secret(model: Model) -> None:
    model["shapes"]["DescriptionType"]["sensitive"] = True


def _unsign(model: Model) -> None:
    model["operations"]["GetGroup"]["authtype"] = "none"


def _sign(model: Model) -> None:
    del model["operations"]["ConfirmForgotPassword"]["authtype"]


def _widen(model: Model) -> None:
    model["shapes"]["PasswordType"]["max"] = 512


def _add_value(model: Model) -> None:
    model["shapes"]["UserStatusType"]["enum"].append("ASCENDED")


CHANGES: tuple[tuple[Callable[[Model], None], tuple[str, ...]], ...] = (
    (_add_operation, ("to review: operations.toml: TryShoe", "sends_message", "+operation TryShoe")),
    (_add_reading_operation, ("to review: operations.toml: DescribeShoe", "idempotency idempotent")),
    (_add_operation_without_shapes, ("to review: operations.toml: TryShoe", "TryShoeRequest to nothing")),
    (_remove_operation, ("to review: operations.toml: remove GetGroup", "-operation GetGroup")),
    (_add_request_member, ("to review: parameters.toml: ShoeSize", "+member GetGroupRequest.ShoeSize")),
    (_add_recursive_type, ("to review: types.toml: ShoeType", "document")),
    (
        _add_reserved_names,
        tuple(f"to review: parameters.toml: {name}" for name in ("Class", "Datetime", "Extra", "Self")),
    ),
    (_add_member_spelled_alike, ("to review: names.toml: GroupType.GroupNAME",)),
    (_add_secret_by_name, ("to review: secrets.toml (secret by name): GetGroupRequest.ShoePassword",)),
    (
        _rename_secret,
        ("secrets.toml: remove ConfirmSignUpRequest.ConfirmationCode", "ConfirmSignUpRequest.NewConfirmationCode"),
    ),
    (_rename_bound_member, ("binding.toml, client_secret: remove RevokeToken.ClientSecret", "AppClientSecret")),
    (_add_second_list, ("+member ListGroupsResponse.Shoes",)),
    (_add_answer_member, ("+member GroupType.ShoeSize: StringType",)),
    (_remove_member, ("-member GroupType.Precedence: PrecedenceType",)),
    (_add_type, ("to review: types.toml: ShoeType",)),
    (_require, ("+member CreateGroupRequest.Description: DescriptionType required",)),
    (_add_error, ("+error GetGroup: GroupExistsException",)),
    (_add_exception, ("+error GetGroup: ShoeException", "to review: cognito_async/errors/faults.py: ShoeException")),
    (_add_secret, ("-shape DescriptionType: string max=2048", "+shape DescriptionType: string max=2048 sensitive")),
    (_unsign, ("-operation GetGroup: signed", "+operation GetGroup: unsigned")),
    (_sign, ("-operation ConfirmForgotPassword: unsigned", "+operation ConfirmForgotPassword: signed")),
    (_widen, ("+shape PasswordType: string max=512",)),
    (_add_value, ("+value UserStatusType: ASCENDED",)),
)


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[change.__name__.strip("_") for change, _ in CHANGES])
def test_check_reports_the_changes_of_a_newer_model(
    change: Callable[[Model], None], words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind of change fails the check, which names the changed fact and the rows to review."""
    code, output = checked(newer(change, tmp_path), capsys)
    assert code != 0
    for word in words:
        assert any(all(part in line for part in word.split(": ")) for line in output.splitlines()), word
    assert "Traceback" not in output


def test_check_with_model_in_another_directory_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The location of the model has no influence."""
    assert checked(newer(lambda model: None, tmp_path), capsys)[0] == 0


def unreviewed() -> set[str]:
    """Return the operations of the installed model that the table lacks."""
    return set(installed_model()["operations"]) - set(table("operations"))


NEW_OPERATIONS: dict[Callable[[Model], None], set[str]] = {
    _add_operation: {"TryShoe"},
    _add_reading_operation: {"DescribeShoe"},
    _add_operation_without_shapes: {"TryShoe"},
    _add_reserved_names: {"Call"},
}


@pytest.mark.parametrize("change", [change for change, _ in CHANGES], ids=lambda change: change.__name__.strip("_"))
def test_newer_model_is_generated(
    change: Callable[[Model], None], project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command succeeds, the package can be used, and the client has the methods."""
    assert generate.main(newer(change, tmp_path / "model")) == 0
    output = capsys.readouterr().out
    reviewed = set(re.findall(r"to review: operations\.toml: (\w+): ", output))
    assert reviewed - unreviewed() == set(NEW_OPERATIONS.get(change, ()))
    package, generated = tmp_path / "package", shutil.ignore_patterns("operations", "modelled.py")
    shutil.copytree(ROOT / "cognito_async", package / "cognito_async", ignore=generated)
    shutil.copytree(project / "cognito_async", package / "cognito_async", dirs_exist_ok=True)
    command = [sys.executable, "-c", USE]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    if change is _add_reading_operation:
        assert "describe_shoe" in done.stdout


USE = """
from cognito_async import CognitoClient, errors, operations
from cognito_async.protocol.wire import HttpResponse, decode, encode
print(*(name for name in dir(CognitoClient) if "shoe" in name))
assert hasattr(CognitoClient, "call_") == hasattr(operations, "CallRequest")
assert all(getattr(operations, name) for name in dir(operations))
assert all(getattr(errors, name) for name in dir(errors))
request = operations.CreateGroupRequest(group_name="g", user_pool_id="l_p", description="d")
body = b'{"Group": {"GroupName": "g", "Shoe": {"Size": 7.5, "Laces": [{}]}}}'
assert encode(request) and decode(HttpResponse(200, {}, body), request).group.group_name == "g"
"""


def test_every_new_operation_of_a_newer_model_has_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line has all defaults, so that a reviewer sees what is in force."""

    def change(model: Model) -> None:
        template = model["operations"]["AdminSetUserPassword"]
        for name in ("CreateShoe", "DeleteShoe", "GetShoeToken", "ListShoes"):
            model["operations"][name] = {**template, "name": name}

    _, output = checked(newer(change, tmp_path), capsys)
    lines = [line for line in output.splitlines() if re.match(r"to review: operations.toml: \w+Shoe", line)]
    assert [line.split(": ")[2] for line in lines] == ["CreateShoe", "DeleteShoe", "GetShoeToken", "ListShoes"]
    kinds = ["sends_message", "idempotent", "sends_message", "idempotent"]
    for line, kind in zip(lines, kinds, strict=True):
        assert f"idempotency {kind}" in line
        assert line.endswith("signed, secret Username, secret Password")


def test_check_with_a_directory_without_a_model_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the directory."""
    code, output = checked(["--model", str(tmp_path)], capsys)
    assert code != 0
    assert str(tmp_path) in output


def test_facts_are_sorted_and_unique() -> None:
    """One fact per line, so that diffs are readable."""
    lines = rendered()["tools/model_facts.txt"].splitlines()
    assert len(lines) == len(set(lines))
    operation_names = [line.split()[1].rstrip(":") for line in lines if line.startswith("operation ")]
    assert operation_names == sorted(service_model().operation_names)


# --- the tables ---


def with_table(name: str, change: Callable[[dict[str, Any]], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply a change to a table when the generator reads it."""

    def changed(asked: str) -> dict[str, Any]:
        read = table(asked)
        if asked == name:
            change(read)
        return read

    monkeypatch.setattr(tools.model, "table", changed)


MISSING: tuple[tuple[str, Callable[[dict[str, Any]], Any], str], ...] = (
    ("operations", lambda rows: rows.pop("ConfirmForgotPassword"), "ConfirmForgotPassword: family account_recovery"),
    ("operations", lambda rows: rows["ConfirmForgotPassword"].pop("summary"), "ConfirmForgotPassword: summary"),
    ("operations", lambda rows: rows["ConfirmForgotPassword"].pop("family"), "ConfirmForgotPassword: family"),
    ("types", lambda rows: rows.pop("AttributeType"), "AttributeType"),
    ("parameters", lambda rows: rows["any"].pop("ConfirmationCode"), "ConfirmationCode"),
    ("secrets", lambda rows: rows["not_secret"]["names"].remove("TagKeys"), "UntagResourceRequest.TagKeys"),
)


@pytest.mark.parametrize(("name", "change", "word"), MISSING)
def test_missing_row_is_reported(
    name: str,
    change: Callable[[dict[str, Any]], Any],
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The generator uses its default, and the line to review names the table and the row."""
    with_table(name, change, monkeypatch)
    _, output = checked([], capsys)
    assert any(word in line for line in output.splitlines() if line.startswith(f"to review: {name}.toml"))


WRONG: tuple[tuple[str, Callable[[dict[str, Any]], Any], str], ...] = (
    ("operations", lambda rows: rows.update(TryShoe=rows["GetGroup"]), "TryShoe"),
    ("types", lambda rows: rows.update(ShoeType="A shoe."), "ShoeType"),
    ("parameters", lambda rows: rows["any"].update(ShoeSize="a size"), "ShoeSize"),
    ("parameters", lambda rows: rows["by_operation"].update({"GetGroup.ShoeSize": "a size"}), "GetGroup.ShoeSize"),
    ("secrets", lambda rows: rows["not_secret"]["names"].append("ShoeKey"), "ShoeKey"),
    (
        "secrets",
        lambda rows: rows["unmarked"]["members"].append("ConfirmSignUpRequest.Shoe"),
        "ConfirmSignUpRequest.Shoe",
    ),
    ("bounds", lambda rows: rows.update({"ConfirmSignUpRequest.Shoe": [1, 2]}), "ConfirmSignUpRequest.Shoe"),
    ("binding", lambda rows: rows["client_secret"].update(TryShoe="ClientSecret"), "TryShoe"),
    ("binding", lambda rows: rows["client_secret"].update(RevokeToken="Shoe"), "RevokeToken.Shoe"),
    ("binding", lambda rows: rows["optionally_signed"]["operations"].append("TryShoe"), "TryShoe"),
)


@pytest.mark.parametrize(("name", "change", "word"), WRONG)
def test_row_about_nothing_fails_the_check(
    name: str,
    change: Callable[[dict[str, Any]], Any],
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A typo would otherwise show a secret or skip a bound."""
    with_table(name, change, monkeypatch)
    code, output = checked([], capsys)
    assert code == 1
    assert re.search(rf"^{name}\.toml.*: remove {re.escape(word)}", output, re.MULTILINE)


INVALID = ({"family": "shoes"}, {"category": "ShoeRead"}, {"idempotency": "sometimes"})


@pytest.mark.parametrize("change", INVALID)
def test_invalid_row_is_refused(change: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """These are mistakes in the table, which a newer model cannot cause."""
    with_table("operations", lambda rows: rows["GetGroup"].update(change), monkeypatch)
    with pytest.raises(ModelError, match=r"GetGroup.*unknown"):
        generate.render()


def test_rows_exist_in_the_model() -> None:
    """Each row of the tables names something in the model."""
    shapes = installed_model()["shapes"]
    every_member = {f"{owner}.{name}" for owner, shape in shapes.items() for name in shape.get("members", {})}
    assert set(table("secrets")["unmarked"]["members"]) <= every_member
    assert set(table("bounds")) <= every_member
    assert set(table("types")) <= set(shapes)
    wire_names = {name.partition(".")[2] for name in every_member}
    for word in table("names")["words"]:
        assert any(word in name for name in [*wire_names, *installed_model()["operations"]])
    inputs = {
        name: shapes[model["input"]["shape"]]["members"] for name, model in installed_model()["operations"].items()
    }
    assert set(table("operations")) <= set(inputs)
    for row in table("parameters")["by_operation"]:
        operation, _, member = row.partition(".")
        assert member in inputs[operation], row
    assert set(table("parameters")["any"]) <= {member for names in inputs.values() for member in names}
    for operation, member in [
        *table("binding")["client_secret"].items(),
        *table("binding")["secret_hash_in_map"].items(),
    ]:
        assert member in inputs[operation]
    assert set(table("binding")["optionally_signed"]["operations"]) <= set(inputs)


# --- names ---


@pytest.mark.parametrize(
    ("wire_name", "name"),
    [
        ("AllowedOAuthFlows", "allowed_oauth_flows"),
        ("AllowedOAuthFlowsUserPoolClient", "allowed_oauth_flows_user_pool_client"),
        ("AllowedOAuthScopes", "allowed_oauth_scopes"),
        ("CallbackURLs", "callback_urls"),
        ("LogoutURLs", "logout_urls"),
        ("DefaultRedirectURI", "default_redirect_uri"),
        ("From", "from_"),
        ("Bytes", "bytes_"),
        ("MFAOptions", "mfa_options"),
        ("SMSMfaSettings", "sms_mfa_settings"),
        ("CSS", "css"),
        ("CSSVersion", "css_version"),
        ("headerName", "header_name"),
        ("UserMFASettingList", "user_mfa_setting_list"),
    ],
)
def test_names_with_unusual_capitals(wire_name: str, name: str) -> None:
    """Names that the rule, or AWS's capitals, could get wrong."""
    found = {python for kind in kinds() for python, about in members(kind) if about.wire_name == wire_name}
    assert found == {name}


# Names that differ from boto3; names.toml has the reasons.
NOT_AS_BOTO3 = {
    "allowed_o_auth_flows": "allowed_oauth_flows",
    "allowed_o_auth_flows_user_pool_client": "allowed_oauth_flows_user_pool_client",
    "allowed_o_auth_scopes": "allowed_oauth_scopes",
    "from": "from_",
    "bytes": "bytes_",
}


def test_names_are_those_of_boto3_in_snake_case() -> None:
    """Members and methods are spelled like boto3's methods, with five exceptions."""
    for kind in kinds():
        for python, about in members(kind):
            theirs = xform_name(about.wire_name)
            assert python == NOT_AS_BOTO3.get(theirs, theirs)
    for name in request_types():
        assert callable(getattr(CognitoClient, xform_name(name)))


def test_snake_case() -> None:
    """Consecutive capitals are one word."""
    assert snake_case("GetCSVHeader", {}) == "get_csv_header"
    assert snake_case("AdminSetUserMFAPreference", {}) == "admin_set_user_mfa_preference"
    assert snake_case("AllowedOAuthFlows", {"OAuth": "Oauth"}) == "allowed_oauth_flows"
    assert snake_case("S3Configuration", {}) == "s3_configuration"


# --- output ---


def test_number_of_operations_and_errors() -> None:
    """All of the model, two of them optionally signed."""
    signed = [kind.OPERATION.signed for kind in request_types().values()]
    models = [service_model().operation_model(name) for name in service_model().operation_names]
    assert len(signed) == len(models) > 150
    assert (signed.count(False), signed.count(None)) == (sum(model.auth_type == "none" for model in models), 2)
    optional = {name for name, kind in request_types().items() if kind.OPERATION.signed is None}
    assert optional == {"GetClientToken", "GetDerivedToken"}
    assert len(modelled.BY_CODE) == len(modelled.__all__) == len(service_model().error_shapes)


@pytest.mark.parametrize("name", request_types())
def test_operation_matches_the_model(name: str) -> None:
    """Signing, response, target and quota category."""
    operation: Operation = request_types()[name].OPERATION
    model = service_model().operation_model(name)
    assert (operation.signed is False) == (model.auth_type == "none")
    assert operation.target == f"AWSCognitoIdentityProviderService.{name}"
    output = model.output_shape
    assert (operation.response is None) == (output is None or not output.members)
    assert operation.response is None or operation.response.__name__ == output.name
    assert operation.category is None or operation.category in table("quotas")["categories"]


def kinds() -> list[type[Structure]]:
    """Return all classes: requests, responses and nested types."""
    found: dict[str, type[Structure]] = {}

    def add(kind: type[Structure]) -> None:
        if kind.__name__ not in found:
            found[kind.__name__] = kind
            for _, about in members(kind):
                for shape in nested_shapes(about.shape):
                    if isinstance(shape, Struct):
                        add(shape.type)

    for request in request_types().values():
        add(request)
        if request.OPERATION.response is not None:
            add(request.OPERATION.response)
    return [*found.values()]


def modelled_structures() -> set[str]:
    """Return the model's structures that requests and responses consist of."""
    found = set()

    def add(shape: Any) -> None:
        if shape.type_name == "list":
            add(shape.member)
        elif shape.type_name == "map":
            add(shape.value)
        elif shape.type_name == "structure" and not shape.is_document_type and shape.name not in found:
            found.add(shape.name)
            for member in shape.members.values():
                add(member)

    for name in service_model().operation_names:
        model = service_model().operation_model(name)
        for shape in (model.input_shape, model.output_shape):
            if shape is not None:
                add(shape)
    return found


def test_types_can_be_imported_by_their_aws_names() -> None:
    """Requests, responses (those without members too) and nested types; the index lists them."""
    for name in modelled_structures():
        kind = getattr(operations, name)
        assert (kind.__name__, issubclass(kind, Structure)) == (name, True)
        assert name in dir(operations)
    with pytest.raises(AttributeError, match="ListUserz"):
        operations.ListUserzRequest  # type: ignore[attr-defined]  # noqa: B018


def test_enumerations_can_be_imported_by_their_aws_names() -> None:
    """Each is a Literal of its values, in the model's order."""
    for name, shape in installed_model()["shapes"].items():
        if shape.get("enum"):
            assert list(typing.get_args(getattr(operations, name))) == list(shape["enum"]), name


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_members_match_the_model(kind: type[Structure]) -> None:
    """Members, their order, and whether they are required and secret."""
    shape = service_model().shape_for(kind.__name__)
    assert [about.wire_name for _, about in members(kind)] == list(shape.members)
    hints = typing.get_type_hints(kind)
    for python, about in members(kind):
        member = shape.members[about.wire_name]
        assert python in hints
        if kind in request_types().values():
            assert about.required == (about.wire_name in shape.required_members)
        if _holds_secrets(member):
            assert about.secret, f"{kind.__name__}.{python}"


def _holds_secrets(shape: Any) -> bool:
    """Return whether botocore's model marks a shape, or its scalars, as sensitive."""
    if shape.metadata.get("sensitive"):
        return True
    inner = {"list": lambda: shape.member, "map": lambda: shape.value}.get(shape.type_name, lambda: None)()
    return inner is not None and inner.type_name != "structure" and _holds_secrets(inner)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_classes_are_frozen_and_keyword_only(kind: type[Structure]) -> None:
    """Frozen attrs classes with slots and a docstring."""
    assert attrs.has(kind)
    assert kind.__doc__
    assert not hasattr(smallest(kind), "__dict__")
    for name, _ in members(kind):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(smallest(kind), name, None)
    with pytest.raises(TypeError):
        kind("positional")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        kind(shoe_size=43)  # type: ignore[call-arg]


METHODS = {name: xform_name(name) for name in service_model().operation_names}


@pytest.mark.parametrize(("name", "method_name"), METHODS.items(), ids=METHODS)
def test_methods_have_real_signatures(name: str, method_name: str) -> None:
    """One keyword-only parameter per member, with the default None if it is optional; and the response type."""
    method = getattr(CognitoClient, method_name)
    assert inspect.iscoroutinefunction(method)
    signature = inspect.signature(method)
    parameters = [*signature.parameters.values()][1:]
    kind = request_types()[name]
    assert {parameter.name for parameter in parameters} == {python for python, _ in members(kind)}
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
    bound = {member for _, member in kind.OPERATION.fills}
    about = dict(members(kind))
    for parameter in parameters:
        needed = about[parameter.name].required and parameter.name not in bound
        assert parameter.default is (parameter.empty if needed else None), parameter.name
    hints = typing.get_type_hints(method)
    assert hints.keys() == {*about, "return"}
    assert hints["return"] is (kind.OPERATION.response or type(None))


def documented(method: Callable[..., Any]) -> dict[str, str]:
    """Split a Google-style docstring into its sections; the first has no name."""
    sections: dict[str, str] = {}
    title = ""
    for line in inspect.cleandoc(method.__doc__ or "").splitlines():
        found = re.fullmatch(r"(Args|Raises):", line)
        title = found[1] if found else title if line.startswith(" ") or not line else ""
        if not found:
            sections[title] = sections.get(title, "") + line + "\n"
    return sections


def arguments(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the documented arguments: name, type and description."""
    for entry in re.split(r"\n(?=    \w)", text.rstrip()):
        found = re.fullmatch(r"\s*(\w+) \((.+?)\): (.+)", " ".join(entry.split()))
        assert found, entry
        yield found[1], found[2], found[3]


@pytest.mark.parametrize(("name", "method_name"), METHODS.items(), ids=METHODS)
def test_methods_are_documented(name: str, method_name: str) -> None:
    """Types, bounds, signing, quota category, each declared error, and the link to the AWS page."""
    method = getattr(CognitoClient, method_name)
    operation = request_types()[name].OPERATION
    model = service_model().operation_model(name)
    sections = documented(method)
    summary = (method.__doc__ or "").splitlines()[0]
    assert summary.endswith(".")
    assert len(summary.split()) > 1
    about = {True: "Signed with AWS credentials", False: "Unsigned", None: "Signed only if"}[operation.signed]
    assert about in " ".join(sections[""].split())
    assert f"Quota {operation.category}" in sections[""] if operation.category else "Quota: none" in sections[""]
    assert f"APIReference/API_{name}.html" in sections[""]
    described = (
        {python: (kind, output) for python, kind, output in arguments(sections.get("Args", ""))}
        if "Args" in sections
        else {}
    )
    wanted = dict(members(request_types()[name]))
    assert described.keys() == wanted.keys()
    for python, (kind, output) in described.items():
        optional = inspect.signature(method).parameters[python].default is None
        assert kind.endswith("None") == optional or "JsonValue" in kind
        for bound in (wanted[python].shape.low, wanted[python].shape.high):
            assert not bound or f"{bound:,}" in output, python
        assert "secret" in output or not wanted[python].secret, python
    declared = sorted({error.name for error in model.error_shapes})
    listed, _, further = sections["Raises"].partition(".\n")
    assert re.findall(r"\b\w+Exception\b", listed) == declared
    assert "ParameterValidationError" in further


def test_errors_name_the_operations_that_declare_them() -> None:
    """The docstring has the names of the operations, or their number."""
    for code, kind in modelled.BY_CODE.items():
        names = {
            name
            for name in service_model().operation_names
            if code in {shape.name for shape in service_model().operation_model(name).error_shapes}
        }
        output = kind.__doc__ or ""
        counted = re.search(r"\d+", output)
        listed = set(re.findall(r"[A-Z]\w+", output.partition(" by ")[2]))
        assert counted is None or int(counted[0]) == len(names), code
        assert counted is not None or listed == names, code


def test_summaries_are_unique() -> None:
    """Each operation has its own summary, which is not copied from AWS."""
    summaries = {
        name: (getattr(CognitoClient, method).__doc__ or "").splitlines()[0] for name, method in METHODS.items()
    }
    assert len(set(summaries.values())) == len(summaries)
    for name, summary in summaries.items():
        theirs = re.sub(r"<[^>]+>", "", installed_model()["operations"][name].get("documentation", ""))
        assert summary.rstrip(".") not in theirs


ITERATORS = sorted(name for name in dir(CognitoClient) if name.startswith("iter_"))


@pytest.mark.parametrize("name", ITERATORS)
def test_iterators_have_real_signatures(name: str) -> None:
    """Keyword-only parameters with types, a Paginator, and a docstring."""
    method = getattr(CognitoClient, name)
    parameters = [*inspect.signature(method).parameters.values()][1:]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)
    hints = typing.get_type_hints(method)
    assert hints.keys() == {*(parameter.name for parameter in parameters), "return"}
    assert typing.get_origin(hints["return"]).__name__ == "Paginator"
    assert f"``{name.removeprefix('iter_')}``" in (method.__doc__ or "")
    assert "PaginationError" in (method.__doc__ or "")


def committed() -> list[Path]:
    """Return the committed generated files."""
    return [ROOT / name for name in sorted(generate.generated_files(ROOT))]


def test_size_of_the_generated_code() -> None:
    """At most 10,000 lines in at most 30 files, each marked as generated."""
    texts = [path.read_text(encoding="utf-8") for path in committed()]
    assert len(texts) <= 30
    assert sum(text.count("\n") for text in texts) <= 10_000
    for text in texts:
        assert text.startswith("# GENERATED")


def test_size_of_each_generated_file() -> None:
    """At most 1,000 lines."""
    for path in committed():
        assert path.read_text(encoding="utf-8").count("\n") <= 1_000, path.name


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from cognito_async import operations
def families():
    return sorted(name for name in sys.modules if name.startswith("cognito_async.operations."))
assert families() == [], families()
operations.GroupType
print(*families())
assert "cognito_async.operations.user_pools" not in families()
"""


def test_modules_are_imported_when_first_used() -> None:
    """The index imports no module, and a type imports its own module and the shared ones."""
    program = PROGRAM.format(root=str(ROOT))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "cognito_async.operations.groups" in done.stdout.split()
