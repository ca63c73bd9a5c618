"""Of outputs that were not measured nothing is estimated, and all that a measured one reads is."""

from __future__ import annotations

from tests.twin import toys
from twin.modelfile.reader import parse_model
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


def test_how_replicates_correlate_is_untold_where_there_are_none() -> None:
    plain = toys.made({"k": "0.1 1/h 0.1"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg: A"})
    error = "proportional = 0.2, replicate_correlation = 0.3"
    theta = Theta.of(parse_model(plain.text.replace("proportional = 0.2", error), "made.toml"))
    assert untold(theta, [0], [0]) == ()
    assert untold(theta, [0]) == ("error.plasma.replicate_correlation",)


def test_what_a_characteristic_widens_that_nobody_lacks_is_untold() -> None:
    plain = toys.made(
        {"k": "0.1 1/h 0.1", "E0": "5 1 0.1"},
        {"A": "mg: input(toxin) - k*A"},
        {"plasma": "mg: A", "effect": "1: E0"},
    )
    said = f"missing = {{ widens = {{ k = 0.05, E0 = 0.1 }}, {toys.SOURCE} }}"
    missing = f'[covariates.AGE]\nunit = "1"\nreference = 0\n{said}\n{toys.SOURCE}\n'
    theta = Theta.of(parse_model(plain.text + missing, "made.toml"))
    assert untold(theta, [0, 1], lacking=["AGE.k", "AGE.E0"]) == ()
    assert untold(theta, [0, 1]) == ("widens.AGE.k", "widens.AGE.E0")
    assert untold(theta, [0], lacking=["AGE.k", "AGE.E0"]) == (
        "E0", "omega.E0", "widens.AGE.E0", "error.effect.proportional"
    )  # fmt: skip
