"""The science of dosetwin: a pure, deterministic PK/PD twin of one patient.

In come model files and typed events, with time and the key of all randomness as arguments. Out go beliefs, predictions,
forecasts and alerts; nothing here talks to the world.

>>> from twin import PatientTwin, load_model
>>> twin = PatientTwin("P-1", load_model("docetaxel_ozawa2007"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twin.modelfile.library import load_model
    from twin.patient.twin import PatientTwin

__all__ = ["PatientTwin", "load_model"]


def __getattr__(name: str) -> Any:
    # The compiler behind PatientTwin takes seconds to import; who only lists models or topics need not wait for it.
    if name == "PatientTwin":
        from twin.patient.twin import PatientTwin

        return PatientTwin
    if name == "load_model":
        from twin.modelfile.library import load_model

        return load_model
    raise AttributeError(f"module 'twin' has no attribute {name!r}")
