"""Failures of commands: what happened, what to do next, and an exit code of its own for each kind."""

from __future__ import annotations

from typing import ClassVar


class DeployError(Exception):
    """A failure, shown in one line, with the next step in another.

    `detail` holds the facts of the message as JSON values, for programs.
    """

    exit_code: ClassVar[int]

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
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


class DefectError(DeployError):
    """A defect of this program."""

    exit_code = 1


class UsageError(DeployError):
    """The command line makes no sense."""

    exit_code = 2


class JournalError(DeployError):
    """The journal cannot be written, so nothing more was begun, and all changes are put back."""

    exit_code = 3


class LibraryError(DeployError):
    """Python or a package that the tool needs is missing or too old."""

    exit_code = 4


# The image, on this machine.


class EngineUnavailableError(DeployError):
    """No Docker Engine answers."""

    exit_code = 10


class ImageNotFoundError(DeployError):
    """The engine has no such image, or there is no such file."""

    exit_code = 11


class ImageRefusedError(DeployError):
    """Lambda would not take this image, or could not run it."""

    exit_code = 12


class StandInRefusedError(DeployError):
    """The image stands on the stand-in base and the registry is not on this machine."""

    exit_code = 13


# AWS as a whole.


class CredentialsError(DeployError):
    """There are no credentials, or they are expired or wrong."""

    exit_code = 20


class PermissionDeniedError(DeployError):
    """The credentials lack a right, which is named."""

    exit_code = 21


class AwsUnavailableError(DeployError):
    """AWS could not be reached, or kept refusing (throttling, 5xx)."""

    exit_code = 22


class AwsRefusedError(DeployError):
    """AWS refused a call for a reason that none of the other errors names."""

    exit_code = 23


# The registry.


class RepositoryNotFoundError(DeployError):
    """The repository is missing and was not to be created."""

    exit_code = 30


class PushFailedError(DeployError):
    """The registry did not take the image."""

    exit_code = 31


class DigestMismatchError(DeployError):
    """The registry holds other bytes than those that were sent."""

    exit_code = 32


class TagTakenError(DeployError):
    """The tag is another image's, and tags are not moved."""

    exit_code = 33


# The function.


class FunctionNotFoundError(DeployError):
    """The function, version or alias is not there."""

    exit_code = 40


class FunctionUnsuitableError(DeployError):
    """The function can never run this image: it is a Zip function, of another architecture, region or account."""

    exit_code = 41


class FunctionNotReadyError(DeployError):
    """The function did not become ready in time, or is in a state that no deploy can change."""

    exit_code = 42


class FunctionFailedError(DeployError):
    """The function was invoked and answered with an error."""

    exit_code = 43


class ConflictError(DeployError):
    """Another caller changed the function or the alias meanwhile; that change is kept."""

    exit_code = 50


class UpdateFailedError(DeployError):
    """Lambda accepted the update and then could not carry it out."""

    exit_code = 51


class SmokeFailedError(DeployError):
    """The new version does not answer as it should; the alias was not moved."""

    exit_code = 52


class CanaryFailedError(DeployError):
    """The new version had errors in its share of the traffic; the alias is as it was."""

    exit_code = 53


class ReleaseUndoneError(DeployError):
    """Something failed after the alias was moved; it was moved back."""

    exit_code = 54


class NotRestoredError(DeployError):
    """Something failed and could not be put back: the message names it."""

    exit_code = 55


class RollbackImpossibleError(DeployError):
    """There is no version to go back to that can run."""

    exit_code = 60


class StoppedError(DeployError):
    """Ctrl-C, SIGTERM or a question answered with no; all changes are put back."""

    exit_code = 130
