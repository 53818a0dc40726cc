#!/bin/sh
# What a label would show, from a shell: Examples/labels.sh head_17.png
set -eu
socket=${AVATARD_BUS_SOCKET:-${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/avatard/agent.sock}
call="{\"labels\":[{\"label\":\"shell\",\"name\":\"$1\"}]}"

if command -v varlinkctl >/dev/null; then
    # systemd 255 and later. Debian 12 has 252: this line has not been run there.
    varlinkctl call --more "unix:$socket" org.avatard.Agent.Register "$call"
else
    # pip install varlink, or: export PYTHONPATH=$(scripts/python-env)
    python3 -m varlink.cli call --more "unix:$socket/org.avatard.Agent.Register" "$call"
fi
