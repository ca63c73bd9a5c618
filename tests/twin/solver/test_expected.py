"""What the typical patient must show is solved and compared."""

from __future__ import annotations

import math

import pytest

from tests.twin import toys
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model
from twin.solver.expected import typical_of, unexpected, unseen

REGIMEN = (
    '[[regimens]]\ndrug = "toxin"\namount = 100\namount_unit = "mg"\nduration = 0\ninterval = 24\ncycles = 1\n'
    'route = "iv"\nassumed = "a test"\n'
)
RIGHT = 100 / 20 * math.exp(-5 / 20 * 2)


def expecting(of: str, low: float, high: float) -> str:
    bounds = f'[[expected]]\nof = "{of}"\nat = 2\nlow = {low}\nhigh = {high}\nsource = "paper"\n'
    return f"{toys.BOLUS}\n{REGIMEN}{bounds}"


@pytest.mark.parametrize(("of", "value"), [("toxin_plasma", RIGHT), ("A", 20 * RIGHT)])
def test_a_level_or_an_amount_is_what_paper_gives(of: str, value: float) -> None:
    kernel = compile_model(parse_model(expecting(of, 0.99 * value, 1.01 * value), "toy.toml"))
    assert typical_of(kernel, kernel.model.expected[0]) == pytest.approx(value, rel=1e-9)
    assert unexpected(kernel, "toy.toml") == ()


def test_a_drug_on_another_scale_is_named_with_the_mend() -> None:
    (wrong,) = unexpected(compile_model(parse_model(expecting("toxin_plasma", 3000, 3100), "toy.toml")), "toy.toml")
    assert (wrong.file, wrong.key) == ("toy.toml", "expected[0]")
    assert wrong.problem == (
        "toxin_plasma of the typical patient is 3.033 at 2 h, not 3000 to 3100; look for a scale or a unit ([inputs.X] "
        "scale), or mend what is expected"
    )


def marked(kill: float) -> str:
    """A toy whose only output is a volume that the drug shrinks."""
    text = toys.BOLUS.replace('expression = "A/V"', 'expression = "V*exp(-kill*A)"').replace(
        'unit = "mg/L"\nexpression', 'unit = "L"\nexpression'
    )
    return f'{text}\n[parameters.kill]\nvalue = {kill}\nunit = "1/mg"\nassumed = "a test"\n{REGIMEN}'


def test_a_drug_that_moves_nothing_beyond_the_noise_is_doubted() -> None:
    (doubt,) = unseen(compile_model(parse_model(marked(1e-6), "toy.toml")), "toy.toml")
    assert (doubt.key, doubt.problem) == (
        "regimens[0]",
        "the usual doses of toxin move no output by a quarter of its residual error; look for the scale of toxin "
        "([inputs.toxin] scale), or say what is [[expected]]",
    )
    assert unseen(compile_model(parse_model(marked(0.1), "toy.toml")), "toy.toml") == ()
