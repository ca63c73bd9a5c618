"""Of outputs that were not measured nothing is estimated, and all that a measured one reads is."""

from __future__ import annotations

from tests.twin import toys
from twin.population.results.untold import untold
from twin.population.theta import Theta


def test_what_only_an_unmeasured_output_reads_is_untold() -> None:
    model = toys.made(
        {
            "k": "0.1 1/h 0.1",
            "V": "10 L",
            "lag": "1 h",
            "kout": "0.2 1/h 0.2",
            "E0": "5 1",
            "C50": "2 mg/L",
            "d": "2 1",
        },
        {"A": "mg: input(toxin, lag=lag) - k*A", "E": "1: E0 -> kout*(E0/(1 + A/V/C50) - E)"},
        {"plasma": "mg/L: A/V", "effect": "1: E"},
    )
    theta = Theta.of(model)
    assert untold(theta, [0]) == ("kout", "E0", "C50", "d", "omega.kout", "error.effect.proportional")
    assert untold(theta, [1]) == ("d", "error.plasma.proportional")
