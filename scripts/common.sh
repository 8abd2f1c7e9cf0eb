# What the scripts here share; sourced, with the checkout as the working folder.

say() { echo "$(basename "$0"): $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

# Install Debian packages; fails, after saying how to do it by hand, where that is not possible.
install_packages() {
    say "installing $*"
    if ! { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@"; } >&2; then
        say "could not install them; as root: apt-get install $*"
        return 1
    fi
}
