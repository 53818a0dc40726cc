"""Drives a real agent, which nobody is logged in at, with the varlink package: every method, every error it can give, streams, and
hanging up. Arguments: socket, port of the server, token file, a picture, its name at the server, a folder for files. Prints one JSON
object for each step."""
import json
import os
import re
import sys

import varlink

address, port, token_file, picture, name, folder = "unix:" + sys.argv[1], int(sys.argv[2]), *sys.argv[3:7]
token = open(token_file).read().strip()


def say(step, **what):
    print(json.dumps({"step": step, **what}, sort_keys=True), flush=True)


def error(step, call):
    """Makes a call that must fail; a stream is read to its end."""
    try:
        for _ in call():
            pass
        say(step, error=None)
    except varlink.VarlinkError as problem:
        say(step, error=problem.error(), parameters=problem.parameters())


def file(path, data):
    with open(path, "wb") as opened:
        opened.write(data)
    return path


def connect(client=None):
    return (client or varlink.Client(address)).open("org.avatard.Agent")


client = varlink.Client(address)
agent = connect(client)
server = {"host": "127.0.0.1", "port": port}

# The service's own interface. Methods that are not there are called through a description that has them.
say("info", interfaces=client.get_interfaces())
say("description", text=client.get_interface("org.avatard.Agent").get_description())
service = client.open("org.varlink.service")
error("InterfaceNotFound", lambda: service.GetInterfaceDescription("org.example.Other"))
wrong = varlink.Interface("interface org.avatard.Agent\nmethod Nothing() -> ()\nmethod Status(more: ?bool) -> ()")
made_up = varlink.SimpleClientInterfaceHandler(wrong, client.open_connection())
error("MethodNotFound", lambda: made_up.Nothing())
error("InvalidParameter", lambda: made_up.Status(True))


def upgrade():
    # The package has no word for it.
    agent._send_message(b'{"method":"org.avatard.Agent.Status","upgrade":true}')
    return agent._next_varlink_message()


error("MethodNotImplemented", upgrade)

# Nobody is logged in.
status = agent.Status()
say("status", connection=status["connection"], server=status.get("server"))
error("NotLoggedIn", lambda: agent.Fetch([name]))
say("outgoing", states=[[r["avatar"]["state"], r["avatar"].get("reason")] for r in agent.Upload(picture, _more=True)])

# A token that the server refuses.
say("login", reply=agent.Login(server, 1001, "no such token"))
error("ServerRefused", lambda: agent.Fetch([name], _more=True))
error("ServerRefused at once", lambda: agent.Fetch([name]))

# The right one.
agent.Login(server, 1001, token)
fetched = list(agent.Fetch([name], _more=True))
say(
    "fetch",
    first=fetched[0],
    names=sorted({reply["avatar"]["name"] for reply in fetched[1:]}),
    last=[fetched[-1]["accepted"], fetched[-1]["avatar"]["state"], fetched[-1]["avatar"]["path"]],
)
say("get", state=agent.Get(name)["avatar"]["state"])
say("explain", what=[step["what"] for step in agent.Explain(name)["steps"]][-2:])
for question in ("Get", "Forget", "Explain"):
    error("UnknownAvatar of " + question, lambda: getattr(agent, question)("nobody.png"))
error("InvalidName", lambda: agent.Get("../a.png"))
error("NotAnImage", lambda: agent.Upload(file(folder + "/text.png", b"no picture")))
with open(file(folder + "/large.png", b"\x89PNG\r\n\x1a\n"), "ab") as large:
    large.truncate(9 << 20)
error("TooLarge", lambda: agent.Upload(folder + "/large.png"))
say("upload", states=[reply["avatar"]["state"] for reply in agent.Upload(picture, _more=True)][-1:])
listed, after = [], None
while after is not None or not listed:
    page = agent.List(after=after, limit=1)
    listed += [avatar["name"] for avatar in page["avatars"]]
    after = page.get("next")
say("list", names=listed, ready=[avatar["name"] for avatar in agent.List("ready")["avatars"]])

# Labels: the states now, an owner alone, a stream that ends by itself, one that is adjusted from elsewhere and hung up on.
once = agent.Register([{"label": "a", "name": name}, {"label": "b", "owner": 1002}, {"label": "c", "name": ":/res/head_3.jpg"}])
say("snapshot", states=[[label["label"], label["avatar"]["state"], label["avatar"].get("reason")] for label in once["labels"]])
stream = [label["label"] for reply in agent.Register([{"label": "x", "name": name}], _more=True) for label in reply["labels"]]
say("one-shot", labels=stream)
showing = connect()
labels = showing.Register([{"label": "old", "name": ":/res/head_1.jpg"}], True, _more=True)
subscription = next(labels)["subscription"]
say("adjust", reply=agent.Adjust(subscription=subscription, add=[{"label": "new", "name": name}], remove=["old"], hidden=["new"]))
told = [[label["label"], label["avatar"]["state"]] for label in next(labels)["labels"]]
say("adjusted", told=told, labels=agent.Status()["labels"])
showing.close()
while agent.Status()["labels"]:
    pass
error("UnknownSubscription", lambda: agent.Adjust(subscription))
error("TooMany", lambda: agent.Register([{"label": str(n), "name": name} for n in range(501)]))
error("ExpectedMore", lambda: agent.Register([], True))

# The log: from its beginning, from a cursor of another epoch, and as it goes on.
log = agent.Watch(since=0)
say("watch", gapless=[change["cursor"] for change in log["changes"]] == list(range(1, log["cursor"] + 1)))
say("reset", reset=agent.Watch("another", 1).get("reset"))
following = connect()
changes = following.Watch(log["epoch"], log["cursor"], _more=True)
say("nothing new", changes=next(changes)["changes"])
say("oneway", reply=agent.Forget(name, _oneway=True))
change = next(changes)["changes"][0]
say("removed", kind=change["kind"], name=change["avatar"]["name"], gapless=change["cursor"] == log["cursor"] + 1)
came = next(entry for entry in log["changes"] if entry["kind"] == "ready" and entry["avatar"]["name"] == name)
say("when", at=bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", change["at"])), size=change["size"] == came["size"])
following.close()

say("pause", reply=agent.Pause("down"))
say("paused", states=[next(agent.Fetch([name], _more=True)).get("accepted")])
agent.close()
agent = connect()
say("resume", reply=agent.Resume())

# A client that does not read: the first reply of many, then nothing until the agent has given up on it.
lagging = connect()
many = lagging.Register([{"label": str(n), "name": name} for n in range(20_000)], True, _more=True)
parts = [len(next(many)["labels"])]
while agent.Status()["labels"]:
    list(agent.Fetch([name], _more=True))
    agent.Forget(name)


def rest():
    for reply in many:
        parts.append(len(reply["labels"]))
        yield reply


error("Lagging", rest)
say("parts", largest=max(parts), whole=sum(parts) >= 500)
say("logout", reply=agent.Logout())
say("end", connection=agent.Status()["connection"])
