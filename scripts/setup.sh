#!/bin/sh
# Installs what building, running and testing need from Debian, and nothing when all is there already.
#   scripts/setup.sh build    what the compiler needs, and Python for the demonstration (make run)
#   scripts/setup.sh test     that, and the programs that the tests start (make test)
#   scripts/setup.sh bench    what building needs, and what avatar-server is measured with and beside (make bench)
#   scripts/setup.sh qt       what Examples/qt needs with Qt 5 and Qt 6, and a screen for its test (make test-qt)
#   scripts/setup.sh deb      what building needs, and Debian's tools for packages (make deb)
#   scripts/setup.sh systemd  what making and booting a Debian needs (make test-systemd)
# Root is asked for through sudo, only when something is missing. No system service is started or enabled.
#   scripts/setup.sh container  that without the boot, and Redis and MariaDB (make test-container)
set -eu

say() { printf 'setup: %s\n' "$*"; }

build="libinotifytools0-dev libssl-dev openssl libsqlite3-dev libhiredis-dev libmariadb-dev pkg-config git make python3 python3-pip"
# MariaDB without its service: mariadb-server-core is the programs alone.
tests="redis-server mariadb-server-core mariadb-client-core systemd util-linux python3-pyqt5"
# What asks the HTTP front, and makes its certificates; the decoders that docs/pictures.md compares.
tests="$tests curl openssl python3-pil python3-pyqt6 qt6-image-formats-plugins imagemagick libmagickcore-6.q16-6-extra"
# What shows pictures in terminals, and a browser without a window for the page of avatarctl gallery.
tests="$tests chafa chromium"
# What stands before the server, or in its place.
tests="$tests nginx-light"
# promtool, which reads figures and queries as Prometheus does.
tests="$tests prometheus"
peers="nginx-light curl rsync openssl iproute2 wrk nghttp2-client redis-server mariadb-server-core mariadb-client-core"
packing="build-essential debhelper dpkg-dev lintian"
machine="mmdebstrap systemd-container python3 binutils"
case ${1:-test} in
build) wanted=$build ;;
test) wanted="$build $tests" ;;
bench) wanted="$build $peers" ;;
qt) wanted="$build g++ cmake qtbase5-dev qt6-base-dev qt6-qpa-plugins xvfb" ;;
deb) wanted="$build $packing" ;;
systemd) wanted="$build $machine" ;;
container) wanted="$build $machine redis-server mariadb-server-core mariadb-client-core python3-yaml" ;;
*)
    echo "usage: scripts/setup.sh [build|test|bench|qt|deb|systemd|container]" >&2
    exit 2
    ;;
esac

if ! command -v swift >/dev/null; then
    say "there is no swift on PATH: install Swift 6.3 or later from https://www.swift.org/install/linux/" >&2
    exit 1
fi

if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian; what it would install, by Debian's names: $wanted"
    exit 0
fi

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
done
missing=${missing# }
if [ -z "$missing" ]; then
    say "everything is there"
    exit 0
fi

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    say "these are missing, and there is no sudo; as root: apt-get install --no-install-recommends $missing" >&2
    exit 1
fi

say "installing with apt-get${as_root:+ and sudo}: $missing"
# A service that comes along must neither start now nor with the next boot: it is only needed as a program.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$as_root rm -f $policy' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
fi
$as_root apt-get update --quiet --quiet
# shellcheck disable=SC2086  # one word for each package
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends $missing
for service in redis-server nginx-light rsync prometheus; do
    case " $missing " in
    *" $service "*)
        unit=${service%-light}.service
        if command -v systemctl >/dev/null; then $as_root systemctl disable --quiet "$unit" || true; fi
        ;;
    esac
done
say "installed"
