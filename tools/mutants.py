"""Mutation tests: ``python -m tools.mutants [MODULE …]``, with modules as in ``tools/tables/mutants.toml``.

Each mutant changes one place of a module, and the module's own tests must fail. The tests are collected once. For each
mutant, a forked process replaces the code of the changed function and runs the tests that call it, those first that
failed last. Mutants of functions that imports call, such as decorators, and those that replacing code does not apply,
such as defaults of parameters, run a second time with the changed module imported. The work tree never changes, and
signatures and stack frames are those of the real code. Programs that tests start run the unchanged module.

mutmut provides the mutations; its runner would replace functions by trampolines, which tests of locals, slots and
FastAPI dependencies notice.

The results are kept in ``.artefacts/mutants.jsonl``, and a run continues where the last one ended. Survivors run again
when their tests change; killed mutants only when the module changes. Environment: MINUTES limits the run (default 10),
JOBS is the number of processes (default 2).
"""

import gc
import hashlib
import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import unified_diff
from functools import lru_cache, partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import libcst as cst
import pytest
from attrs import field, frozen
from libcst.metadata import MetadataWrapper
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_string

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cognito_async"
TABLES = ROOT / "tools" / "tables"
RESULTS = ROOT / ".artefacts" / "mutants.jsonl"
KILLED, SURVIVED, IMPORTED = "killed", "survived", "imported"
_CACHED = type(lru_cache(len))
REQUIRED = 0.95  # of all mutants, in a complete run
# Imported before the forks, to save their time.
LIBRARIES = ("aiohttp.web", "botocore.session", "cattrs", "cryptography.hazmat.primitives.asymmetric.rsa", "fastapi")
# Rewritten assertions would hide mutants.
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain", "--timeout=0")


@frozen(kw_only=True)
class Mutant:
    """A module with one change."""

    module: str
    function: str
    line: int
    before: str
    after: str
    source: str = field(repr=False)

    @property
    def key(self) -> str:
        """Identify the mutant as long as the module is unchanged."""
        return hashlib.sha256(f"{self.module}\n{self.source}".encode()).hexdigest()[:16]

    @property
    def change(self) -> tuple[str, str, str, str]:
        """Identify the mutant in the table of equivalent mutants."""
        return self.module, self.function, self.before, self.after


def main(arguments: Sequence[str]) -> int:
    """Run the mutants of the modules, print the survivors, and return 1 if there are any that are not listed."""
    tests: dict[str, list[str]] = tomllib.loads((TABLES / "mutants.toml").read_text())["tests"]
    if unknown := set(arguments) - set(tests):
        print(f"unknown: {', '.join(sorted(unknown))}; use the modules in tools/tables/mutants.toml", file=sys.stderr)
        return 2
    equivalent = {
        (row["module"], row["function"], row["before"], row["after"])
        for row in tomllib.loads((TABLES / "equivalent_mutants.toml").read_text()).get("mutant", [])
    }
    results = {row["key"]: row for row in map(json.loads, RESULTS.read_text().splitlines())} if RESULTS.exists() else {}
    for library in LIBRARIES:
        importlib.import_module(library)
    end = time.monotonic() + 60 * float(os.environ.get("MINUTES", "10"))
    killed = run = left = unlisted = 0
    for module in arguments or tests:
        found = list(mutants(module))
        stale = {mutant.change for mutant in found}
        for row in sorted(row for row in equivalent if row[0] == module and row not in stale):
            print(f"{module}: remove from equivalent_mutants.toml, there is no such mutant: {row[1:]}")
            unlisted += 1
        version = _version(tests[module])

        def is_known(mutant: Mutant, version: str = version) -> bool:
            survived = results.get(mutant.key, {}).get("survived")
            return mutant.change in equivalent or survived in {False, version}

        pending = [mutant for mutant in found if not is_known(mutant)]
        if pending and time.monotonic() < end:
            for mutant, survived in _run(pending, tests[module], end):
                results[mutant.key] = {"key": mutant.key, "survived": version if survived else False}
                RESULTS.parent.mkdir(exist_ok=True)
                with RESULTS.open("a") as file:
                    file.write(json.dumps(results[mutant.key]) + "\n")
        known = list(filter(is_known, found))
        survivors = [m for m in known if m.change not in equivalent and results[m.key]["survived"]]
        listed = sum(mutant.change in equivalent for mutant in known)
        print(
            f"{module}: {len(known) - len(survivors) - listed} of {len(known)} killed, {listed} equivalent, "
            f"{len(found) - len(known)} not run",
            flush=True,
        )
        for mutant in survivors:
            print(f"  survived: {mutant.function}, line {mutant.line}\n    - {mutant.before}\n    + {mutant.after}")
        killed += len(known) - len(survivors) - listed
        run += len(known)
        left += len(found) - len(known)
        unlisted += len(survivors)
    print(f"{killed} of {run} mutants killed ({killed / max(run, 1):.1%}), {left} left; run again to continue")
    is_complete = not arguments and not left
    return int(unlisted > 0 or (is_complete and killed < REQUIRED * run))


# --- mutations --------------------------------------------------------------------------------------------------------


def mutants(module: str) -> Iterator[Mutant]:
    """Yield the mutants of a module that compile."""
    source = (PACKAGE / module).read_text()
    tree = MetadataWrapper(cst.parse_module(source)).module
    seen = {source}
    end = len(source) - sum(len(tree.code_for_node(node)) for node in (*tree.body, *tree.footer))
    for statement in tree.body:  # each separately, because rendering all of them takes long
        start, end = end, end + len(tree.code_for_node(statement))
        visitor = _Visitor()
        statement.visit(visitor)
        for function, node, mutated in visitor.found:
            changed = statement.deep_replace(node, mutated)
            code = source[:start] + tree.code_for_node(changed) + source[end:]
            if code in seen or not _compiles(code):
                continue
            seen.add(code)
            diff = list(unified_diff(source.splitlines(), code.splitlines(), n=0, lineterm=""))[2:]
            before, after = ("\n".join(line[1:].strip() for line in diff if line[0] == sign) for sign in "-+")
            line = int(diff[0].split()[1].partition(",")[0][1:])
            yield Mutant(module=module, function=function, line=line, before=before, after=after, source=code)


class _Visitor(cst.CSTVisitor):
    """Finds the nodes in functions that can be changed, and the changes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, cst.CSTNode, cst.CSTNode]] = []
        self._names: list[str] = []
        self._functions = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Collect the changes of a node; do not enter annotations and decorators."""
        if isinstance(node, cst.Annotation | cst.Decorator):
            return False
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "cast":
            node.args[1].visit(self)  # the type is ignored at run time
            return False
        if self._functions:
            self.found += [(".".join(self._names), node, mutated) for mutated in _mutations(node)]
        if isinstance(node, cst.ClassDef | cst.FunctionDef):
            self._names.append(node.name.value)
            self._functions += isinstance(node, cst.FunctionDef)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """Leave a class or function."""
        if isinstance(original_node, cst.ClassDef | cst.FunctionDef):
            self._names.pop()
            self._functions -= isinstance(original_node, cst.FunctionDef)


def _mutations(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield the changes of a node. Texts for readers stay as they are: tests do not assert sentences."""
    if _is_text(node):
        return
    for operator in (operator for kind, operator in mutation_operators if isinstance(node, kind)):
        mutated: Iterable[cst.CSTNode] = operator(node)
        if operator is operator_string:
            mutated = list(mutated)[:1]  # the others change case only
        if operator is operator_arg_removal and isinstance(node, cst.Call):
            mutated = [each for each in mutated if isinstance(each, cst.Call) and _is_useful(node, each)]
        yield from mutated
    # What mutmut lacks: statements are removed, and conditions without a comparison negated.
    if isinstance(node, cst.SimpleStatementLine) and isinstance(node.body[0], cst.Expr | cst.Del):
        removed = node.body[0]
        if isinstance(removed, cst.Del) or isinstance(removed.value, cst.Call | cst.Await):
            yield node.with_changes(body=[cst.Pass()])
    if isinstance(node, cst.If | cst.While) and isinstance(node.test, cst.Name | cst.Attribute | cst.Call):
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), node.test))


def _is_text(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.SimpleString):
        return " " in node.raw_value or node.quote.startswith(('"""', "'''"))
    if isinstance(node, cst.FormattedString):
        return any(isinstance(part, cst.FormattedStringText) and " " in part.value for part in node.parts)
    return isinstance(node, cst.ConcatenatedString)


def _is_useful(call: cst.Call, mutated: cst.Call) -> bool:
    """Return whether a change of arguments replaces a positional one, or removes one with a keyword, and no text."""
    kept = {id(argument) for argument in mutated.args}
    changed = next(argument for argument in call.args if id(argument) not in kept)
    is_removed = len(mutated.args) < len(call.args)
    return is_removed == (changed.keyword is not None) and not _is_text(changed.value)


def _compiles(code: str) -> bool:
    try:
        compile(code, "<mutant>", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


# --- runs -------------------------------------------------------------------------------------------------------------


class _Mutation(MetaPathFinder):
    """Imports a module from other source text."""

    def __init__(self, mutant: Mutant) -> None:
        self._path = str(PACKAGE / mutant.module)
        self._name = _name_of(mutant.module)
        self._source = mutant.source

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        if fullname != self._name:
            return None
        return spec_from_file_location(fullname, self._path, loader=_Loader(fullname, self._path, self._source))


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the file and its compiled code are not read
        return compile(self._source, self.path, "exec", dont_inherit=True)


def _name_of(module: str) -> str:
    return ".".join((PACKAGE.name, *Path(module).with_suffix("").parts))


def _run(pending: Sequence[Mutant], tests: Sequence[str], end: float) -> Iterator[tuple[Mutant, bool]]:
    """Run the tests with each mutant, and yield whether it survived; stop at ``end``."""
    with tempfile.TemporaryDirectory() as folder:
        # In a fork, because the tests import the modules.
        if _wait(_fork(partial(_run_collected, pending, tests, end, Path(folder))), end + 600) != 0:
            failed = Path(folder, "failed")
            name = failed.read_text() if failed.exists() else " ".join(tests)
            raise SystemExit(f"the tests fail without a mutation: pytest {name}")
        survivors: list[Mutant] = []
        for index, mutant in enumerate(pending):
            result = Path(folder, str(index))
            if result.exists():
                outcome = result.read_text()
                if outcome == IMPORTED:
                    survivors.append(mutant)
                    continue
                if outcome == KILLED and not Path(folder, f"{mutant.key}.killer").exists():
                    print(f"  ended without a failed test: {mutant.function}, line {mutant.line}\n    + {mutant.after}")
                yield mutant, outcome == SURVIVED
        seconds = sum(duration for duration, _ in json.loads(Path(folder, "calls").read_text()).values())
    programs = ((partial(_run_imported, mutant, tests), 60.0 + 3 * seconds) for mutant in survivors)
    for index, code in _fork_each(programs, end):
        yield survivors[index], code == 0


def _run_imported(mutant: Mutant, tests: Sequence[str]) -> int:
    sys.meta_path.insert(0, _Mutation(mutant))
    return int(pytest.main([*OPTIONS, *tests]))


def _run_collected(pending: Sequence[Mutant], tests: Sequence[str], end: float, folder: Path) -> int:
    runner = _Runner(pending, end, folder)
    with _traced(runner.path, runner.imported):
        return int(pytest.main([*OPTIONS, *tests], plugins=[runner]))


class _Runner:
    """A pytest plugin that runs the collected tests once for each mutant, and writes the outcomes to files."""

    def __init__(self, pending: Sequence[Mutant], end: float, folder: Path) -> None:
        self.path = str(PACKAGE / pending[0].module)
        self.imported: set[str] = set()  # functions that were called before the tests ran
        self._pending = pending
        self._end = end
        self._folder = folder
        self._original = dict(_codes(Path(self.path).read_text(), self.path))
        self._functions: list[tuple[FunctionType, str]] = []
        self._caches: list[Any] = []
        self._items: dict[str, pytest.Item] = {}
        self._calls: dict[str, tuple[float, list[str]]] = {}  # duration and functions of each test
        self._killers: dict[str, None] = {}  # names of tests; the last one failed last

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests unchanged, then with each mutant."""
        sys.settrace(None)
        importlib.import_module(_name_of(self._pending[0].module))  # tests may import it later
        self._items = {item.nodeid: item for item in session.items}
        names = {code: name for name, code in self._original.items()}
        functions = [function for function in gc.get_objects() if isinstance(function, FunctionType)]
        self._functions = [
            (function, names[function.__code__])
            for function in functions
            if function.__code__.co_filename == self.path and function.__code__ in names
        ]
        cached = {id(function) for function, _ in self._functions}
        self._caches = [
            value
            for value in gc.get_objects()
            if isinstance(value, _CACHED)
            and id(getattr(value, "__wrapped__", None)) in cached
            and not value.cache_info().currsize  # module variables refer to objects that imports cached
        ]
        gc.collect()
        gc.freeze()  # forks share the memory
        calls = self._folder / "calls"
        if _wait(_fork(partial(self._record, session, calls)), time.monotonic() + 600) != 0:
            session.testsfailed = 1
            return True
        self._calls = json.loads(calls.read_text())
        tests = [self._tests(mutant) for mutant in self._pending]
        programs = (
            (partial(self._test, session, mutant, found), 60 + 3 * sum(self._calls[name][0] for name in found))
            for mutant, found in zip(self._pending, tests, strict=True)
        )
        for index, code in _fork_each(programs, self._end):
            killer = self._folder / f"{self._pending[index].key}.killer"
            if killer.exists():
                name = killer.read_text()
                self._killers.pop(name, None)
                self._killers[name] = None
            again = code == 0 and self._needs_import(self._pending[index])
            self._folder.joinpath(str(index)).write_text(IMPORTED if again else KILLED if code else SURVIVED)
        return True

    def _record(self, session: pytest.Session, calls: Path) -> int:
        """Run the tests and record which functions each of them calls."""
        found: dict[str, tuple[float, list[str]]] = {}
        for item in session.items:
            names: set[str] = set()
            for cache in self._caches:  # each test calls the function
                cache.cache_clear()
            started = time.monotonic()
            with _traced(self.path, names):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.testsfailed:
                calls.with_name("failed").write_text(item.nodeid)
                break
            found[item.nodeid] = time.monotonic() - started, sorted(names)
        calls.write_text(json.dumps(found))
        return session.testsfailed

    def _tests(self, mutant: Mutant) -> list[str]:
        """Return the tests that call the changed function."""
        return [
            name
            for name, (_, called) in self._calls.items()
            if any(_contains(mutant.function, each) for each in called)
        ]

    def _needs_import(self, mutant: Mutant) -> bool:
        """Return whether imports call the changed function, or no code was replaced: defaults, removed ``super()``."""
        is_replaced = any(
            _contains(mutant.function, name.partition(" ")[0])
            and code != self._original[name]
            and len(code.co_freevars) == len(self._original[name].co_freevars)
            for name, code in _codes(mutant.source, self.path)
            if name in self._original
        )
        return not is_replaced or any(_contains(mutant.function, name) for name in self.imported)

    def _test(self, session: pytest.Session, mutant: Mutant, found: Sequence[str]) -> int:
        """Run tests until one fails. A test that takes much longer than before ends the process."""
        changed = dict(_codes(mutant.source, self.path))
        for function, name in self._functions:
            if name in changed and len(changed[name].co_freevars) == len(function.__code__.co_freevars):
                function.__code__ = changed[name]
        killers = [name for name in reversed(self._killers) if name in found]
        for name in dict.fromkeys((*killers, *found)):
            signal.setitimer(signal.ITIMER_REAL, 15 + 5 * self._calls[name][0])
            item = self._items[name]
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if session.testsfailed:
                self._folder.joinpath(f"{mutant.key}.killer").write_text(name)
                return 1
        return 0


def _codes(source: str, path: str) -> Iterator[tuple[str, CodeType]]:
    """Yield the code of each function of a module; the number tells functions with the same name apart."""
    counts: dict[str, int] = {}
    pending = [compile(source, path, "exec", dont_inherit=True)]
    while pending:
        code = pending.pop(0)
        counts[code.co_qualname] = counts.get(code.co_qualname, 0) + 1
        yield f"{code.co_qualname} {counts[code.co_qualname]}", code
        pending += [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _contains(function: str, name: str) -> bool:
    """Return whether a qualified name is that of a function, or of one inside it."""
    return f"{name.replace('.<locals>', '')}.".startswith(f"{function}.")


@contextmanager
def _traced(path: str, names: set[str]) -> Iterator[None]:
    """Collect the qualified names of the functions of a file that the block calls."""

    def trace(frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG001 - the interface's
        if frame.f_code.co_filename == path:
            names.add(frame.f_code.co_qualname)

    sys.settrace(trace)
    threading.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)


# --- processes --------------------------------------------------------------------------------------------------------


def _fork_each(programs: Iterable[tuple[Callable[[], int], float]], end: float) -> Iterator[tuple[int, int]]:
    """Run each program in a fork, within its time limit in seconds, and yield its number and exit code."""
    running: dict[int, tuple[int, float]] = {}
    waiting = enumerate(programs)
    jobs = int(os.environ.get("JOBS", "2"))
    try:
        while True:
            while len(running) < jobs and time.monotonic() < end and (following := next(waiting, None)) is not None:
                index, (program, seconds) = following
                running[_fork(program)] = index, time.monotonic() + seconds
            if not running:
                return
            for pid, (index, deadline) in list(running.items()):
                code = _poll(pid, deadline)
                if code is not None:
                    del running[pid]
                    yield index, code
            time.sleep(0.005)
    finally:
        for pid in running:
            _kill(pid)


def _fork(program: Callable[[], int]) -> int:
    """Run a program in a fork, which leads its process group."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        code = program()
    finally:
        os._exit(code)


def _wait(pid: int, deadline: float) -> int:
    while (code := _poll(pid, deadline)) is None:
        time.sleep(0.01)
    return code


def _poll(pid: int, deadline: float) -> int | None:
    """Return the exit code of a fork, or None if it still runs; one that exceeds its time limit is killed."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        if time.monotonic() < deadline:
            return None
        _kill(pid)
        status = os.waitpid(pid, 0)[1]
    _kill(pid)
    return os.waitstatus_to_exitcode(status)


def _kill(pid: int) -> None:
    """Kill a fork with the programs that it started."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _version(tests: Iterable[str]) -> str:
    """Identify the contents of the tests."""
    digest = hashlib.sha256()
    for name in tests:
        digest.update((ROOT / name.partition("::")[0]).read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
