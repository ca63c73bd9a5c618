"""The plan of the house, as tests: who may import whom, what the twin may touch, what a tracked file may say."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import rooms
from tests.places import ROOT

LAYERS = tuple(package.name for package in rooms.packages())
"""The packages, each of which may import only from those before it."""

MOST_MODULES = 12
"""Modules of a room, beside its own docstring."""

WORLD = {
    "aiohttp", "aiokafka", "asyncio", "concurrent", "connectors", "faust", "http", "httpx", "httpx2", "influxdb_client",
    "kafka", "logging", "mode", "multiprocessing", "random", "requests", "secrets", "selectors", "signal", "socket",
    "ssl", "starlette", "streams", "structlog", "subprocess", "time", "urllib", "uuid", "uvicorn",
    "websockets",
}  # fmt: skip
"""What the twin may not import: clocks, chance, sockets, processes, logs, and whoever carries its events."""

FILE_MODULES = {
    "twin/dosing/protocol.py",
    "twin/kernel/cache.py",
    "twin/modelfile/library.py",
    "twin/modelfile/reader.py",
}
"""Modules of the twin that read model files or keep compiled kernels; no other opens a file."""

REGISTRIES = re.compile(
    r"pypi\.org|python[h]osted|registry\.npmjs|repo1?\.maven|proxy\.golang|(//|index\.|static\.)crates\.io|deb\.debian"
    r"|(^|[^A-Za-z0-9._-])/(work|farm|root|home)/"
)
"""Addresses of package registries, and folders of somebody's machine."""


def modules(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, package
    return found


def imports(tree: ast.AST) -> Iterator[str]:
    """Top-level names of all that is imported anywhere in ``tree``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def threads_started(tree: ast.AST) -> set[str]:
    """What of `threading` is used beyond its locks."""
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            used |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in used if name.startswith("threading.")} - {"threading.Lock", "threading.RLock"}


def world_touched(source: str, file_module: bool) -> set[str]:
    """What in ``source`` talks to the world: imports of `WORLD`, the clock of datetime, global chance, files, threads.

    Locks are allowed: a worker may observe two patients in two threads.
    """
    tree = ast.parse(source)
    found = set(imports(tree)) & WORLD | (threads_started(tree) if "threading" in source else set())
    if not file_module:
        found |= set(imports(tree)) & {"io", "os", "pathlib", "shutil", "tempfile"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
            if re.search(r"\b(datetime|date)\.(now|utcnow|today)$", called):
                found.add(called)
            if re.search(r"\brandom\.(?!Generator$|Philox$|SeedSequence$)\w+$", called):
                found.add(called)
            if called in {"print", "input"} or (called == "open" and not file_module):
                found.add(called)
    return found


@pytest.mark.parametrize("path", modules("twin"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_twin_does_not_talk_to_the_world(path: Path) -> None:
    assert world_touched(path.read_text(), str(path.relative_to(ROOT)) in FILE_MODULES) == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", {"time"}),
        ("def f():\n    from kafka.admin import X", {"kafka"}),
        ("datetime.now(UTC)", {"datetime.now"}),
        ("np.random.normal(0, 1)", {"np.random.normal"}),
        ("np.random.Generator(np.random.Philox(key=1))", set()),
        ("open('x')", {"open"}),
        ("from pathlib import Path", {"pathlib"}),
        ("import threading\nlock = threading.Lock()", set()),
        ("import threading\nthreading.Thread(target=f)", {"threading.Thread"}),
        ("from threading import Lock, Thread", {"threading.Thread"}),
        ("import math", set()),
    ],
)
def test_talking_to_the_world_would_be_noticed(source: str, found: set[str]) -> None:
    assert world_touched(source, file_module=False) == found


def late_decoders(source: str) -> list[str]:
    """Calls in ``source`` that may build a decoder's types when a thread decodes, and not when the module is imported.

    Two threads that build the types of one class at once end the process (msgspec 0.22).
    """
    if "msgspec" not in source and "Decoder" not in source:
        return []
    tree = ast.parse(source)
    inside = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call)
        for call in calls
        if (re.match(r"msgspec\.(\w+\.)?(decode|convert)$", called := ast.unparse(call.func)))
        or (call in inside and re.search(r"\b(msgpack|json)\.Decoder$", called))
    ]


def test_decoders_are_made_when_their_module_is_imported() -> None:
    found = {path: late for package in LAYERS for path in modules(package) if (late := late_decoders(path.read_text()))}
    assert found == {}


@pytest.mark.parametrize(
    ("source", "late"),
    [
        ("_decoder = msgspec.json.Decoder(Row)", 0),
        ("def f(raw):\n    return _decoder.decode(raw)", 0),
        ("def f(raw):\n    return msgspec.msgpack.decode(raw, type=Row)", 1),
        ("def f(raw):\n    return msgspec.json.Decoder(Row).decode(raw)", 1),
        ("f = lambda raw: msgspec.convert(raw, Row)", 1),
    ],
)
def test_a_decoder_made_late_would_be_noticed(source: str, late: int) -> None:
    assert len(late_decoders(source)) == late


@pytest.mark.parametrize(("position", "package"), list(enumerate(LAYERS)))
def test_a_package_imports_only_from_those_before_it(position: int, package: str) -> None:
    later = set(LAYERS[position + 1 :])
    for path in modules(package):
        assert not set(imports(ast.parse(path.read_text()))) & later, path


def test_every_module_says_what_it_is_for_and_fits_in_the_head() -> None:
    for package in LAYERS:
        for path in modules(package):
            text = path.read_text()
            assert ast.get_docstring(ast.parse(text)), f"{path}: no module docstring"
            assert len(text.splitlines()) <= 450, f"{path}: {len(text.splitlines())} lines"


ROOMS = sorted({path.parent for package in LAYERS for path in modules(package)})


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_is_small_and_says_what_it_is_for_what_comes_in_and_what_goes_out(room: Path) -> None:
    inside = [path.name for path in room.glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    assert len(inside) <= MOST_MODULES, f"{len(inside)} modules; a newcomer cannot find one"
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text()))
    assert said is not None
    assert len(re.findall(r"\.(?=\s|$)", said)) >= 3, said
    assert re.search(r"\bIn comes?\b", said), said
    assert re.search(r"\bOut goe?s?\b", said), said


def test_tests_are_the_same_tree_once_more() -> None:
    rooms = {str(room.relative_to(ROOT)) for room in ROOMS} | {"twin/library"}
    tested = {str(path.parent.relative_to(ROOT / "tests")) for path in (ROOT / "tests").rglob("test_*.py")}
    assert tested - rooms == {"."}


def test_the_map_of_the_rooms_is_what_the_contracts_say() -> None:
    renew = "renew it with 'python -m tests.rooms'"
    assert rooms.PICTURE.read_text() == rooms.picture(), renew
    assert rooms.MAP.read_text() == rooms.mapped(rooms.MAP.read_text()), renew


def test_every_room_is_part_of_the_order_of_imports() -> None:
    ordered = {f"{p.name}/{name}" for p in rooms.packages() for layer in p.layers for name in layer}
    top = {str(room.relative_to(ROOT)) for room in ROOMS if len(room.relative_to(ROOT).parts) == 2}
    assert top <= ordered


def tracked() -> list[Path]:
    """Every file that is part of the project: tracked, or about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def test_no_file_names_a_registry_or_a_folder_of_some_machine() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}: {line.strip()[:120]}" for line in text.splitlines() if REGISTRIES.search(line)
        ]
    assert found == []


def test_naming_a_registry_would_be_noticed() -> None:
    for line in ("https://pypi" + ".org/simple", "see /" + "root/x", '"resolved": "https://registry.npm' + 'js.org/a"'):
        assert REGISTRIES.search(line), line


def anchors(markdown: str) -> set[str]:
    """Anchors of the headings of ``markdown``, as GitHub makes them."""
    found: dict[str, int] = {}
    outside = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ +(.*?) *#*$", outside, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = found[slug] = found.get(slug, -1) + 1
        if count:
            found[f"{slug}-{count}"] = 0
    return set(found)


MADE = ROOT / "docs" / "reference" / "made"


def dead_links(path: Path) -> list[str]:
    """Links of the Markdown file ``path`` to files or headings that do not exist.

    Of pages that are made of the code while the site is built, `tests.test_site` knows.
    """
    markdown = path.read_text()
    outside = re.sub(r"^```.*?^```|`[^`\n]+`", "", markdown, flags=re.MULTILINE | re.DOTALL)
    dead = []
    for target in re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", outside):
        if re.match(r"[a-z]+:", target) or MADE in (path.parent / target).resolve().parents:
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file.read_text())):
            dead.append(target)
    return dead


@pytest.mark.parametrize("path", [p for p in tracked() if p.suffix == ".md"], ids=lambda path: path.name)
def test_no_page_has_a_dead_link(path: Path) -> None:
    assert dead_links(path) == []


def test_a_dead_link_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`\n\n[a](#one-two) [b](#three) [c](gone.md) [d](page.md#one-two) [e](page.md#x) [f](https://example.org)"
        "\n```\n[g](none)\n```\n"
    )
    assert dead_links(page) == ["#three", "gone.md", "page.md#x"]


def test_locks_pin_every_package_with_its_hash() -> None:
    for name in ("dev.lock", "runtime.lock"):
        requirements = re.split(r"\n(?=\S)", (ROOT / "requirements" / name).read_text())
        pins = [entry for entry in requirements if not entry.startswith("#")]
        assert len(pins) > 40
        assert [entry for entry in pins if "==" not in entry or "--hash=sha256:" not in entry] == []


NAMED = re.compile(r"`+((?:" + "|".join(LAYERS) + r")(?:\.\w+)+)")
"""A place in the house, as texts name it: `twin.filter.belief`, `twin.model.spec.Model`."""

WIRE = {"twin.estimates", "twin.alerts", "twin.audit", "twin.commands", "twin.heartbeats", "twin.rejected"}
WIRE |= {"twin.accesses", "twin.advice", "twin.posteriors", "twin.surprise", "twin.degenerate", "twin.stale"}
WIRE |= {"twin.extrapolated"}
"""Topics and rules that look like places."""

GROUPS = {
    name
    for package in LAYERS
    for path in modules(package)
    for name in re.findall(r'^GROUP = "([\w.]+)"', path.read_text(), re.MULTILINE)
}
"""Entry point groups, which look like places too."""


def exists(name: str) -> bool:
    """Whether a dotted name is a package, a module, or something defined at the top of one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:cut])
        source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if place.is_dir() and cut == len(parts):
            return True
        if source.is_file():
            if cut == len(parts):
                return True
            tree = ast.parse(source.read_text())
            words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            words |= {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
            }
            words |= {
                alias.asname or alias.name
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            }
            return parts[cut] in words
    return False


def test_places_named_in_texts_are_there() -> None:
    gone = []
    for path in tracked():
        if path.suffix in (".py", ".md", ".toml") and path.name != "CHANGELOG.md":
            named = set(NAMED.findall(path.read_text(encoding="utf-8"))) - WIRE - GROUPS
            gone += [f"{path.relative_to(ROOT)}: {name}" for name in sorted(named) if not exists(name)]
    assert gone == []


PATHS = re.compile(r"`((?:" + "|".join((*LAYERS, "tests")) + r")/[a-z_0-9/]+\.(?:py|toml))`")
"""A file of the house, as texts name it; where CAPITALS stand for a name it is a pattern."""


def test_files_named_in_texts_are_there() -> None:
    texts = [path for path in tracked() if path.suffix in (".py", ".md", ".toml") and path.name != "CHANGELOG.md"]
    named = {name for path in texts for name in PATHS.findall(path.read_text(encoding="utf-8"))}
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_a_place_that_is_gone_would_be_noticed() -> None:
    assert exists("twin.filter.belief.Belief")
    assert exists("twin.alerts")
    assert not exists("twin.belief")
    assert not exists("twin.filter.belief.Nothing")
