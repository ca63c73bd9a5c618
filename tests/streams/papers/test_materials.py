"""The bill of materials: CycloneDX's own schema takes it, and the same tree gives the same bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from streams.papers.licences import Licences
from streams.papers.materials import bill
from streams.papers.parts import Part

PARTS = [
    Part("maven", "org.lz4:lz4-java", "1.8.0", True, (("SHA-256", "ab" * 32),)),
    Part("pypi", "pytest", "9.2.0", False, (("SHA-256", "cd" * 32),)),
]
LICENCES = Licences({}, {("maven", "org.lz4:lz4-java"): "Apache-2.0", ("pypi", "pytest"): "MIT OR Apache-2.0"})
MADE = datetime(2026, 3, 1, tzinfo=UTC)


def test_each_part_has_its_url_hash_licence_and_scope() -> None:
    said = json.loads(bill(PARTS, LICENCES, "0.1.0", MADE))
    assert (said["bomFormat"], said["specVersion"]) == ("CycloneDX", "1.6")
    jar, package = said["components"]
    assert (jar["purl"], jar["group"], jar["scope"]) == ("pkg:maven/org.lz4/lz4-java@1.8.0", "org.lz4", "required")
    assert jar["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert package["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert package["scope"] == "excluded"
    assert said["metadata"]["component"]["name"] == "dosetwin"


def test_the_same_parts_make_the_same_bytes_and_others_another_serial_number() -> None:
    first = bill(PARTS, LICENCES, "0.1.0", MADE)
    assert first == bill(PARTS, LICENCES, "0.1.0", MADE)
    assert json.loads(first)["serialNumber"] != json.loads(bill(PARTS[:1], LICENCES, "0.1.0", MADE))["serialNumber"]
