# What programs in Bash have in common.
set -euo pipefail

support=$(dirname "${BASH_SOURCE[0]}")

ask() { curl --silent --show-error --fail-with-body --max-time 20 "$@"; }

# What is to be found in the text on standard input, or it says what is there instead.
finds() {
    local text
    text=$(cat)
    for wanted in "$@"; do
        grep -qF -- "$wanted" <<< "$text" || { echo "no $wanted in: $text"; exit 1; }
    done
}

end_session() { ask -X DELETE "$PROXY/services/apexrest/demo/session" | finds '"ended":1'; }

# The lines that the manual has for a tool, with the addresses of this proxy: the block of a language
# that follows the tool's name, first in bold.
readme() {
    local lines
    lines=$(awk -v tool="**$1" -v start="\`\`\`$2" '
        index($0, tool)      { found = 1 }
        found && $0 == start { inside = 1; next }
        inside && /^```/     { exit }
        inside' "$support/../../../README.md")
    [ -n "$lines" ] || { echo "the manual has no $2 for $1" >&2; return 1; }
    lines=${lines//http:\/\/localhost:8080/$PROXY}
    lines=${lines//https:\/\/localhost:8443/$PROXY_TLS}
    printf '%s\n' "${lines//\~\/.local\/state\/orgproxy\/ca.pem/$PROXY_CA}"
}
