"""How a subject declares what can be said of it: limits, settings and named items.

    class Policy(SubjectPolicy):
        swap_used: Limit = limit(BYTES, warn_above="0 B", fail_above="64 MiB", says="Swap in use.", source="…")

A declaration serves the validation, the JSON schema, the reference and the defaults alike. Defaults are texts, as
people write them: they lie beneath what plays say (see `plays`), so nothing is ever judged by a limit whose origin is
not known.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from shipworthy.policy.language.document import Placed
from shipworthy.policy.language.limit import Direction, Limit
from shipworthy.policy.language.units import Unit, UnitError

UNIT_ERROR = "shipworthy_unit"
SIDE_ERROR = "shipworthy_side"


class _Declared:
    """A value with a unit, a default and a sentence, as pydantic sees it: one of a field's metadata."""

    unit: Unit

    def parse(self, value: object) -> float:
        try:
            return self.unit.parse(value)
        except UnitError as error:
            # The braces of pydantic's message templates must not meet a policy's own text.
            raise PydanticCustomError(UNIT_ERROR, "{reason}", {"reason": str(error)}) from None

    def json_value(self) -> JsonSchemaValue:
        text: JsonSchemaValue = {"type": "string", "pattern": rf"{self.unit.pattern}|\{{\{{"}
        plain: JsonSchemaValue = {"type": "integer", "minimum": 0} if "" in self.unit.scales else {"const": 0}
        return {"anyOf": [text, plain]}


@dataclass(frozen=True)
class Bounded(_Declared):
    """The declaration of a `Limit`: its unit, direction and default bounds; each bound's key says its direction."""

    unit: Unit
    direction: Direction
    defaults: Mapping[str, str | None]
    check: str
    words: str
    source: str

    @property
    def keys(self) -> tuple[str, str]:
        return f"warn_{self.direction}", f"fail_{self.direction}"

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        bound = core_schema.nullable_schema(core_schema.no_info_plain_validator_function(self.parse))
        fields = {key: core_schema.typed_dict_field(bound, required=False) for key in self.keys}
        mapping = core_schema.typed_dict_schema(fields, extra_behavior="forbid")
        return core_schema.no_info_wrap_validator_function(self._build, mapping)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        bound = {"anyOf": [self.json_value(), {"type": "null"}]}
        return {"type": "object", "properties": dict.fromkeys(self.keys, bound), "additionalProperties": False}

    def _build(self, raw: object, handler: core_schema.ValidatorFunctionWrapHandler) -> Limit:
        bounds = handler(raw)
        warn, fail = (bounds.get(key) for key in self.keys)
        name, origin = (".".join(raw.path), raw.place) if isinstance(raw, Placed) else ("", "")
        limit = Limit(name, self.unit, self.direction, warn, fail, origin, self.words or name.replace(".", " "))
        if warn is not None and fail is not None and warn != fail and limit.beyond(warn, fail):
            raise PydanticCustomError(
                SIDE_ERROR, "{warn} lies beyond {fail}", {"warn": self.keys[0], "fail": self.keys[1]}
            )
        return limit


@dataclass(frozen=True)
class Set(_Declared):
    """The declaration of a setting: a plain number in base units that a claim or a probe goes by."""

    unit: Unit
    default: str
    source: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return self.json_value()


Declaration = Bounded | Set


def limit(unit: Unit, *, says: str, source: str, check: str = "", words: str = "", **bounds: str | None) -> Any:
    """Declare a `Limit` field by its default bounds: `warn_above=`, `fail_above=`, or the same with `_below`.

    `check` is the claim that it bounds when that has another name than the field. A source that is `judgement` says
    that nobody's published threshold stands behind it.
    """
    directions = {key.partition("_")[2] for key in bounds}
    if len(directions) != 1 or not directions <= {"above", "below"}:
        raise TypeError(f"a limit has one direction, not {sorted(directions)}")
    declared = Bounded(unit, cast(Direction, directions.pop()), bounds, check, words, source)
    return _field(says, declared)


def setting(unit: Unit, default: str, *, says: str, source: str) -> Any:
    """Declare a field whose value is a number in base units of `unit`, written as people write it."""
    return _field(says, Set(unit, default, source))


def _field(says: str, declared: Declaration) -> Any:
    info = cast(FieldInfo, Field(description=says))
    info.metadata.append(declared)
    return info


Key = TypeVar("Key")
Item = TypeVar("Item")


def _without_removed(items: object) -> object:
    if not isinstance(items, Placed):
        return items
    return Placed({name: item for name, item in items.items() if item is not None}, items.path, items.place)


class _Removable:
    """Tells editors that an item may be null."""

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        items = handler(schema)
        items["additionalProperties"] = {"anyOf": [items["additionalProperties"], {"type": "null"}]}
        return items


Keyed = Annotated[dict[Key, Item], BeforeValidator(_without_removed), _Removable()]
"""`Items` whose names are of a form of their own, such as paths."""
Items = Keyed[str, Item]
"""Things that a policy names (DNS names, endpoints): plays add them, change one value of one, or remove it by null."""


class Part(BaseModel):
    """A mapping in a policy, with known keys only: an item, or a whole subject."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    STRICT: ClassVar[Mapping[str, Any]] = {}
    """What `extends: strict` says otherwise, as a play would say it."""

    DIRECT: ClassVar[str] = ""
    """The field whose items stand directly below the part's own key: `dns: {www.example.org: {}}`; see `direct`."""
    DIRECT_KEYS: ClassVar[str] = ""
    """A regular expression that is found in the keys of such items, and in no others."""

    @classmethod
    def direct_key(cls, key: str) -> bool:
        """Whether a key that is no field can be that of an item of DIRECT."""
        return bool(cls.DIRECT) and re.search(cls.DIRECT_KEYS, key) is not None

    @classmethod
    def item_name(cls, key: str) -> str:
        """The one form of such a key. Raises ValueError with the reason, to be read behind its path."""
        return key

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        told = handler.resolve_ref_schema(handler(schema))
        if cls.DIRECT:
            items = told["properties"].pop(cls.DIRECT)
            told["patternProperties"] = {cls.DIRECT_KEYS: items["additionalProperties"]}
        return told

    @classmethod
    def declarations(cls) -> dict[str, Declaration]:
        """The declared limits and settings, by field."""
        return {
            name: declared
            for name, info in cls.model_fields.items()
            for declared in info.metadata
            if isinstance(declared, Bounded | Set)
        }

    def applies(self, claim: str) -> bool:  # noqa: ARG002 -- for those that override it
        """Whether the claim `subject.claim` has anything to say of this item; where not, no check is made for it."""
        return True


class SubjectPolicy(Part):
    """What a policy can say of one subject; `shipworthy/policy/<subject>.py` calls its own `Policy`."""

    @abstractmethod
    def request(self, checks: frozenset[str]) -> NamedTuple | None:
        """What the subject's probe must be asked so that `checks` can be judged; None if it need not run."""
