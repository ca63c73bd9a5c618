"""Of what a value is: blood, serum and plasma are what twins believe in; the same unit in urine is another thing."""

from __future__ import annotations

import re

_CODES_OF_BLOOD = frozenset({
    "BLD", "BLDV", "BLDA", "BLDC", "BLDCO", "SER", "PLAS", "PLR", "WB", "SERPLAS", "ASERU", "PPP", "PRP",
    "119297000", "119364003", "119361006", "258580003", "122555007", "122554006", "122552005", "708049000",
})  # fmt: skip
"""HL7 table 0487 and SNOMED CT."""

_NAMES_OF_BLOOD = re.compile(r"\b(blood|serum|plasma)\b", re.IGNORECASE)

_CODES_OF_OTHERS = frozenset({"UR", "CSF", "STL", "SPT", "SAL", "SWT", "FLU", "BIFL", "TISS", "SNV", "AMN"})

_NAMES_OF_OTHERS = re.compile(
    r"\b(urin|cerebrospinal|csf\b|stool|faec|fec|sputum|saliva|sweat|swab|tissue|biops|bile|pleural|ascit|synovial|amnio)",
    re.IGNORECASE,
)


def is_blood(kind: str) -> bool:
    """Whether a code or name of a specimen is of blood or a part of it."""
    return kind.strip().upper() in _CODES_OF_BLOOD or _NAMES_OF_BLOOD.search(kind) is not None


def is_other(kind: str) -> bool:
    """Whether a code or name, where it need not be of a specimen at all, is of another one."""
    return not is_blood(kind) and (
        kind.strip().upper() in _CODES_OF_OTHERS or _NAMES_OF_OTHERS.search(kind) is not None
    )
