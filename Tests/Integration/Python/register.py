"""Registers two labels for one picture with `more`, and prints one JSON object per reply until the agent ends the stream."""
import json
import sys

import varlink

with varlink.Client("unix:" + sys.argv[1]) as client, client.open("org.avatard.Agent") as agent:
    labels = [{"label": "list", "name": sys.argv[2]}, {"label": "header", "name": sys.argv[2]}]
    for reply in agent.Register(labels, _more=True):
        print(
            json.dumps(
                [[state["label"], state["avatar"]["state"], state["avatar"].get("path")] for state in reply["labels"]]
            ),
            flush=True,
        )
