# What the scripts share; sourced, never run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/tensorhub"
venv="$cache/venv"
corpus="$cache/bson-corpus"
wheels="$cache/wheels"
log="$cache/setup.log"

# What an installation has. With Swift's own libraries inside, so that the machines that run tasks need no toolchain.
programs=(tensorhub tensorhubd tensorhub-supervisor)
release_build=(swift build --configuration release --static-swift-stdlib)
# build_release PRODUCT...
build_release() {
    local product
    for product; do "${release_build[@]}" --product "$product" || return; done
}

say() { printf "%s\n" "$@" >&2; }
die() {
    say "$@"
    exit 1
}

# The mongod to use: the named one, the one on PATH, the one in the cache; nothing where there is none.
find_mongod() {
    if [[ -n ${TENSORHUB_MONGOD:-} ]]; then
        echo "$TENSORHUB_MONGOD"
    elif ! type -P mongod; then
        if [[ -x $cache/mongod/6.0.5/mongod ]]; then echo "$cache/mongod/6.0.5/mongod"; fi
    fi
}

# For what runs after setup: the Python that has NumPy comes first, as it does for the tasks of the examples.
use_setup() {
    export PATH="$venv/bin:$PATH"
    TENSORHUB_MONGOD="$(find_mongod)"
    TENSORHUB_BSON_CORPUS="$corpus"
    TENSORHUB_WHEELS="$wheels"
    export TENSORHUB_MONGOD TENSORHUB_BSON_CORPUS TENSORHUB_WHEELS
}

# Runs a command that knows nothing of this user's or this machine's configuration and whose data goes away with it.
in_private_folders() {
    local folder status=0
    folder="$(mktemp -d)"
    env -u TENSORHUB_URI -u TENSORHUB_PROJECT \
        XDG_CONFIG_HOME="$folder/config" XDG_DATA_HOME="$folder/data" XDG_STATE_HOME="$folder/state" \
        TENSORHUB_CONFIG=/dev/null "$@" || status=$?
    rm -rf "$folder"
    return $status
}

# Marks what this script starts, so that at the end nothing of it is left, whatever went wrong.
begin_marked_processes() {
    TENSORHUB_SCRIPT_MARK="$$-$RANDOM$RANDOM"
    export TENSORHUB_SCRIPT_MARK
    trap end_marked_processes EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# The marked processes. This shell is none, being older than its mark, and what looks for them must not find itself.
marked_processes() {
    local mark="TENSORHUB_SCRIPT_MARK=$TENSORHUB_SCRIPT_MARK"
    (
        unset TENSORHUB_SCRIPT_MARK
        grep -lzsxF "$mark" /proc/[0-9]*/environ | cut -d / -f 3
    ) || true
}

end_marked_processes() {
    local pid
    for pid in $(marked_processes); do kill -KILL "$pid" 2>/dev/null || true; done
}

# Fails, naming them, when there are marked processes that do not end within five seconds.
no_marked_processes() {
    local left pid
    for _ in {1..50}; do
        left="$(marked_processes)"
        [[ -z $left ]] && return
        sleep 0.1
    done
    say "these processes were left behind:"
    for pid in $left; do say "$pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"; done
    return 1
}
