#!/usr/bin/env python3
"""Prints what labels would show: at once, and again whenever one of the pictures is there.

    pip install varlink
    python3 Examples/label_client.py head_17.png head_18.png
"""
import os
import sys

import varlink

runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
socket = os.environ.get("AVATARD_BUS_SOCKET") or runtime + "/avatard/agent.sock"
with varlink.Client("unix:" + socket) as client, client.open("org.avatard.Agent") as agent:
    for reply in agent.Register([{"label": name, "name": name} for name in sys.argv[1:]], _more=True):
        for state in reply["labels"]:
            avatar = state["avatar"]
            print(state["label"], avatar["state"], avatar.get("path") or avatar.get("fallback"), flush=True)
