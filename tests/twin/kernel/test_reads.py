"""What the functions of a kernel read of a record, and what they do not."""

from __future__ import annotations

from tests.twin import toys
from twin.kernel.reads import reads_of
from twin.model.structure import analyse

COVARIATES = "".join(
    f'[covariates.{name}]\nunit = "1"\nreference = 1\n{toys.SOURCE}\n' for name in ("WT", "FAT", "LBM")
)


def test_what_is_read_is_followed_to_what_it_is_made_of() -> None:
    model = toys.made(
        {"CL": "5 L/h 0.09 | CL*WT", "V": "20 L", "idle": "1 1 | idle*FAT", "k": "0.1 1/h"},
        {"A": "mg: size*exp(-k*span(toxin))*input(toxin) - CL/V*A", "E": "1: 1 -> k*(1 + 0.1*count(toxin) - E*E)"},
        {"level": "mg/L: A/V", "effect": "1: E*(1 + where(dose(toxin) > 50, LBM, 1))"},
        extra=COVARIATES
        + '[derived.size]\nunit = "1"\nexpression = "where(after(toxin, 24) > 0, 0.9, 1)"\n'
        + '[derived.unused]\nunit = "1"\nexpression = "previous(effect)*idle"\n',
    )
    reads = reads_of(model, analyse(model))
    covariates = {"WT", "FAT", "LBM"}
    assert {name for name in reads.shaping if name in covariates or "(" in name} == {"WT"}
    assert {name for name in reads.heeded if name in covariates or "(" in name} == {
        "WT", "LBM", "count(toxin)", "dose(toxin)",
    }  # fmt: skip


def test_a_weight_that_a_level_is_read_by_too_turns_the_equations() -> None:
    model = toys.made(
        {"V": "20 L", "k": "0.1 1/h 0.04"},
        {"A": "mg: less*input(toxin) - k*A"},
        {"level": "mg/L: less*A/V"},
        extra='[derived.less]\nunit = "1"\nexpression = "exp(-0.1*count(toxin))"\n',
    )
    structure = analyse(model)
    assert set(structure.weights) == {"input(toxin)"}
    assert "count(toxin)" in reads_of(model, structure).shaping
