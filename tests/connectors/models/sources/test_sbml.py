"""SBML models: reactions, rules and formulas in MathML."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.models.carrying import Carried, carry
from connectors.models.source import SourceError
from tests.connectors.models.courses import outputs
from tests.connectors.models.streams import with_

MODEL = """<?xml version="1.0"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">
 <model id="two" name="A drug and its metabolite">
  <listOfFunctionDefinitions>
   <functionDefinition id="mass">
    <math xmlns="http://www.w3.org/1998/Math/MathML"><lambda><bvar><ci>a</ci></bvar><bvar><ci>b</ci></bvar>
     <apply><times/><ci>a</ci><ci>b</ci></apply></lambda></math>
   </functionDefinition>
  </listOfFunctionDefinitions>
  <listOfCompartments><compartment id="body" size="40"/></listOfCompartments>
  <listOfSpecies>
   <species id="S" compartment="body" initialConcentration="2"/>
   <species id="M" compartment="body" initialAmount="0"/>
  </listOfSpecies>
  <listOfParameters><parameter id="CL" value="5"/><parameter id="k" value="0.1"/></listOfParameters>
  <listOfRules>
   <assignmentRule variable="total"><math xmlns="http://www.w3.org/1998/Math/MathML">
    <apply><plus/><ci>S</ci><ci>M</ci></apply></math></assignmentRule>
  </listOfRules>
  <listOfReactions>
   <reaction id="out">
    <listOfReactants><speciesReference species="S" stoichiometry="1"/></listOfReactants>
    <listOfProducts><speciesReference species="M" stoichiometry="1"/></listOfProducts>
    <kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
     <apply><ci>mass</ci><ci>CL</ci><ci>S</ci></apply></math></kineticLaw>
   </reaction>
   <reaction id="gone">
    <listOfReactants><speciesReference species="M"/></listOfReactants>
    <kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
     <apply><times/><ci>k</ci><ci>M</ci><ci>body</ci></apply></math></kineticLaw>
   </reaction>
  </listOfReactions>
 </model>
</sbml>
"""


def read(text: str) -> Carried:
    return carry(text, "two.xml", drug="aspirin", dose_into="S")


def test_reactions_between_species_give_their_concentrations() -> None:
    found = read(MODEL)
    times = np.array([0.5, 4.0, 20.0])
    got = outputs(found.model, list(times), dose=0.0)
    k, ke = 5 / 40, 0.1
    np.testing.assert_allclose(got[:, 0], 2 * np.exp(-k * times), rtol=1e-7)
    np.testing.assert_allclose(got[:, 1], 2 * k / (ke - k) * (np.exp(-k * times) - np.exp(-ke * times)), rtol=1e-7)


def test_doses_enter_the_species_that_was_named() -> None:
    found = read(MODEL)
    assert "input(aspirin)" in found.text.split("[states.S]")[1].split("[states.M]")[0]
    with pytest.raises(SourceError, match="no state X"):
        carry(MODEL, "two.xml", dose_into="X")


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("  <listOfReactions>", "  <listOfEvents><event id='e'/></listOfEvents><listOfReactions>", 20, "event"),
        ("<apply><times/><ci>k</ci>", "<apply><factorial/><ci>k</ci>", 30, "factorial"),
        ("<ci>mass</ci>", "<ci>mess</ci>", 25, "no function"),
        ('value="5"', 'value="five"', 15, "CL has no value"),
        ('<reaction id="gone">', '<reaction id="gone" fast="true">', 27, "gone is fast"),
        ('<species id="M"', '<species id="M" conversionFactor="k"', 13, "M has a conversion factor"),
        (
            '<speciesReference species="M"/>',
            '<speciesReference species="M"><stoichiometryMath/></speciesReference>',
            28,
            "stoichiometry of M is a formula",
        ),
        (
            '<speciesReference species="M"/>',
            '<speciesReference species="M" id="total"/>',
            28,
            "stoichiometry of M is a formula",
        ),
        ("</model>", "</modell>", 33, "no XML"),
        ('<?xml version="1.0"?>', '<!DOCTYPE x [<!ENTITY a "b">]>', 1, "entity"),
    ],
)
def test_what_cannot_be_said_is_named_with_its_line(old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        read(with_(MODEL, (old, new)))
    assert caught.value.line == line


HOUR = """<listOfUnitDefinitions><unitDefinition id="{}"><listOfUnits>
 <unit kind="second" exponent="1" scale="{}" multiplier="{}"/></listOfUnits></unitDefinition></listOfUnitDefinitions>"""


@pytest.mark.parametrize(
    ("changes", "unit", "said"),
    [
        ((), "h", "the source states none; hours are assumed"),
        (('<model id="two"', '<model id="two" timeUnits="second"'), "h", "the source states the second; hours are"),
        (('level="3"', 'level="2"'), "h", "the source states the second; hours are assumed"),
        (
            ('<model id="two" name="A drug and its metabolite">', f'<model timeUnits="u">{HOUR.format("u", 1, 6)}'),
            "min",
            "",
        ),
        (
            ('level="3"', 'level="2"', "<listOfCompartments>", HOUR.format("time", 0, 86400) + "<listOfCompartments>"),
            "d",
            "",
        ),
    ],
)
def test_the_unit_of_time_is_read_or_told_as_it_is(changes: tuple[str, ...], unit: str, said: str) -> None:
    found = read(with_(MODEL, *zip(changes[::2], changes[1::2], strict=True)))
    assert found.model.time_unit == unit
    told = [lost.what for lost in found.lost if lost.what.startswith("time unit")]
    assert (said in told[0]) if said else not told
