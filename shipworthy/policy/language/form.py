"""The form of a policy file as pydantic models, made from the subjects that there are; validation and schema use it."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, create_model
from pydantic_core import PydanticCustomError

from shipworthy.policy.language.subject import Part
from shipworthy.policy.language.subjects import Subjects

VALUE_ERROR = "shipworthy_value"
WHOLE_ERROR = "shipworthy_whole"
"""Two values do not go together: told of all the plays of a host, as a play by itself need not have both."""

Extends = Literal["baseline", "strict"]
Family = Literal["ipv4", "ipv6"]


def _filled(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise PydanticCustomError(VALUE_ERROR, "{reason}", {"reason": "says nothing"})
    return value


def _day(value: object) -> object:
    try:
        if isinstance(value, str) and len(value) == len("2027-01-31"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError(VALUE_ERROR, "{reason}", {"reason": "is no date, such as 2027-01-31"})


Text = Annotated[str, BeforeValidator(_filled), Field(min_length=1)]
Pattern = Annotated[Text, Field(description="Whom it is for: an Ansible host pattern, such as `web:&eu:!web3`.")]
Day = Annotated[date, BeforeValidator(_day)]


class WaiverForm(Part):
    """A dated, owned, bounded permission to break one check on some hosts."""

    check: Text = Field(description="The id of the check, `subject.claim`.")
    hosts: Pattern
    until: Day = Field(description="The last day on which it holds.")
    at_most: str | int | float | None = Field(None, description="It covers values up to this, in the limit's unit.")
    at_least: str | int | float | None = Field(None, description="The same for limits from below.")
    owner: Text = Field(description="Who will make it unnecessary.")
    approved_by: Text = Field(description="Who allowed it.")
    ticket: Text = Field("", validate_default=False, description="Where the work on it is followed.")
    reason: Text = Field("", validate_default=False, description="Why it is needed.")


@lru_cache(maxsize=4)
def _file_form(subjects: tuple[tuple[str, Any], ...]) -> type[Part]:
    said: dict[str, Any] = {
        name: (model, Field(None, description=(model.__doc__ or "").splitlines()[0])) for name, model in subjects
    }
    play = create_model(
        "Play",
        __base__=Part,
        __doc__="What must be true of the hosts that its pattern matches; later plays go over earlier ones.",
        hosts=(Pattern, ...),
        observe=(list[Text], Field([], description="Ids of checks that are measured and shown, and never a failure.")),
        off=(dict[str, Text | None], Field({}, description="Checks that are left out: id and reason; null: in again.")),
        **said,
    )
    return create_model(
        "Policy",
        __base__=Part,
        __doc__="What must be true of the hosts of an inventory.",
        extends=(Extends, Field("baseline", description="The limits that hold where no play says otherwise.")),
        families=(list[Family], Field(["ipv4", "ipv6"], min_length=1, description="What this estate speaks.")),
        plays=(list[play], Field([], description="They apply in order.")),  # type: ignore[valid-type]
        waivers=(list[WaiverForm], Field([], description="Permissions to break a check.")),
    )


def file_form(subjects: Subjects) -> type[Part]:
    """The model of a whole file."""
    return _file_form(tuple(subjects.items()))
