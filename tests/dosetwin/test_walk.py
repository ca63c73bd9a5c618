"""A pharmacometrician's day without a server: a data set is simulated, estimated, replayed, drawn, and validated."""

from __future__ import annotations

import pandas as pd
import pytest

import dosetwin


@pytest.mark.slow
def test_all_the_work_from_a_data_set_to_its_validation() -> None:
    model = dosetwin.load_model("docetaxel_ozawa2007")
    records = dosetwin.simulate(model, patients=4, seed=11)
    assert isinstance(records, pd.DataFrame)

    estimated = dosetwin.estimate(records, model)
    assert estimated.individuals["converged"].all()
    truth = records.drop_duplicates("ID").set_index("ID")["ETA_CL"]
    apart = (estimated.individuals.set_index("ID")["ETA_CL"] - truth).abs()
    assert (apart < 4 * estimated.individuals.set_index("ID")["SE_CL"]).all()
    assert len(estimated.plot("neutrophils").axes) == 6

    followed = dosetwin.replay(records, model, particles=100, jobs=0)
    assert len(followed.predictions) == len(estimated.values)
    assert followed.score.query("predicted_by == 'twin'")["median_log_error"].max() < 1

    twin = dosetwin.PatientTwin("1", model, particles=100)
    twin.observe(dosetwin.read_nmtran(records, model)["1"])
    assert [ax.get_title(loc="left") for ax in twin.plot().axes][1:3] == ["docetaxel_plasma", "neutrophils"]

    checked = dosetwin.validate(model, records, particles=100, jobs=0)
    assert set(checked.measures["output"]) == {"docetaxel_plasma", "neutrophils"}
