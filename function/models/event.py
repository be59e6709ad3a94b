"""The event, validated whole before anything is read or written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeVar, Union, get_args

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from function.errors import BadRequest
from function.models.form import ONE_ANSWER, STATED_TONE, Results, Writing
from function.models.formats import APPLIED_FORMAT, FORMATS, PREFIX_FORMAT, REDUCTION_FORMAT, Format, formats_of
from function.models.incoming import wrong
from function.models.job_steps import Cut, Gather, List, Part, Survey
from function.models.places import MAX_KEY_BYTES, OutputUri, S3Uri, Video
from function.models.problems import json_type, problem_list, summary
from function.models.selection import Frames, Model

T = TypeVar("T")
M = TypeVar("M", bound=Model)
MAX_PARTS: Final = 100_000
MAX_FIELDS: Final = 10_000  # of one object: naming hundreds of thousands of unknown ones takes seconds


class _Asked(Model):
    """The fields of a request for frames that messages list first."""

    video: Video
    frames: Frames
    output: OutputUri | None = None


class _Request(Results, _Asked):
    """Frames of a video, in one form or several."""

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        problem = self._disagreement()
        if problem:
            raise PydanticCustomError("output", "{problem}", {"problem": problem})
        return self

    @property
    def results(self) -> list[Self]:
        """The requests for each of the results alone, settled for its format: this one, or those of `outputs`."""
        return [one.settled(one.resolved_format(1)) for one in self.alone]

    def _disagreement(self) -> str | None:
        if self.outputs is not None:
            return "output: does not go with outputs, which each have their own" if self.output else self._in_outputs()
        problem = self._form_disagreement()
        if problem:
            return problem
        if self.format and not FORMATS[self.format].is_stored:
            return f"output: must be left out if the format is {self.format}" if self.output else None
        return self._output_disagreement()

    def _in_outputs(self) -> str | None:
        for at, one in enumerate(self.alone):
            is_answer = one.format and not FORMATS[one.format].is_stored
            problem = f"format: {one.format} is an answer: {ONE_ANSWER}" if is_answer else one._disagreement()
            if problem:
                return f"outputs[{at}].{problem}"
        return None

    def _output_disagreement(self) -> str | None:
        if self.output is None:
            is_complete = isinstance(self, Plan) or (self.format and FORMATS[self.format].is_answer)
            return None if is_complete else "output: is required"
        output, extension = self.output, self.output.extension
        if output.uri == getattr(self.video, "uri", None):
            return "output: is the video itself"
        wanted: Format | None = REDUCTION_FORMAT if self.reduce else self.format
        if output.is_prefix:
            wanted = wanted or (APPLIED_FORMAT if self.apply else None)
            if wanted and not FORMATS[wanted].many:
                return f"output: {wanted} is one object and needs a key, not a prefix"
            longest = len(output.key.encode()) + self.template.max_bytes
            return (
                f"output: its keys may have {longest} bytes, more than {MAX_KEY_BYTES}"
                if longest > MAX_KEY_BYTES
                else None
            )
        fitting = self._fitting(extension)
        if self.tone == "sdr" and any(FORMATS[one].states_tone for one in fitting if wanted in (None, one)):
            return STATED_TONE
        if wanted is None:
            return None if fitting else "format: must be given, as no format is known by the output's extension"
        if wanted in fitting or not (fitting or FORMATS[wanted].needs_extension):
            return None
        endings = " or ".join(f".{one}" for one in FORMATS[wanted].extensions)
        return f"output: the format {wanted} needs a key that ends in {endings}"

    def _fitting(self, extension: str) -> list[Format]:
        """The formats of this extension that can hold the result."""
        takes = "takes_apply" if self.apply else "takes_frames"
        return [name for name in formats_of(extension) if getattr(FORMATS[name], takes)]

    @property
    def keeps_times(self) -> bool:
        """True for a clip whose frames are shown at their own times: since version 2, unless `fps` is given."""
        fitting = [self.format] if self.format else self._fitting(self.output.extension) if self.output else []
        return self.fps is None and any(FORMATS[name].writer == "clip" for name in fitting)

    def resolved_format(self, frame_count: int) -> Format:
        """The format to write: the stated one, or that of the output's extension, which for one frame is a picture's.

        Raises BadRequest for several pictures in one object or in the answer.
        """
        if self.output is None and isinstance(self, Plan):
            return self.format if self.format and self.makes_frames else REDUCTION_FORMAT
        if self.output is None:
            assert self.format, "the validation asks for an output or a format that needs none"
            if FORMATS[self.format].is_picture and frame_count > 1:
                wanted = f"{frame_count} frames as {self.format}"
                raise wrong("output", f"is required for {wanted}: a prefix that ends with a slash")
            return self.format
        if self.reduce:
            return REDUCTION_FORMAT
        written_as = self.format
        if not written_as:
            fitting = [PREFIX_FORMAT] if self.output.is_prefix else self._fitting(self.output.extension)
            preferred = [name for name in fitting if FORMATS[name].is_picture == (frame_count == 1)]
            written_as = (preferred or fitting)[0]
        if FORMATS[written_as].is_picture and frame_count > 1 and not self.output.is_prefix:
            raise wrong("output", f"must be a prefix that ends with a slash, for {frame_count} frames as {written_as}")
        return written_as


class Decode(_Request):
    """Frames of a video, written as objects or returned."""

    action: Literal["decode"] = "decode"


class Plan(_Request):
    """Predict the cost of a decode without decoding. It may leave `output` out."""

    action: Literal["plan"]


class Probe(Model):
    """Return facts about a video."""

    video: Video
    action: Literal["probe"]


class Index(Writing):
    """Index a video and store the index: at `output`, or where later requests look for it."""

    video: Video
    output: OutputUri | None = None
    action: Literal["index"]

    @model_validator(mode="after")
    def _one_object(self) -> Index:
        if self.output and self.output.is_prefix:
            raise PydanticCustomError("output", "output: an index is one object and needs a key, not a prefix")
        return self


class Combine(Writing):
    """Combine the partial results of many reductions, by their manifests."""

    parts: Annotated[list[S3Uri], Field(min_length=1, max_length=MAX_PARTS, fail_fast=True)]
    output: OutputUri
    action: Literal["combine"]

    @model_validator(mode="after")
    def _one_object(self) -> Combine:
        if REDUCTION_FORMAT not in formats_of(self.output.extension):
            raise PydanticCustomError("output", f"output: must be a key that ends in .{REDUCTION_FORMAT}")
        return self


class SelfTest(Model):
    """Test that this build encodes and decodes correctly; needs no video and no bucket."""

    action: Literal["selftest"]


Event = Decode | Plan | Probe | Index | Combine | SelfTest | List | Survey | Cut | Part | Gather
ACTIONS: Final[Mapping[str, type[Model]]] = {
    get_args(model.model_fields["action"].annotation)[0]: model for model in get_args(Event)
}


def _action(value: object) -> str | None:
    action = value.get("action", "decode") if isinstance(value, dict) else getattr(value, "action", None)
    return f"<{action}>" if isinstance(action, str) and action in ACTIONS else None


_TAGGED: Any = Union[tuple(Annotated[model, Tag(f"<{name}>")] for name, model in ACTIONS.items())]  # noqa: UP007
EVENT: Final[TypeAdapter[Event]] = TypeAdapter(
    Annotated[
        _TAGGED,
        Discriminator(
            _action,
            custom_error_type="action",
            custom_error_message=f"action: must be one of {', '.join(ACTIONS)}",
        ),
    ],
    config=ConfigDict(defer_build=True),
)


def parse_event(event: object, *, local_files: bool = False) -> Event:
    """Parse an event. Raises BadRequest with every problem, but only the first wrong item of each list.

    `local_files`: a video may be a path of this machine.
    """
    return _parsed(event, lambda event: EVENT.validate_python(event, context={"local_files": local_files}))


def parse_as(event: object, model: type[M]) -> M:
    """Parse an event as this model, without building all others. Raises BadRequest as parse_event does."""
    return _parsed(event, model.model_validate, model)


def _parsed(event: object, validate: Callable[[object], T], model: type[Model] | None = None) -> T:
    if not isinstance(event, dict):
        raise BadRequest(f"the event must be a JSON object, not {json_type(event)}", problems=[])
    outputs = event.get("outputs")
    parts = (event, *event.values(), *(outputs if isinstance(outputs, list) else ()))
    fields = max(len(part) for part in parts if isinstance(part, dict))
    if fields > MAX_FIELDS:
        raise BadRequest(f"the event has an object of {fields} fields, of which most are not known", problems=[])
    try:
        return validate(event)
    except ValidationError as error:
        action: Any = event.get("action", "decode")
        model = model or (ACTIONS.get(action, Decode) if isinstance(action, str) else Decode)
        problems = problem_list(error, model)
        answers = [name for name, facts in FORMATS.items() if facts.is_answer]
        settled = (
            not {"output", "outputs"}.isdisjoint(event)
            or event.get("format") in answers
            or any(p["path"] == "output" for p in problems)
        )
        if model is Decode and not settled:
            problems.append({"path": "output", "message": "is required"})
        raise BadRequest(summary(problems), problems=problems) from None
    except RecursionError:
        raise BadRequest("the event is nested too deeply", problems=[]) from None
