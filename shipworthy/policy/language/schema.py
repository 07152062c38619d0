"""The JSON schema of a policy file, for editors: `# yaml-language-server: $schema=../docs/policy.schema.json`."""

from __future__ import annotations

import json
from typing import Any

from shipworthy.policy.language.form import file_form
from shipworthy.policy.language.subjects import Subjects

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(subjects: Subjects) -> str:
    """JSON text that ends with a newline; made from the models, so that it cannot lag behind them."""
    data = {"$schema": DIALECT, **file_form(subjects).model_json_schema(by_alias=False)}
    for definition in data.get("$defs", {}).values():
        _may_be_partial(definition)
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _may_be_partial(definition: dict[str, Any]) -> None:
    """What one play leaves out may stand in another, or in the defaults: only plays and waivers must be whole."""
    if definition.get("title") not in {"Play", "WaiverForm"}:
        definition.pop("required", None)
