"""The JSON Schema of events and results, generated from the models.

python -m function.schema > docs/function.schema.json
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from function.models.event import EVENT
from function.models.result import CombineResult, DecodeResult, IndexResult, PlanResult, ProbeResult, SelfTestResult


def schema() -> dict[str, Any]:
    """Return one document: `event` and `result` name, by `oneOf`, the models in `$defs`."""
    event = EVENT.json_schema(ref_template="#/$defs/{model}")
    kinds = (DecodeResult, PlanResult, ProbeResult, IndexResult, CombineResult, SelfTestResult)
    _, results = models_json_schema([(kind, "serialization") for kind in kinds], ref_template="#/$defs/{model}")
    definitions = {**event.pop("$defs"), **results["$defs"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hwang on Lambda",
        "event": event,
        "result": {"oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]},
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """Return the schema as the text of docs/function.schema.json."""
    return json.dumps(schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(text(), end="")
