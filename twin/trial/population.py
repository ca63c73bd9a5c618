"""A population that differs on purpose from the one the twin believes in.

The true model is the library's own with parameters multiplied, with effects of each course (occasions) that the twin
does not know of, and with heavier tails of what is measured. All else, names and covariates among it, is the same, so
that what is measured of such patients is told to a twin of the library's model like any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from twin.clock import HOUR_MS, UNIT_MS
from twin.model.spec import Model, ModelError
from twin.modelfile.reader import content_of, read_model

COURSE_GAP_HOURS = 72
"""A delivery of the drug under study after this long without one begins an occasion."""

REASON = "departs on purpose from the model that the twin believes in"


@dataclass(frozen=True)
class Departure:
    """How the true population differs.

    Attributes:
        factors: by parameter, what its typical value is multiplied by.
        occasions: by parameter, the CV from course to course about each patient's own value.
        tails: degrees of freedom of a Student-t residual, of the same scale, of what a toxicity watches; ``None`` for
            the model's own.
    """

    factors: tuple[tuple[str, float], ...] = ()
    occasions: tuple[tuple[str, float], ...] = ()
    tails: float | None = None

    def of(self, model: Model) -> Model:
        """The true model.

        Raises:
            ModelError: no such parameter, or the model cannot be changed so.
        """
        content = content_of(model.text, model.id)
        content.pop("expected", None)  # of the typical patient, who is another one
        for name, factor in self.factors:
            _parameter(content, model.id, name)["value"] *= factor
        for name, cv in self.occasions:
            parameter = _parameter(content, model.id, name)
            parameter["iov"] = parameter.get("iov", 0.0) + math.log1p(cv**2)
            # What the source states is of another one.
            parameter["stated"] = {key: each for key, each in parameter.get("stated", {}).items() if key != "iov"}
        if self.occasions and "occasions" not in content:
            gap = COURSE_GAP_HOURS * HOUR_MS / UNIT_MS[model.time_unit]
            content["occasions"] = {"drug": model.drug, "gap": gap, "assumed": REASON}
        if self.tails is not None:
            for name in _watched(model):
                content["outputs"][name]["error"] |= {"df": self.tails}
        return read_model(content, model.text, model.id)


def _parameter(content: dict[str, Any], file: str, name: str) -> dict[str, Any]:
    known = content["parameters"]
    if name not in known:
        raise ModelError(file, f"parameters.{name}", f"no such parameter; it has {', '.join(known)}")
    found: dict[str, Any] = known[name]
    return found


def _watched(model: Model) -> tuple[str, ...]:
    """Outputs that a toxicity watches, else all."""
    watched = dict.fromkeys(toxicity.output for toxicity in model.toxicities)
    return tuple(watched) or tuple(output.name for output in model.outputs)
