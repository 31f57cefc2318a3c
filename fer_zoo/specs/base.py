"""The base of all specs, and kinds of numbers that they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_zoo.errors import OptionError

# Strict: "80", 80.0 and yes are not integers.
Positive = Annotated[int, Field(gt=0, strict=True)]
Number = Annotated[float, Field(strict=True)]
AboveZero = Annotated[float, Field(gt=0, strict=True)]
Fraction = Annotated[float, Field(ge=0, lt=1, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]


class Spec(BaseModel):
    """Frozen record that refuses unknown keys; the text below a field says what it means, here and in the docs."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @classmethod
    def checked(cls, fields: Mapping[str, Any]) -> Self:
        """Make a record of values from a caller.

        Raises:
            OptionError: a value is wrong; the text names each.
        """
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            problems = [_described(dict(problem)) for problem in error.errors()]
            accepted = f"values that fit the settings {', '.join(cls.model_fields)}"
            raise OptionError("; ".join(problems), accepted, "correct the values named above") from error


def _described(problem: Mapping[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "model_type":  # pydantic would name the class
        message = "settings belong here, e.g. {KEY: VALUE}"
    key = ".".join(map(str, problem["loc"]))
    return f"{key}: {problem['input']!r} is wrong: {message}" if key else message
