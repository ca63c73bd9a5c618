"""The bill of materials: every part with its version, hashes and licence, in CycloneDX 1.6.

It says the same of the same tree, to the byte: its serial number is made of the parts, and its time is given.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

    from streams.papers.licences import Licences
    from streams.papers.parts import Part


def bill(parts: Sequence[Part], licences: Licences, version: str, made: datetime) -> str:
    """The bill as JSON, checked against CycloneDX's own schema.

    Raises:
        ValueError: it does not follow the schema.
    """
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    ours = Component(name="dosetwin", version=version, type=ComponentType.APPLICATION, bom_ref="dosetwin")
    components = [_component(part, licences.of(part)) for part in parts]
    named = hashlib.sha256("\n".join(part.purl for part in parts).encode()).hexdigest()
    bom = Bom(
        components=components,
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, f"dosetwin {version} {named}"),
        metadata=BomMetaData(component=ours, timestamp=made),
    )
    bom.register_dependency(ours, components)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        raise ValueError(f"the bill of materials does not follow CycloneDX 1.6: {wrong}")
    return text + "\n"


def _component(part: Part, expression: str) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
    from cyclonedx.model.license import LicenseExpression
    from packageurl import PackageURL

    group, _, name = part.name.rpartition(":") if part.ecosystem == "maven" else ("", "", part.name)
    return Component(
        name=name,
        group=group or None,
        version=part.version,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.REQUIRED if part.shipped else ComponentScope.EXCLUDED,
        bom_ref=part.purl,
        purl=PackageURL.from_string(part.purl),
        hashes=[HashType(alg=HashAlgorithm(algorithm), content=digest) for algorithm, digest in part.hashes],
        licenses=[LicenseExpression(expression)] if expression else [],
    )
