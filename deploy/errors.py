"""Failures of commands: what happened, what to do next, and an exit code of its own for each kind."""

from __future__ import annotations

from typing import ClassVar


class DeployError(Exception):
    """A failure, shown in one line, with the next step in another.

    `detail` holds the facts of the message as JSON values, for programs.
    """

    exit_code: ClassVar[int]

    def __init_subclass__(cls, *, exit_code: int) -> None:
        cls.exit_code = exit_code

    def __init__(self, what: str, *, then: str, **detail: object) -> None:
        super().__init__(what)
        self.what = what
        self.then = then
        self.detail = detail

    @property
    def code(self) -> str:
        """Name of the failure."""
        return type(self).__name__.removesuffix("Error")

    @property
    def document(self) -> dict[str, object]:
        """The failure for programs."""
        return {
            "code": self.code,
            "exit_code": self.exit_code,
            "message": self.what,
            "next": self.then,
            "detail": self.detail,
        }


def innermost(error: BaseException) -> BaseException:
    """Return the operating system's or TLS's error, below the layers of libraries that repeat it."""
    seen = {id(error)}
    while (inner := error.__cause__ or error.__context__) and id(inner) not in seen:  # a chain may be a circle
        seen.add(id(inner))
        error = inner
    return error


class DefectError(DeployError, exit_code=1):
    """A defect of this program."""


class UsageError(DeployError, exit_code=2):
    """The command line makes no sense."""


class JournalError(DeployError, exit_code=3):
    """The journal cannot be written, so nothing more was begun, and all changes are put back."""


class LibraryError(DeployError, exit_code=4):
    """Python or a package that the tool needs is missing or too old."""


class EngineUnavailableError(DeployError, exit_code=10):
    """No Docker Engine answers."""


class ImageNotFoundError(DeployError, exit_code=11):
    """The engine has no such image, or there is no such file."""


class ImageRefusedError(DeployError, exit_code=12):
    """Lambda would not take this image, or could not run it."""


class StandInRefusedError(DeployError, exit_code=13):
    """The image stands on the stand-in base and the registry is not on this machine."""


class CredentialsError(DeployError, exit_code=20):
    """There are no credentials, or they are expired or wrong."""


class PermissionDeniedError(DeployError, exit_code=21):
    """The credentials lack a right, which is named."""


class AwsUnavailableError(DeployError, exit_code=22):
    """AWS could not be reached, or kept refusing (throttling, 5xx)."""


class AwsRefusedError(DeployError, exit_code=23):
    """AWS refused a call for a reason that none of the other errors names."""


class RepositoryNotFoundError(DeployError, exit_code=30):
    """The repository is missing and was not to be created."""


class PushFailedError(DeployError, exit_code=31):
    """The registry did not take the image."""


class DigestMismatchError(DeployError, exit_code=32):
    """The registry holds other bytes than those that were sent."""


class TagTakenError(DeployError, exit_code=33):
    """The tag is another image's, and tags are not moved."""


class FunctionNotFoundError(DeployError, exit_code=40):
    """The function, version or alias is not there."""


class FunctionUnsuitableError(DeployError, exit_code=41):
    """The function can never run this image: it is a Zip function, of another architecture, region or account."""


class FunctionNotReadyError(DeployError, exit_code=42):
    """The function did not become ready in time, or is in a state that no deploy can change."""


class FunctionFailedError(DeployError, exit_code=43):
    """The function was invoked and answered with an error."""


class ConflictError(DeployError, exit_code=50):
    """Another caller changed the function or the alias meanwhile; that change is kept."""


class UpdateFailedError(DeployError, exit_code=51):
    """Lambda accepted the update and then could not carry it out."""


class SmokeFailedError(DeployError, exit_code=52):
    """The new version does not answer as it should; the alias was not moved."""


class CanaryFailedError(DeployError, exit_code=53):
    """The new version had errors in its share of the traffic; the alias is as it was."""


class ReleaseUndoneError(DeployError, exit_code=54):
    """Something failed after the alias was moved; it was moved back."""


class NotRestoredError(DeployError, exit_code=55):
    """Something failed and could not be put back: the message names it."""


class RollbackImpossibleError(DeployError, exit_code=60):
    """There is no version to go back to that can run."""


class StoppedError(DeployError, exit_code=130):
    """Ctrl-C, SIGTERM or a question answered with no; all changes are put back."""
