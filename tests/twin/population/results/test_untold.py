"""Of outputs that were not measured nothing is estimated, and all that a measured one reads is."""

from __future__ import annotations

from collections.abc import Iterable

from tests.twin import toys
from twin.modelfile.reader import parse_model
from twin.population.results.untold import Measured, untold
from twin.population.theta import Theta


def measured(
    *outputs: int,
    repeatedly: Iterable[int] = (),
    singly: Iterable[int] | None = None,
    summed_up: Iterable[int] = (),
    apart: Iterable[int] = (),
    lacking: Iterable[str] = (),
) -> Measured:
    each = (outputs, repeatedly, outputs if singly is None else singly, summed_up, apart)
    return Measured(*(frozenset(one) for one in each), frozenset(lacking))


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
    assert untold(theta, measured(0)) == ("kout", "E0", "C50", "d", "omega.kout", "error.effect.proportional")
    assert untold(theta, measured(1)) == ("d", "error.plasma.proportional")


def test_how_replicates_correlate_is_untold_where_there_are_none() -> None:
    plain = toys.made({"k": "0.1 1/h 0.1"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg: A"})
    error = "proportional = 0.2, replicate_correlation = 0.3"
    theta = Theta.of(parse_model(plain.text.replace("proportional = 0.2", error), "made.toml"))
    assert untold(theta, measured(0, repeatedly=[0])) == ()
    assert untold(theta, measured(0)) == ("error.plasma.replicate_correlation",)


def test_what_a_characteristic_widens_that_nobody_lacks_is_untold() -> None:
    plain = toys.made(
        {"k": "0.1 1/h 0.1", "E0": "5 1 0.1"},
        {"A": "mg: input(toxin) - k*A"},
        {"plasma": "mg: A", "effect": "1: E0"},
    )
    said = f"missing = {{ widens = {{ k = 0.05, E0 = 0.1 }}, {toys.SOURCE} }}"
    missing = f'[covariates.AGE]\nunit = "1"\nreference = 0\n{said}\n{toys.SOURCE}\n'
    theta = Theta.of(parse_model(plain.text + missing, "made.toml"))
    assert untold(theta, measured(0, 1, lacking=["AGE.k", "AGE.E0"])) == ()
    assert untold(theta, measured(0, 1)) == ("widens.AGE.k", "widens.AGE.E0")
    assert untold(theta, measured(0, lacking=["AGE.k", "AGE.E0"])) == (
        "E0", "omega.E0", "widens.AGE.E0", "error.effect.proportional"
    )  # fmt: skip


def test_what_readings_scatter_by_is_untold_without_windows_that_tell_of_it() -> None:
    theta = Theta.of(parse_model(toys.PRESSURE.replace("additive = 10", "additive = 10, df = 6"), "toy.toml"))
    by_readings = ("vital.pressure.independent", "vital.pressure.df")
    assert untold(theta, measured(0)) == by_readings
    assert untold(theta, measured(0, singly=[], summed_up=[0])) == ("error.pressure.df", by_readings[0])
    assert untold(theta, measured(0, summed_up=[0], apart=[0])) == ()
