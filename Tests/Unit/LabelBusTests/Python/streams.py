"""Registers with `more` and reads until the stream ends; then hangs up in the middle of another one."""
import json
import sys

import varlink

with varlink.Client("unix:" + sys.argv[1]) as client, client.open("org.avatard.Agent") as agent:
    for reply in agent.Register([{"label": "peer", "name": "a.png"}, {"label": "head", "name": ":/res/head_3.jpg"}], _more=True):
        print(json.dumps([[state["label"], state["avatar"]["state"]] for state in reply["labels"]]), flush=True)

with varlink.Client("unix:" + sys.argv[1]) as client:
    agent = client.open("org.avatard.Agent")
    reply = next(agent.Register([{"label": "peer", "name": "b.png"}], True, _more=True))
    with client.open("org.avatard.Agent") as other:
        print(other.Adjust(subscription=reply["subscription"], remove=["peer"], add=[{"label": "c", "name": "c.png"}]), flush=True)
    agent.close()
