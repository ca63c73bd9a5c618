"""The science of dosetwin: a pure, deterministic PK/PD twin of one patient. Nothing here talks to the world."""

from twin.models import load_model
from twin.patient import PatientTwin

__all__ = ["PatientTwin", "load_model"]
