#!/bin/sh
# One argument, the handler. Inside Lambda the runtime API is there; elsewhere the emulator provides it.
[ $# -eq 1 ] || { echo "entrypoint requires the handler name to be the first argument" >&2; exit 142; }
export _HANDLER="$1"
if [ -n "$AWS_LAMBDA_RUNTIME_API" ]; then
    exec /var/runtime/bootstrap
fi
exec /usr/local/bin/aws-lambda-rie /var/runtime/bootstrap
