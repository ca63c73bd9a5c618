"""What people ask a patient's twin on the page, and programs through it: what should be given next?

::

    POST /api/patients/PATIENT/advice
    Content-Type: application/json
    X-Dosetwin: act

    {"by": "physician-3", "reason": "dose of the second cycle", "branches": ["delay docetaxel 7 d"],
     "genotypes": {"DPYD": "1.5"}}

What-ifs alone are answered several times as fast, with ``"asks": "what_if"`` and no reason. Where people log in,
``by`` is left out. The answer comes when Kafka has the question: it becomes the same
`advice_requested` as that of ``dosetwin ask``. What the worker answers is seen by everybody who looks at the patient.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

from connectors.advice.asking import request_of
from connectors.console.doing.way_in import WayIn, acting
from connectors.console.door.reading import read
from connectors.console.door.visitor import visitor_of
from twin.events import AdviceRequested

FIELDS = (
    "reason, by (where nobody logs in); where wanted drug, protocol, genotypes (gene: value), branches (words), "
    "asks (dose or what_if)"
)


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question: who, what for, of which drug by which protocol, what is known of genes, what-ifs in words, and
    whether they are all that it ``asks``."""

    reason: str = ""
    by: str = ""
    drug: str | None = None
    protocol: str | None = None
    genotypes: dict[str, str] = {}
    branches: tuple[str, ...] = ()
    asks: Literal["dose", "what_if"] = "dose"


_decoder = msgspec.json.Decoder(Said)


async def question(way_in: WayIn, request: Request) -> AdviceRequested:
    """What was asked, once Kafka has it.

    Raises:
        HTTPException: it is refused, or not safe; ``detail`` names field, value and mend.
    """
    said = await read(request, _decoder, FIELDS)
    patient_id, who = request.path_params["patient_id"], visitor_of(request).who
    way_in.ready("who is on the ward")
    if patient_id not in way_in.live.board or not who.sees(patient_id):
        raise HTTPException(404, f"nothing is known of patient {patient_id[:64]!r}; /api/ward lists the ward")
    word = _word(way_in, patient_id, said, acting(who, said.by))
    await way_in.send(word)
    return word


def _word(way_in: WayIn, patient_id: str, said: Said, by: str) -> AdviceRequested:
    if said.asks == "dose" and not said.reason.strip():
        raise HTTPException(400, "field 'reason': it is empty; write what for")
    try:
        return request_of(
            patient_id,
            by,
            way_in.time(patient_id),
            "dosetwin console",
            said.reason.strip(),
            said.drug or None,
            said.protocol or None,
            tuple(said.genotypes.items()),
            said.branches,
            said.asks,
        )
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
