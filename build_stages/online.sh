#!/bin/sh
# Runs a command that needs the network. A CA bundle given as the build secret `ca` is trusted beside the system's.
if [ -s /run/ca.crt ]; then
    export PIP_CERT=/run/ca.crt SSL_CERT_FILE=/run/ca.crt REQUESTS_CA_BUNDLE=/run/ca.crt
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
exec "$@"
