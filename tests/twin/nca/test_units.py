"""What parameters are measured in."""

from __future__ import annotations

import pytest

from twin.nca.profile import NcaError
from twin.nca.units import MEANINGS, Units, meaning_of
from twin.units import quantity_of


@pytest.mark.parametrize(
    ("dose", "concentration", "molar_mass", "volume", "litres"),
    [
        ("mg", "ng/mL", None, "L", 1000.0),
        ("mg/kg", "mg/L", None, "L/kg", 1.0),
        ("mg/m2", "umol/L", 454.44, "L/m2", 1000.0 / 454.44),
        ("umol", "mg/L", 180.16, "L", 0.18016),
        ("[iU]/m2", "[iU]/mL", None, "L/m2", 0.001),
    ],
)
def test_volumes_are_litres(
    dose: str, concentration: str, molar_mass: float | None, volume: str, litres: float
) -> None:
    units = Units(dose, concentration, "h", molar_mass)
    assert units.volume == volume
    carried = units.carried({"vss_obs": 2.0, "clearance_f_obs": 3.0, "auc_last": 5.0})
    assert carried == pytest.approx({"vss_obs": 2 * litres, "clearance_f_obs": 3 * litres, "auc_last": 5.0})


def test_every_parameter_has_a_unit_that_can_be_read_and_a_meaning() -> None:
    units = Units("mg/m2", "ng/mL", "d")
    for name, meaning in MEANINGS.items():
        assert quantity_of(units.of(name)) is not None
        assert meaning.words
    assert (units.of("auc_last"), units.of("clearance_obs")) == ("ng/mL.d", "L/m2/d")
    codes = [meaning.code for meaning in MEANINGS.values() if meaning.code]
    assert len(codes) == len(set(codes)), "a code means one thing"


def test_an_area_of_its_own_is_called_by_its_ends() -> None:
    assert meaning_of("auc_0_24") == ("AUCINT", "CT", "area from 0 to 24")


def test_what_a_concentration_in_a_volume_amounts_to() -> None:
    assert Units("mg", "ug/mL").amount_in("mL") == pytest.approx(0.001)
    with pytest.raises(NcaError, match="is no dose in 'mg/kg'"):
        Units("mg/kg", "mg/L").amount_in("mL")
    with pytest.raises(NcaError, match="'cups'"):
        Units().amount_in("cups")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("mgg", "mg/L"), "unit 'mgg' is not a UCUM code"),
        (("mg", "h"), "is no volume: give units that fit"),
        (("mg", "umol/L"), "with the molar mass"),
        (("mg", "mg/L", "s"), "time unit 's': it is one of min, h and d"),
    ],
)
def test_units_that_do_not_fit_are_refused_by_name(given: tuple[str, ...], said: str) -> None:
    with pytest.raises(NcaError, match=said):
        Units(*given)  # type: ignore[arg-type]
