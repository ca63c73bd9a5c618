"""``python -m tests.fuzz.modelfiles [COUNT] [SEED]``: hostile model files, read as `dosetwin models check` reads them.

Nothing in a file may run, no file of a megabyte may take ten seconds, and each is either sound or refused with a
message that a terminal can show; what is sound generates source that holds nothing but arithmetic. Ends with what was
wrong and exit code 1, if anything was. 10,000 files take some five minutes of processor.
"""

from __future__ import annotations

import ast
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from connectors.reports.facts import facts
from tests.fuzz.mutation import CANARY, hostile_file, sound_files
from twin.kernel.codegen import generate
from twin.model.spec import ModelError
from twin.model.structure import analyse
from twin.modelfile.lint import doubtful, faults
from twin.modelfile.reader import parse_model
from twin.names import unprintable

LONGEST = 10.0
"""Seconds of processor that any file may take."""

FORBIDDEN = frozenset(
    {"os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect", "os.remove",
     "os.rename", "os.mkdir", "shutil.rmtree", "ctypes.dlopen", "pty.spawn"}
)  # fmt: skip
"""What the interpreter reports (`sys.audit`) and reading a model file never causes."""

_WATCHED: list[list[str]] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _WATCHED:
        return
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    # The interpreter runs modules of its own, which are files; what was made of a text is none.
    runs = event == "exec" and Path(getattr(arguments[0], "co_filename", "")).suffix != ".py"
    if event in FORBIDDEN or writes or runs:
        _WATCHED[-1].append(f"{event} {arguments!r}"[:200])


_INSTALLED: list[bool] = []


@contextmanager
def watched() -> Iterator[list[str]]:
    """What was done meanwhile that reading a file never does."""
    if not _INSTALLED:
        sys.addaudithook(_hook)  # for good: the interpreter has no way to take it off again
        _INSTALLED.append(True)
    done: list[str] = []
    _WATCHED.append(done)
    try:
        yield done
    finally:
        _WATCHED.pop()


def examine(text: str) -> str:
    """Read one file and say what became of it: ``sound`` or ``refused``.

    Raises:
        AssertionError: it did something, took too long, or what was said or generated is not what it may be.
    """
    begun = time.process_time()
    with watched() as done:
        found = faults(text, "hostile.toml")
        for fault in found:
            assert unprintable(str(fault)) is None, f"a terminal would obey: {fault!s}"
            assert len(str(fault)) < 3000, f"a message of {len(str(fault))} characters"
        try:
            model = parse_model(text, "hostile.toml")
            sources = [*generate(model, analyse(model)).values()]
            said = [str(line) for section in facts(model) for line in (*section.lines, *section.formulas)]
            said += [str(doubt) for doubt in doubtful(model, "hostile.toml")]
            refusal = None
        except ModelError as error:
            sources, said, refusal = [], [], error
    took = time.process_time() - begun
    assert bool(found) == bool(refusal), f"models check says {found or 'sound'}, reading says {refusal or 'sound'}"
    assert not done, f"it did {done}"
    assert not Path(CANARY).exists(), "it ran a command"
    assert took < LONGEST, f"took {took:.1f} s"
    assert not any(unprintable(line) for line in said)
    for source in sources:
        check_inert(source)
    return "refused" if found else "sound"


def check_inert(source: str) -> None:
    """Check that generated source is imports of ours, functions, loops and arithmetic.

    Raises:
        AssertionError: naming what else is in it.
    """
    tree = ast.parse(source)
    assert isinstance(tree.body[0], ast.Expr), "a docstring comes first"
    words = {tree.body[0].value}
    for node in ast.walk(tree):
        assert isinstance(node, INERT), f"{ast.unparse(node)} ({type(node).__name__})"
        if isinstance(node, ast.Constant) and not isinstance(node.value, int | float):
            assert node in words or node.value in ("numpy", None), f"the text {node.value!r}"
        if isinstance(node, ast.Attribute):
            assert isinstance(node.value, ast.Name | ast.Attribute | ast.Subscript), ast.unparse(node)
            assert not node.attr.startswith("_"), ast.unparse(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            assert module in ("math", "numpy", "numba") or str(module).startswith("twin.kernel."), module
        if isinstance(node, ast.Name):
            assert not node.id.startswith("__"), node.id
    assert "Generated from a model" in str(ast.get_docstring(tree))


INERT = (
    ast.Module, ast.Expr, ast.Constant, ast.Import, ast.ImportFrom, ast.alias, ast.FunctionDef, ast.arguments, ast.arg,
    ast.For, ast.While, ast.If, ast.IfExp, ast.Assign, ast.AugAssign, ast.Return, ast.Pass, ast.Continue, ast.Break,
    ast.Name, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.Starred, ast.Call,
    ast.keyword, ast.BinOp, ast.UnaryOp,
    ast.Compare, ast.BoolOp, ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
)  # fmt: skip
"""What generated source is made of."""


def run(count: int, seed: int) -> tuple[Counter[str], list[tuple[int, str, str]]]:
    """Examine so many files: how each ended, and of those that ended badly their number, the reason and the text."""
    sound = sound_files()
    ends: Counter[str] = Counter()
    bad: list[tuple[int, str, str]] = []
    for number in range(count):
        text = hostile_file(Random(f"{seed}/{number}"), sound)
        try:
            ends[examine(text)] += 1
        except Exception:
            ends["bad"] += 1
            bad.append((number, traceback.format_exc(limit=-4), text))
    return ends, bad


def main(count: int = 10_000, seed: int = 1) -> int:
    """Examine files and print what was wrong with those that ended badly."""
    begun = time.monotonic()
    ends, bad = run(count, seed)
    for number, reason, _ in bad[:20]:
        print(f"--- file {number} of seed {seed}\n{reason}")
    print(f"{count} files of seed {seed} in {time.monotonic() - begun:.0f} s: {dict(ends)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
