#!/bin/sh
# Puts the built programs and all that goes with them where a system looks for it; called by `make install`.
#   scripts/install.sh BUILT DESTDIR PREFIX UNITS       copies
#   scripts/install.sh --remove DESTDIR PREFIX UNITS    takes the same files away
# DESTDIR may be empty; PREFIX is where the files will be used, UNITS the (DESTDIR and all) folder of systemd's user units.
# STRIP is what takes the symbols out of a copied program; `:` leaves them in.
set -eu
cd "$(dirname "$0")/.."
built=$1 destdir=$2 prefix=$3 units=$4
bin=$destdir$prefix/bin
share=$destdir$prefix/share
strip=${STRIP:-strip}
programs="avatard avatarctl avatar-server"
# The agent's units are a user's; the server's is the system's, with a user of its own, and has no place in a home.
case $units in
*/lib/systemd/user) system=${units%/systemd/user} ;;
*) system= ;;
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
    rm -f "$units/avatard.service" "$units/avatard.socket"
    if [ -n "$system" ]; then
        rm -f "$system/systemd/system/avatar-server.service" "$system/sysusers.d/avatar-server.conf" \
            "$system/tmpfiles.d/avatar-server.conf"
    fi
    rm -rf "$share/doc/avatard"
    exit 0
fi

for program in $programs; do
    install -D -m 755 "$built/$program" "$bin/$program.new"
    "$strip" "$bin/$program.new"
    # A running program keeps its file; the next start takes the new one.
    mv -f "$bin/$program.new" "$bin/$program"
    install -d "$share/bash-completion/completions" "$share/zsh/site-functions" "$share/fish/vendor_completions.d"
    # The shell reads that file and never runs it, so that the line which names an interpreter has no meaning there.
    "$built/$program" --generate-completion-script bash | sed '1{/^#!/d}' >"$share/bash-completion/completions/$program"
    "$built/$program" --generate-completion-script zsh >"$share/zsh/site-functions/_$program"
    "$built/$program" --generate-completion-script fish >"$share/fish/vendor_completions.d/$program.fish"
done
for page in docs/man/*.[1-8]; do install -D -m 644 "$page" "$share/man/man${page##*.}/$(basename "$page")"; done
for sample in config/*.yaml; do install -D -m 644 "$sample" "$share/doc/avatard/$(basename "$sample")"; done
install -D -m 644 LICENSE "$share/doc/avatard/LICENSE"
# put_unit FOLDER UNIT: with the folder of the programs in it.
put_unit() {
    install -d "$1"
    sed "s#=/usr/local/bin/#=$prefix/bin/#" "systemd/$2" >"$1/$2"
    chmod 644 "$1/$2"
}
put_unit "$units" avatard.service
put_unit "$units" avatard.socket
echo "Installed under $destdir$prefix."
echo "The agent, for each user:  systemctl --user daemon-reload && systemctl --user enable --now avatard"
if [ -n "$system" ]; then
    put_unit "$system/systemd/system" avatar-server.service
    install -D -m 644 systemd/avatar-server.sysusers "$system/sysusers.d/avatar-server.conf"
    install -D -m 644 systemd/avatar-server.tmpfiles "$system/tmpfiles.d/avatar-server.conf"
    echo "The server, as root:       systemd-sysusers && systemd-tmpfiles --create avatar-server.conf &&"
    echo "                           systemctl daemon-reload && systemctl enable --now avatar-server"
fi
