"""Meanings of Lambda's reason codes, and remedies."""

from __future__ import annotations

from typing import Final

_NETWORK = "look at the function's VPC configuration"
_KEY = "look at the key's state and policy, and at the function's KMS key"
_FILES = "look at the file system, its mount targets and the security groups between it and the function"
_CAPACITY = "wait and try again, or ask for a higher quota"
_SUPPORT = "try again; open a support case if it stays"
_CHECK = "`ecr_push.py check` says what is wrong with it"
_PRUNE = "push it again, and let `ecr_push.py prune` decide which images go, not a lifecycle rule"
_PULL = (
    "the repository's policy must allow lambda.amazonaws.com ecr:BatchGetImage and ecr:GetDownloadUrlForLayer; "
    "`ecr_push.py push --create` makes such a repository"
)
_VPC_ROLE = "a function in a VPC needs AWSLambdaVPCAccessExecutionRole on its role"
_MEMORY = "give it more memory (--memory), which brings more CPU as well; import less at the start"
_ACCELERATOR = "look at the function's accelerator and capacity provider"
_START = "run the image here as Lambda would (`make demo`), and read `ecr_push.py logs`"

# code: (what happened, what to do)
REASONS: Final[dict[str, tuple[str, str]]] = {
    "Idle": ("the function has not been invoked for weeks and was put to sleep", "invoke it once, wait a minute"),
    "Creating": ("the function is still being created", "wait"),
    "Restoring": ("the function is being woken from sleep", "wait"),
    "EniLimitExceeded": ("the account has no network interfaces left", "ask for a higher quota, or use fewer subnets"),
    "InsufficientRolePermissions": ("the function's role lacks a right that its configuration needs", _VPC_ROLE),
    "InvalidConfiguration": ("parts of the configuration contradict each other", "read Lambda's message"),
    "InternalError": ("Lambda had an error of its own", _SUPPORT),
    "SubnetOutOfIPAddresses": ("a subnet has no addresses left", _NETWORK),
    "InvalidSubnet": ("a subnet does not exist or is not usable", _NETWORK),
    "InvalidSecurityGroup": ("a security group does not exist or is not usable", _NETWORK),
    "ImageDeleted": ("the image is no longer in the repository", _PRUNE),
    "ImageAccessDenied": ("Lambda may not read the image", _PULL),
    "InvalidImage": ("Lambda cannot use the image", _CHECK),
    "KMSKeyAccessDenied": ("Lambda may not use the KMS key", _KEY),
    "KMSKeyNotFound": ("the KMS key does not exist", _KEY),
    "InvalidStateKMSKey": ("the KMS key is in a state that forbids its use", _KEY),
    "DisabledKMSKey": ("the KMS key is disabled", _KEY),
    "EFSIOError": ("the file system had an input or output error", _FILES),
    "EFSMountConnectivityError": ("the file system cannot be reached", _FILES),
    "EFSMountFailure": ("the file system cannot be mounted", _FILES),
    "EFSMountTimeout": ("mounting the file system took too long", _FILES),
    "InvalidRuntime": ("the runtime does not exist", "an image needs none: look at the function's configuration"),
    "InvalidZipFileException": ("the zip file is not usable", "make it again"),
    "FunctionError": ("the function failed while it started", _START),
    "ServiceQuotaExceededException": ("a quota of the account is used up", _CAPACITY),
    "VcpuLimitExceeded": ("the account's vCPU quota is used up", _CAPACITY),
    "CapacityProviderScalingLimitExceeded": ("the capacity provider may not grow any more", _CAPACITY),
    "InsufficientCapacity": ("there are no machines of this kind left", _CAPACITY),
    "EC2RequestLimitExceeded": ("too many requests to EC2 at once", "wait and try again"),
    "FunctionError.InitTimeout": ("the function did not start in time", _MEMORY),
    "FunctionError.RuntimeInitError": ("the function's process ended while it started", _START),
    "FunctionError.ExtensionInitError": ("an extension failed while it started", _START),
    "FunctionError.InvalidEntryPoint": ("the entrypoint does not exist or is not executable", _CHECK),
    "FunctionError.InvalidWorkingDirectory": (
        "the working directory does not exist",
        "correct WORKDIR in the Dockerfile",
    ),
    "FunctionError.PermissionDenied": ("the function's user may not read or run a file of the image", _CHECK),
    "FunctionError.TooManyExtensions": ("there are more than ten extensions", "remove some"),
    "FunctionError.InitResourceExhausted": ("memory, files or processes ran out at the start", _MEMORY),
    "DisallowedByVpcEncryptionControl": ("the VPC's encryption controls forbid it", _NETWORK),
    "DrainingDurableExecutions": ("durable executions of the function are still running", "wait until they have ended"),
    "IncompatibleAcceleratorInstanceTypes": ("the accelerator does not go with the instance types", _ACCELERATOR),
    "DependencyError": ("a service that Lambda depends on failed", _SUPPORT),
}


def explain(code: str, message: str) -> tuple[str, str]:
    """Return what happened, with the code and Lambda's own message, and what to do."""
    what, then = REASONS.get(code, ("Lambda gave no reason that is known here", "read Lambda's message"))
    shown = f": {message.rstrip('.')}" if message else ""
    return f"{what} ({code or 'no code'}{shown})", then
