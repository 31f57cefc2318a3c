"""The base class of all specs, and shared number types."""

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
    """Frozen record that rejects unknown keys; the docstring of a field documents it here and in the docs."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @classmethod
    def checked(cls, fields: Mapping[str, Any]) -> Self:
        """Create a record from a caller's values.

        Raises:
            OptionError: a value is not allowed; the message names each one.
        """
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            problems = [_message(dict(problem)) for problem in error.errors()]
            accepted = f"valid values for the settings {', '.join(cls.model_fields)}"
            raise OptionError("; ".join(problems), accepted, "correct the values named above") from error


def _message(problem: Mapping[str, Any]) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "model_type":  # pydantic would name the class
        message = "must be a mapping, e.g. {KEY: VALUE}"
    key = ".".join(map(str, problem["loc"]))
    return f"{key}: {problem['input']!r} is wrong: {message}" if key else message
