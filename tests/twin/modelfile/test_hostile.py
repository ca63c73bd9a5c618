"""A model file is somebody else's: it never runs, hangs or ends in a traceback, whatever it says."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz import modelfiles
from tests.fuzz.modelfiles import LONGEST, check_inert, run, watched
from tests.fuzz.mutation import COMMAND, HOSTILE, toml
from tests.twin import toys
from twin.kernel.codegen import generate
from twin.model.budget import DEEPEST_TABLE, LARGEST_FILE, MOST_NODES, MOST_QUANTITIES, MOST_STATES
from twin.model.spec import ModelError
from twin.model.structure import analyse
from twin.modelfile.lint import faults
from twin.modelfile.reader import parse_model
from twin.names import is_name


@pytest.mark.slow
def test_a_hundred_hostile_files_do_nothing() -> None:
    ends, bad = run(100, seed=9)
    assert not bad, "\n".join(f"file {number}: {reason}" for number, reason, _ in bad[:3])
    assert ends["sound"] > 3
    assert ends["refused"] > 30


def test_a_command_in_the_id_is_refused_and_never_written_into_code() -> None:
    attack = f'\\"\\"\\"\\n{COMMAND}\\n\\"\\"\\"'
    text = toys.BOLUS.replace("toy_bolus", attack)
    assert tomllib.loads(text)["id"].count('"""') == 2
    with pytest.raises(
        ModelError, match=r"(?s)mine.toml: id: .* cannot be a name; begin with a letter and use letters"
    ):
        parse_model(text, "mine.toml")
    (fault,) = faults(text, "mine.toml")
    assert fault.key == "id"


def test_generated_code_says_nothing_that_the_file_says() -> None:
    model = toys.absorption()
    for source in generate(model, analyse(model)).values():
        check_inert(source)
        assert model.id not in source
    with pytest.raises(AssertionError, match="the text 'x'"):
        check_inert(source.replace("import math\n", "import math\nprint('x')\n", 1))


def test_what_reading_must_not_do_would_be_noticed(tmp_path: Path) -> None:
    with watched() as done:
        (tmp_path / "x").write_text("x")
        exec("1 + 1")
    assert [event.split()[0] for event in done] == ["open", "exec"]


NAMED = (
    "id",
    "drug",
    "parameters",
    "covariates",
    "derived",
    "terms",
    "states",
    "outputs",
    "targets",
    "toxicities",
    "inputs",
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMED), st.one_of(st.text(min_size=1, max_size=80), st.sampled_from(HOSTILE)))
@example("states", "x\n")
@example("outputs", "a b")
def test_every_name_has_one_strict_pattern(section: str, name: str) -> None:
    content = tomllib.loads(toys.ABSORPTION)
    if section in ("id", "drug"):
        content[section] = name
    else:
        table = content.setdefault(section, {})
        table[name] = next(iter(table.values()), {"unit": "1", "expression": "1"})
    try:
        model = parse_model(toml(content), "mine.toml")
    except (ModelError, UnicodeEncodeError):
        return
    names = [model.id, *model.drugs, *model.individual_names]
    for items in (model.covariates, model.terms, model.states, model.outputs, model.targets, model.toxicities):
        names += [item.name for item in items]
    assert all(is_name(found) for found in names)


@pytest.mark.parametrize("unit", ["mg/L|>", "mg\n/L", "mg L", "$(x)", "mg/{é}", '"'])
def test_a_unit_has_only_characters_of_units(unit: str) -> None:
    content = tomllib.loads(toys.BOLUS)
    content["outputs"]["toxin_plasma"]["unit"] = unit
    with pytest.raises(ModelError, match=r"(?s)toxin_plasma\.unit: unit '.*' is not a UCUM code; write one such"):
        parse_model(toml(content), "mine.toml")


@pytest.mark.parametrize(("key", "value"), [("title", "a\x1b[2J"), ("note", "\u202eevil"), ("title", "\x9b2J")])
def test_free_text_holds_nothing_that_a_terminal_obeys(key: str, value: str) -> None:
    content = tomllib.loads(toys.BOLUS) | {key: value}
    with pytest.raises(
        ModelError, match=rf"mine.toml: {key}: has the character U\+\w{{4}}, which a terminal would obey"
    ):
        parse_model(toml(content), "mine.toml")
    assert "\x1b" not in str(faults(toml(content | {"\x1b[2J": 1}), "\x1b.toml")[0])


def terms(count: int, formula: str) -> str:
    """A toy with a chain of terms, each of the one before it."""
    chain = "".join(
        f'[terms.x{i}]\nunit = "1"\nexpression = "{formula.replace("X", f"x{i - 1}") if i else "2"}"\n'
        for i in range(count)
    )
    return toys.BOLUS.replace("CL/V*A", f"x{count - 1}*CL/V*A") + chain


SWOLLEN = {
    "doublings": (terms(40, "X*X"), rf"brings the formulas to \d+ parts, over {MOST_NODES}; use fewer terms"),
    "chains": (
        terms(90, "-X").replace("x89*CL", "(-" * 90 + "x89" + ")" * 90 + "*CL"),
        r"is nested \d+ deep with its terms written out, over \d+; use fewer",
    ),
    "states": (
        toys.BOLUS + "".join(f'[states.s{i}]\nunit="1"\nderivative="0"\n' for i in range(300)),
        f"states: are 301, over {MOST_STATES}",
    ),
    "parameters": (
        toys.BOLUS + "".join(f'[parameters.p{i}]\nvalue=1\nunit="1"\nsource="x"\n' for i in range(900)),
        f"parameters: and their like are 902, over {MOST_QUANTITIES}",
    ),
    "entries": ("x = [" + "1," * 100_000 + "]", "has more than 4000 entries"),
    "depth": (f"[{'.'.join('a' * (DEEPEST_TABLE + 2))}]", f"is nested over {DEEPEST_TABLE} deep"),
    "keys": (f"[{'.'.join('a' * 5000)}]\n" + "b = 1\n" * 100_000, "line 1 has a key of more than 16 words"),
    "brackets": ("x = " + "[" * 900_000, "brackets are nested too deep"),
    "digits": ("x = " + "9" * 900_000, "not TOML"),
    "number": (f"{toys.BOLUS}\n[numerics]\ngrowth = {'9' * 400}", "numerics.growth: is too large for a floating-point"),
    "text": (f'title = "{"x" * 900_000}"', "title: has 900000 characters, over 10000; shorten it"),
    "file": ("#" * (LARGEST_FILE + 1), f"has more than {LARGEST_FILE} characters"),
    "powers": (toys.BOLUS.replace("CL/V*A", "CL/V*A*9**9**9**9"), "exponent '9 \\*\\* 9 \\*\\* 9' has no value"),
    "roots": (toys.BOLUS.replace("CL/V*A", "CL/V*A*(0 - 2)**0.5"), "a power of a negative number is not real"),
    "units": (toys.BOLUS.replace("CL/V*A", "A**1e300"), "to the power 1e\\+300 is beyond 30"),
    "towers": (toys.BOLUS.replace("CL/V*A", "A**(" * 60 + "A" + ")" * 60), "an exponent, .* is in mg"),
}


@pytest.mark.parametrize("kind", SWOLLEN)
def test_what_would_never_end_is_refused_within_seconds(kind: str) -> None:
    text, problem = SWOLLEN[kind]
    begun = time.process_time()
    with pytest.raises(ModelError, match=problem):
        parse_model(text, "mine.toml")
    assert faults(text, "mine.toml")
    assert time.process_time() - begun < LONGEST


def test_the_command_says_how_files_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert modelfiles.main(5, 1) == 0
    assert "5 files of seed 1 in" in capsys.readouterr().out
