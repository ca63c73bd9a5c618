"""A small data set and model that the tests of this package share."""

from __future__ import annotations

import pandas as pd

from tests.twin import toys
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

MODEL: Model = parse_model(toys.ABSORPTION, "toy_absorption.toml")

FRAME = pd.DataFrame(
    [
        (9, 0.0, 1, 100.0, 50.0, None, None, 60.0),
        (9, 3.0, 0, None, None, 2.4, 1, 60.0),
        (9, 8.0, 0, None, None, 1.1, 1, 60.0),
        (9, 48.0, 0, None, None, 2.9, 2, 60.0),
        (10, 0.0, 1, 100.0, 50.0, None, None, 80.0),
        (10, 3.0, 0, None, None, 4.4, 1, 80.0),
        (10, 8.0, 0, None, None, 2.9, 1, 80.0),
    ],
    columns=["ID", "TIME", "EVID", "AMT", "RATE", "DV", "DVID", "WT"],
)
"""Two patients; DVID 1 is a level, 2 a count."""
