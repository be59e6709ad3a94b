"""Several results of one decode: the fields of `outputs`, in events and jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import Field, create_model

from function.models.form import Form, Writing
from function.models.places import OutputUri
from function.models.selection import Model

MAX_OUTPUTS: Final = 16
ONE_ANSWER: Final = "several results are written, an answer holds one, so ask for that alone"
SHARED: Final = {"frames", *Writing.model_fields}  # by all results of one decode

if TYPE_CHECKING:

    class OneOutput(Form):
        output: OutputUri

else:
    OneOutput = create_model(
        "OneOutput",
        __base__=Model,
        __doc__="One of several results of a decode: the fields that are its own; the others are the decode's.",
        output=(OutputUri, ...),
        **{name: (field.annotation, field) for name, field in Form.model_fields.items() if name not in SHARED},
    )


class Results(Form):
    """A form with one result, or several in `outputs`. Its other fields hold for those that do not state them."""

    outputs: Annotated[list[OneOutput], Field(min_length=1, max_length=MAX_OUTPUTS)] | None = None

    @property
    def alone(self) -> list[Self]:
        """The same for each of the results alone, without `outputs`."""
        if self.outputs is None:
            return [self]
        stated = [{name: getattr(one, name) for name in one.model_fields_set} for one in self.outputs]
        return [self.model_copy(update={**fields, "outputs": None}) for fields in stated]

    def path_of(self, at: int) -> str:
        """The field that holds a result: empty if it is the only one."""
        return "" if self.outputs is None else f"outputs[{at}]"
