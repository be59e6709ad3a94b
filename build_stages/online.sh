#!/bin/sh
# Runs a command that needs the network. A CA bundle given as the build secret `ca` is trusted beside the system's.
if [ -s /run/ca.crt ]; then
    bundle=$(mktemp)
    trap 'rm -f "$bundle"' EXIT
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /run/ca.crt; do
        [ ! -r "$file" ] || cat "$file" >>"$bundle"
    done
    export PIP_CERT="$bundle" SSL_CERT_FILE="$bundle" REQUESTS_CA_BUNDLE="$bundle" CURL_CA_BUNDLE="$bundle"
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
"$@"
