#!/bin/sh
# Puts the built programs and all that goes with them where a system looks for it; called by `make install`.
#   scripts/install.sh BUILT DESTDIR PREFIX UNITS       copies
#   scripts/install.sh --remove DESTDIR PREFIX UNITS    takes the same files away
# DESTDIR may be empty; PREFIX is where the files will be used, UNITS the (DESTDIR and all) folder of systemd's user units.
set -eu
cd "$(dirname "$0")/.."
built=$1 destdir=$2 prefix=$3 units=$4
bin=$destdir$prefix/bin
share=$destdir$prefix/share
programs="avatard avatarctl avatar-server"
# The agent's units are a user's; the server's is the system's, and lies beside the documentation in a home of one's own.
case $units in
*/lib/systemd/user) system_units=${units%/user}/system ;;
*) system_units=$share/doc/avatard ;;
esac

case $prefix in
/*) ;;
*)
    echo "install: PREFIX must be an absolute path, and is \"$prefix\"" >&2
    exit 2
    ;;
esac

if [ "$built" = --remove ]; then
    for program in $programs; do
        rm -f "$bin/$program" "$share/bash-completion/completions/$program" \
            "$share/zsh/site-functions/_$program" "$share/fish/vendor_completions.d/$program.fish"
    done
    for page in docs/man/*.[1-8]; do rm -f "$share/man/man${page##*.}/$(basename "$page")"; done
    rm -f "$units/avatard.service" "$units/avatard.socket" "$system_units/avatar-server.service"
    rm -rf "$share/doc/avatard"
    exit 0
fi

for program in $programs; do
    install -D -m 755 "$built/$program" "$bin/$program"
    install -d "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d"
    "$built/$program" --generate-completion-script bash >"$share/bash-completion/completions/$program"
    "$built/$program" --generate-completion-script zsh >"$share/zsh/site-functions/_$program"
    "$built/$program" --generate-completion-script fish >"$share/fish/vendor_completions.d/$program.fish"
done
for page in docs/man/*.[1-8]; do install -D -m 644 "$page" "$share/man/man${page##*.}/$(basename "$page")"; done
for sample in config/*.yaml; do install -D -m 644 "$sample" "$share/doc/avatard/$(basename "$sample")"; done
install -D -m 644 LICENSE "$share/doc/avatard/LICENSE"
# put_unit FOLDER UNIT: with the folder of the programs in it.
put_unit() {
    install -d "$1"
    sed "s#=/usr/bin/#=$prefix/bin/#; s#=/usr/local/bin/#=$prefix/bin/#" "systemd/$2" >"$1/$2"
    chmod 644 "$1/$2"
}
put_unit "$units" avatard.service
put_unit "$units" avatard.socket
put_unit "$system_units" avatar-server.service
echo "Installed under $destdir$prefix. Next: systemctl --user daemon-reload && systemctl --user enable --now avatard"
