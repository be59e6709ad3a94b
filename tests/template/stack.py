"""deploy/template.yaml as AWS reads it: the SAM transform applied, parameters, conditions and references resolved."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from boto3.session import Session
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
DEFINITION: Final[dict[str, Any]] = json.loads((DEPLOY / "frames.asl.json").read_text())
IMAGE: Final = "123456789012.dkr.ecr.us-east-1.amazonaws.com/frames@sha256:" + "1" * 64
NEEDED: Final = {"VideosBucket": "films", "ResultsBucket": "results", "ImageUri": IMAGE}
PSEUDO: Final = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}
_GONE: Final = object()


@functools.cache
def _parsed() -> Any:
    return yaml_parse((DEPLOY / "template.yaml").read_text())


def source() -> dict[str, Any]:
    """The template as it is written; the caller's own."""
    template: dict[str, Any] = copy.deepcopy(_parsed())
    return template


def translated(parameters: Mapping[str, str], definition: str = "s3://packages/frames.asl.json") -> dict[str, Any]:
    """In CloudFormation's own terms, conditions and references as they are. `definition`: where it was uploaded to."""
    template = source()
    template["Resources"]["Jobs"]["Properties"]["DefinitionUri"] = definition
    translator = Translator({}, Parser(), boto_session=Session(region_name=PSEUDO["AWS::Region"]))
    result: dict[str, Any] = translator.translate(template, values(template, parameters))
    return result


def values(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, str]:
    """Each parameter's value: as given, or its default."""
    defaults = {name: str(facts["Default"]) for name, facts in template["Parameters"].items() if "Default" in facts}
    return {**defaults, **NEEDED, **parameters}


@dataclass
class Resolved:
    """What the template makes with these parameters. Raises KeyError for what refers to nothing."""

    parameters: Mapping[str, str]
    template: dict[str, Any] = field(init=False)
    resources: dict[str, Any] = field(init=False)
    outputs: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.template = translated(self.parameters)
        self._values = {**PSEUDO, **values(self.template, self.parameters)}
        self._conditions = {name: self._true(found) for name, found in self.template["Conditions"].items()}
        self._made = {name for name, found in self.template["Resources"].items() if self._wanted(found)}
        self.resources = self._part("Resources")
        self.outputs = self._part("Outputs")

    def statements(self, role: str) -> list[dict[str, Any]]:
        """Those of a role's only policy."""
        (policy,) = self.resources[role]["Properties"]["Policies"]
        found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
        return found

    def rules_hold(self) -> bool:
        """Whether CloudFormation takes these parameters together."""
        return all(
            self._true(assertion["Assert"])
            for rule in self.template["Rules"].values()
            if self._true(rule["RuleCondition"])
            for assertion in rule["Assertions"]
        )

    def _part(self, name: str) -> dict[str, Any]:
        return {key: self._value(found) for key, found in self.template[name].items() if self._wanted(found)}

    def _wanted(self, found: Mapping[str, Any]) -> bool:
        return "Condition" not in found or self._conditions[found["Condition"]]

    def _true(self, condition: Any) -> bool:
        ((kind, content),) = condition.items()
        match kind:
            case "Fn::Equals":
                left, right = (self._value(side) for side in content)
                return str(left) == str(right)
            case "Fn::Not":
                return not self._true(content[0])
        raise KeyError(kind)

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self._value, node) if value is not _GONE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((kind, content),) = node.items()
            match kind:
                case "Ref":
                    return _GONE if content == "AWS::NoValue" else self._ref(content)
                case "Fn::If":
                    return self._value(content[1] if self._conditions[content[0]] else content[2])
                case "Fn::GetAtt":
                    return self._attribute(*(content if isinstance(content, list) else content.split(".", 1)))
                case "Fn::Sub":
                    return self._substituted(content)
                case "Fn::FindInMap":
                    table, key, name = map(self._value, content)
                    return self.template["Mappings"][table][str(key)][name]
        return {key: found for key, value in node.items() if (found := self._value(value)) is not _GONE}

    def _ref(self, name: str) -> str:
        if name in self._values:
            return self._values[name]
        if name in self._made:
            return f"<{name}>"
        raise KeyError(name)

    def _attribute(self, name: str, attribute: str) -> str:
        if name not in self._made:
            raise KeyError(name)
        return f"<{name}.{attribute}>"

    def _substituted(self, text: str) -> str:
        pieces = text.split("${")
        filled = [pieces[0]]
        for piece in pieces[1:]:
            name, _, rest = piece.partition("}")
            filled.append((self._attribute(*name.split(".", 1)) if "." in name else self._ref(name)) + rest)
        return "".join(filled)


def tasks(states: Mapping[str, Any] = DEFINITION["States"]) -> dict[str, dict[str, Any]]:
    """Every step of the state machine that invokes the function, those within Maps too."""
    found: dict[str, dict[str, Any]] = {}
    for name, state in states.items():
        if state["Type"] == "Task":
            found[name] = copy.deepcopy(state)
        if state["Type"] == "Map":
            found |= tasks(state["ItemProcessor"]["States"])
    return found
