"""What is said of many patients' estimates together: who did not converge, and how far the effects shrink to 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from twin.filter.modes.objective import LEAST_LOG_LIKELIHOOD
from twin.model.spec import Model

if TYPE_CHECKING:
    from streams.batch.estimate import IndividualEstimate

LISTED = 12
"""Patients that a remark names."""


def shrinkage(model: Model, found: Sequence[IndividualEstimate]) -> dict[str, float]:
    """How much less the effects scatter over patients than the population does, 1 - SD(eta)/omega, by parameter.

    0 where data say everything about a parameter, 1 where they say nothing (Savic & Karlsson 2009, AAPS J 11:558). Of
    patients who were measured; fewer than two have none.
    """
    measured = [one for one in found if one.measured]
    if len(measured) < 2:
        return {}
    spread = np.std([one.eta for one in measured], axis=0, ddof=1)
    return dict(zip(model.eta_names, (1.0 - spread / np.sqrt(np.diag(model.omega))).tolist(), strict=True))


def remarks(found: Sequence[IndividualEstimate]) -> list[str]:
    """What whoever reads the estimates should know first."""
    lost = [one.patient_id for one in found if not one.converged]
    unexplained = [one.patient_id for one in found if one.converged and one.ofv > -LEAST_LOG_LIKELIHOOD]
    partial = [one.patient_id for one in found if one.left_out]
    notes = []
    if lost:
        notes.append(
            f"not converged: {_listed(lost)}; their estimates stand where the search ended. Look at IWRES of their"
            " predictions, and at their doses, times and units: a value that no dose explains is the usual cause"
        )
    if unexplained:
        notes.append(
            f"a value so far from all that the model can say that it counts for nothing: {_listed(unexplained)}. Look"
            " at IWRES of their predictions, and at their doses, times and units"
        )
    if partial:
        notes.append(f"estimated from a part of what was recorded (column left_out): {_listed(partial)}")
    notes += [f"{one.patient_id}: {note}" for one in found for note in one.notes]
    return notes


def _listed(patients: Sequence[str]) -> str:
    more = f" and {len(patients) - LISTED} more" if len(patients) > LISTED else ""
    count = f"{len(patients)} patient{'s' if len(patients) > 1 else ''}"
    return f"{count} ({', '.join(patients[:LISTED])}{more})"
