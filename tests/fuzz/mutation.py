"""Model files that are wrong in many ways: sound ones, changed where their structure says that it may hurt."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable
from random import Random
from typing import Any

from tests.twin import toys
from twin.modelfile.library import library_ids, load_model
from twin.modelfile.template import template

CANARY = "DOSETWIN_CANARY"
"""File that hostile texts try to make; it must never be there."""

COMMAND = f"__import__('os').system('touch {CANARY}')"

HOSTILE = (
    f'x"""\n{COMMAND}\n"""', f"x'''\n{COMMAND}\n'''", f"x\n{COMMAND}\n#", f"x\\\n{COMMAND}", COMMAND,
    f"(lambda: {COMMAND})()", f"[{COMMAND} for _ in (1,)]", f"f'{{{COMMAND}}}'", f"x); {COMMAND}; (",
    f"x = {COMMAND}", "x.__class__.__mro__", "().__class__.__bases__[0].__subclasses__()", "exec('1')", "eval(x)",
    "open('x', 'w')", "../../escaped", "/etc/passwd", "..\\x", "a/b", ".", "", " ", "\t", "x y", "x\x00y",
    "\x1b[2J\x1b]0;x\x07", "x\r\ny", "\u202eevil", "\u2028", "é", "ℯxp", "𝟏", "\ud7ff", "\U0010ffff", "x" * 300,
    "x" * 20_000, "x|yield()", '" or true or "', "${jndi:x}", "$(touch x)", "`touch x`", "<script>", "%s%n", "{0}",
    "{{7*7}}", "None", "True", "def", "class", "import", "exp", "input", "t", "clock", "m_CL", "np", "math", "njit",
    "range", "par", "cov", "eta", "n", "__builtins__", "MG/ML", "1" * 5000, "1e999", "nan", "inf", "-1", "0", "1/0",
    "0/0", "9**9**9**9", "(-1)**0.5", "2**-1e308", "log(-1)", "(" * 3000, "-" * 3000 + "1", "+".join("1" * 1500),
    "exp(" * 90 + "1" + ")" * 90, "x**" * 60 + "2", "where(1, 2, 3)", "min()", "max(1)", "input(x, y, z)",
    "transit(x)", "pulse()", "previous(x, t)", "CL if t > 1 else V", "IF (T.GT.1) X", "a and b", "not a",
    "1 < t < 2", "x := 1", "lambda: 1", "*x", "**x", "x,", "x;y", "#", "'", '"', "\\",
)  # fmt: skip
"""Texts that something that reads carelessly would run, follow, show or choke on."""

NUMBERS = (
    0, -1, 1, 1e308, -1e308, 5e-324, 1e-300, 1e15, 10**30, 10**400, -(10**400), float("nan"), float("inf"), True, False,
    0.5, 30, 1e9,
)  # fmt: skip

SECTIONS = (
    "inputs", "covariates", "parameters", "derived", "terms", "states", "outputs", "targets", "toxicities", "regimens",
    "correlations", "cadence", "numerics", "occasions", "drift", "variability", "confirmed_by", "expected", "sources",
)  # fmt: skip

Path = tuple[Any, ...]
Content = dict[str, Any]


def sound_files() -> list[Content]:
    """Contents of sound files: the library's, the toys of the tests, and the template."""
    texts = [load_model(name).text for name in library_ids()]
    texts += [toys.ABSORPTION, toys.CHAIN, toys.BOLUS, toys.LEVELS, template("mine")]
    return [tomllib.loads(text) for text in texts]


def hostile_file(random: Random, sound: list[Content]) -> str:
    """The text of one file that is likely wrong."""
    content = copy.deepcopy(random.choice(sound))
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        random.choice(CHANGES)(random, content, sound)
    text = toml(content)
    if random.random() < 0.15:
        text = random.choice(SCARS)(random, text)
    return text


# --- changes of what a file says -------------------------------------------------------------------------------------


def _places(content: Any, at: Path = ()) -> list[Path]:
    """Every place of a content, by its path."""
    found = [at] if at else []
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        found += _places(value, (*at, key))
    return found


def _at(content: Any, path: Path) -> Any:
    for step in path:
        content = content[step]
    return content


def _put(content: Any, path: Path, value: Any) -> None:
    _at(content, path[:-1])[path[-1]] = value


def _any_place(random: Random, content: Content) -> Path | None:
    places = _places(content)
    return random.choice(places) if places else None


def _hostile_text(random: Random, content: Content, _: list[Content]) -> None:
    texts = [path for path in _places(content) if isinstance(_at(content, path), str)]
    if texts:
        _put(content, random.choice(texts), random.choice(HOSTILE))


def _hostile_key(random: Random, content: Content, _: list[Content]) -> None:
    tables = [(), *(path for path in _places(content) if isinstance(_at(content, path), dict))]
    table = _at(content, random.choice(tables))
    if table:
        key = random.choice(list(table))
        new = random.choice((*HOSTILE, *table, *SECTIONS))
        items = [(new if name == key else name, value) for name, value in table.items()]
        table.clear()
        table.update(items)


def _number(random: Random, content: Content, _: list[Content]) -> None:
    numbers = [path for path in _places(content) if isinstance(_at(content, path), int | float)]
    if numbers:
        _put(content, random.choice(numbers), random.choice(NUMBERS))


def _formula(random: Random, content: Content, _: list[Content]) -> None:
    formulas = [
        p for p in _places(content) if p[-1] in ("expression", "derivative", "initial", "hazard", "probability")
    ]
    if formulas:
        _put(content, random.choice(formulas), made_formula(random, content))


def _other_type(random: Random, content: Content, sound: list[Content]) -> None:
    path = _any_place(random, content)
    if path:
        others = ([], {}, "x", 1, 1.5, True, [1], ["x"], {"x": 1}, [[]], [{}], {"x": {"y": {"z": []}}})
        _put(content, path, copy.deepcopy(random.choice((*others, random.choice(sound)))))


def _left_out(random: Random, content: Content, _: list[Content]) -> None:
    path = _any_place(random, content)
    if path:
        del _at(content, path[:-1])[path[-1]]


def _grafted(random: Random, content: Content, sound: list[Content]) -> None:
    """A section of another model."""
    other = random.choice(sound)
    section = random.choice(list(other))
    content[section] = copy.deepcopy(other[section])


def _swollen(random: Random, content: Content, _: list[Content]) -> None:
    """More of everything, up to far too much."""
    count = random.choice((3, 20, 59, 70, 300, 2500))
    kind = random.choice(("states", "parameters", "terms", "doublings", "regimens", "aliases"))
    if kind == "doublings":
        doubled = {
            f"x{i}": {"unit": "1", "expression": f"x{i - 1}*x{i - 1}" if i else "2"} for i in range(min(count, 70))
        }
        content["terms"] = doubled
    elif kind == "terms":
        content["terms"] = {f"x{i}": {"unit": "1", "expression": f"x{i - 1} + 1" if i else "2"} for i in range(count)}
    elif kind == "states":
        content["states"] = {f"S{i}": {"unit": "1", "derivative": f"-0.1*S{max(i - 1, 0)}"} for i in range(count)}
    elif kind == "parameters":
        made = {f"p{i}": {"value": 1, "unit": "1", "iiv": 0.1, "source": "x"} for i in range(count)}
        content["parameters"] = {**(content.get("parameters") or {}), **made}
    elif kind == "aliases":
        for output in _tables(content, "outputs"):
            output["aliases"] = [f"a{i}" for i in range(count)]
    else:
        for regimen in content.get("regimens") or []:
            if isinstance(regimen, dict):
                regimen |= {"cycles": 10**count if count < 70 else count, "interval": 1e-9, "duration": 0}


def _tables(content: Content, section: str) -> list[Content]:
    found = content.get(section)
    return [table for table in found.values() if isinstance(table, dict)] if isinstance(found, dict) else []


CHANGES: tuple[Callable[[Random, Content, list[Content]], None], ...] = (
    _hostile_text, _hostile_text, _hostile_text, _hostile_key, _number, _number, _formula, _formula, _formula,
    _other_type, _left_out, _grafted, _swollen,
)  # fmt: skip


def made_formula(random: Random, content: Content) -> str:
    """A formula of the grammar over the file's own names, or nearly so."""
    names = [name for section in SECTIONS for name in _names(content.get(section))] or ["x"]
    drug = str(content.get("drug"))

    def part(depth: int) -> str:
        if depth <= 0 or random.random() < 0.2:
            return random.choice(
                (random.choice(names), str(random.choice((0, 1, 2.5, 1e300, 70))), "t", f"input({drug})")
            )
        a, b = part(depth - 1), part(depth - 1)
        return random.choice(
            (
                f"({a} {random.choice('+-*/')} {b})", f"({a})**{b}", f"exp({a})", f"log({a})", f"sqrt({a})",
                f"min({a}, {b})", f"where({a} > {b}, {a}, {b})", f"-({a})", f"pow({a}, {b})", f"floor({a})",
                f"tanh({a})", f"previous({random.choice(names)})", f"after({drug}, {b})",
                f"transit({drug}, n={a}, mtt={b})",
                f"({a} if {b} else {a})", random.choice(HOSTILE),
            )
        )  # fmt: skip

    return part(random.choice((1, 2, 3, 5)))


def _names(section: object) -> list[str]:
    return [name for name in section if isinstance(name, str)] if isinstance(section, dict) else []


# --- scars in the text -----------------------------------------------------------------------------------------------


def _cut(random: Random, text: str) -> str:
    return text[: random.randrange(len(text) + 1)]


def _struck(random: Random, text: str) -> str:
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(HOSTILE)[:400] + text[at + random.choice((0, 1, 50)) :]


def _brackets(random: Random, text: str) -> str:
    return text + "\nx = " + random.choice(("[", "{a=", '"""', "'")) * random.choice((10, 1000, 100_000))


def _deep_keys(random: Random, text: str) -> str:
    return f"{text}\n[{'.'.join('a' * random.choice((10, 30, 50_000)))}]\n" + "b = 1\n" * random.choice((1, 10))


def _twice(random: Random, text: str) -> str:
    lines = text.split("\n")
    at = random.randrange(len(lines))
    return "\n".join([*lines[:at], *lines[max(0, at - random.choice((1, 5, 40))) :]])


SCARS: tuple[Callable[[Random, str], str], ...] = (_cut, _struck, _brackets, _deep_keys, _twice)


# --- TOML ------------------------------------------------------------------------------------------------------------


def toml(content: Content) -> str:
    """A content as TOML: plain entries, then inline what is deeper."""
    head = [f"{_quoted(key)} = {_value(value)}" for key, value in content.items() if not _is_section(value)]
    for key, value in content.items():
        if not _is_section(value):
            continue
        for name, table in value.items():
            head.append(f"\n[{_quoted(key)}.{_quoted(name)}]")
            head += [f"{_quoted(entry)} = {_value(item)}" for entry, item in table.items()]
    return "\n".join(head) + "\n"


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(table, dict) for table in value.values())


def _quoted(key: str) -> str:
    return key if key.replace("_", "").isalnum() and key.isascii() else _text(key)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case int():
            return _digits(value)
        case float():
            return repr(value)
        case dict():
            return "{" + ", ".join(f"{_quoted(key)} = {_value(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(_value(item) for item in value) + "]"
    return str(value)


def _digits(value: int) -> str:
    return f"{value:d}" if abs(value) < 10**4000 else "9" * 5000
