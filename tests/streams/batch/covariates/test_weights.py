"""What was learnt is kept beside its model, and is not taken for that of another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streams.batch.cases import CaseError
from streams.batch.covariates.weights import TYPICAL, WEIGHTS, characteristics_of, keep, kept, typical_lines
from tests.streams.batch.covariates.simulated import MODEL
from tests.twin.covariates.test_learnt import DESCRIBED, network
from twin.covariates.learnt import with_network
from twin.modelfile.reader import parse_model

VALUES = np.array([[10.0, 60.0], [20.0, 90.0], [35.0, 120.0]])


def written(folder: Path, *, widen: bool = False) -> Path:
    model = with_network(parse_model(MODEL, "made.toml"), network(), DESCRIBED, "made_learnt", "somebody")
    path = folder / "made_learnt.toml"
    path.write_text(model.text)
    keep((network(), (network(), network(3))), VALUES, ["A", "B", "C"], path, widen=widen)
    return path


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    written(tmp_path, widen=True)
    model, found, members = kept(tmp_path)
    np.testing.assert_array_equal(found.shifts(VALUES), network().shifts(VALUES))
    assert len(members) == 2
    assert model.omega[0, 0] > 0.09
    table = (tmp_path / TYPICAL).read_text().splitlines()
    assert table[0] == "ID,WT,CRCL,shift_CL,se_CL,shift_V,se_V"
    assert len(table) == 4


def test_an_earlier_network_is_taken_away_where_none_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path)
    keep(None, VALUES, ["A", "B", "C"], path, widen=False)
    assert [each.name for each in tmp_path.iterdir()] == ["made_learnt.toml"]


def test_typical_values_are_said_with_what_is_not_certain_and_what_is_outside(tmp_path: Path) -> None:
    written(tmp_path)
    model, found, members = kept(tmp_path)
    lines = typical_lines(model, found, members, characteristics_of("WT=500", found))
    value = 5.0 * np.exp(found.shifts(np.array([[500.0, 90.0]]))[0, 0])
    assert lines[0].startswith(f"CL: {value:.4g} L/h (95 % ")
    assert lines[2].startswith("outside: WT 500 is above")
    assert lines[3] == "at its reference: CRCL 90"


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ("HT=3", "'HT=3': nothing was learnt of HT; there are WT, CRCL"),
        ("WT=heavy", "'heavy' is no number; write WT=70"),
        ("WT=nan", "'nan' is no number that a patient can have"),
    ],
)
def test_characteristics_that_cannot_be_used_are_named(of: str, said: str) -> None:
    with pytest.raises(CaseError, match=said):
        characteristics_of(of, network())


def test_weights_that_are_missing_or_of_another_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"there is no .*weights.json; name the folder"):
        kept(tmp_path)
    path = written(tmp_path)
    path.write_text(path.read_text().replace("iiv = 0.09", "iiv = 0.10"))
    with pytest.raises(CaseError, match=r"is of a model of hash \w+, not of made_learnt \w+: one of them was changed"):
        kept(tmp_path)
    content = json.loads((tmp_path / WEIGHTS).read_text())
    content["members"][0]["outer"] = "no numbers"
    (tmp_path / WEIGHTS).write_text(json.dumps(content))
    with pytest.raises(CaseError, match="holds no weights as dosetwin covariates learn writes them"):
        kept(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(CaseError, match="holds no weights as dosetwin covariates learn writes them"):
        kept(tmp_path)
