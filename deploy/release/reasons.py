"""Meanings of Lambda's reason codes, and remedies."""

from __future__ import annotations

from typing import Final

_NETWORK = "look at the function's VPC configuration"
_KEY = "look at the key's state and policy, and at the function's KMS key"
_FILES = "look at the file system, its mount targets and the security groups between it and the function"
_CAPACITY = "wait and try again, or ask for a higher quota"
_START = "run the image here as Lambda would (`make demo`), and read `ecr_push.py logs`"

# code: (what happened, what to do)
REASONS: Final[dict[str, tuple[str, str]]] = {
    "Idle": ("the function has not been invoked for weeks and was put to sleep", "invoke it once, wait a minute"),
    "Creating": ("the function is still being created", "wait"),
    "Restoring": ("the function is being woken from sleep", "wait"),
    "EniLimitExceeded": ("the account has no network interfaces left", "ask for a higher quota, or use fewer subnets"),
    "InsufficientRolePermissions": (
        "the function's role lacks a right that its configuration needs",
        "a function in a VPC needs AWSLambdaVPCAccessExecutionRole on its role",
    ),
    "InvalidConfiguration": ("parts of the configuration do not go together", "read Lambda's message"),
    "InternalError": ("Lambda had an error of its own", "try again; open a support case if it stays"),
    "SubnetOutOfIPAddresses": ("a subnet has no addresses left", _NETWORK),
    "InvalidSubnet": ("a subnet does not exist or is not usable", _NETWORK),
    "InvalidSecurityGroup": ("a security group does not exist or is not usable", _NETWORK),
    "ImageDeleted": (
        "the image is no longer in the repository",
        "push it again, and let `ecr_push.py prune` decide what may go, not a lifecycle rule",
    ),
    "ImageAccessDenied": (
        "Lambda may not read the image",
        "the repository's policy must allow lambda.amazonaws.com ecr:BatchGetImage and ecr:GetDownloadUrlForLayer; "
        "`ecr_push.py push --create` makes such a repository",
    ),
    "InvalidImage": ("Lambda cannot use the image", "`ecr_push.py check IMAGE` says what is wrong with it"),
    "KMSKeyAccessDenied": ("Lambda may not use the KMS key", _KEY),
    "KMSKeyNotFound": ("the KMS key does not exist", _KEY),
    "InvalidStateKMSKey": ("the KMS key is in a state that forbids its use", _KEY),
    "DisabledKMSKey": ("the KMS key is disabled", _KEY),
    "EFSIOError": ("the file system had an input or output error", _FILES),
    "EFSMountConnectivityError": ("the file system cannot be reached", _FILES),
    "EFSMountFailure": ("the file system cannot be mounted", _FILES),
    "EFSMountTimeout": ("mounting the file system took too long", _FILES),
    "InvalidRuntime": (
        "the runtime does not exist",
        "an image function has none: look at the function's configuration",
    ),
    "InvalidZipFileException": ("the zip file is not usable", "make it again"),
    "FunctionError": ("the function failed while it started", _START),
    "ServiceQuotaExceededException": ("a quota of the account is used up", _CAPACITY),
    "VcpuLimitExceeded": ("the account's vCPU quota is used up", _CAPACITY),
    "CapacityProviderScalingLimitExceeded": ("the capacity provider may not grow any more", _CAPACITY),
    "InsufficientCapacity": ("there are no machines of this kind left", _CAPACITY),
    "EC2RequestLimitExceeded": ("too many requests to EC2 at once", "wait and try again"),
    "FunctionError.InitTimeout": (
        "the function did not start in time",
        "more memory gives more CPU (--memory); look at what is imported at start",
    ),
    "FunctionError.RuntimeInitError": ("the function's process ended while it started", _START),
    "FunctionError.ExtensionInitError": ("an extension failed while it started", _START),
    "FunctionError.InvalidEntryPoint": (
        "the entrypoint does not exist or is not executable",
        "`ecr_push.py check IMAGE` shows it",
    ),
    "FunctionError.InvalidWorkingDirectory": (
        "the working directory does not exist",
        "look at WORKDIR in the Dockerfile",
    ),
    "FunctionError.PermissionDenied": (
        "the function's user may not read or run a file of the image",
        "`ecr_push.py check IMAGE` names the files; chmod them in the Dockerfile",
    ),
    "FunctionError.TooManyExtensions": ("there are more than ten extensions", "remove some"),
    "FunctionError.InitResourceExhausted": (
        "the function ran out of memory, files or processes while it started",
        "give it more memory (--memory)",
    ),
    "DisallowedByVpcEncryptionControl": ("the VPC's encryption controls forbid it", _NETWORK),
    "DrainingDurableExecutions": ("durable executions of the function are still running", "wait until they have ended"),
    "IncompatibleAcceleratorInstanceTypes": (
        "the accelerator does not go with the instance types",
        "look at the function's accelerator and capacity provider",
    ),
    "DependencyError": ("a service that Lambda depends on failed", "try again; open a support case if it stays"),
}


def explain(code: str, message: str) -> tuple[str, str]:
    """Return what happened, with the code and Lambda's own message, and what to do."""
    what, then = REASONS.get(code, ("Lambda gave no reason that is known here", "read Lambda's message"))
    shown = f": {message.rstrip('.')}" if message else ""
    return f"{what} ({code or 'no code'}{shown})", then
