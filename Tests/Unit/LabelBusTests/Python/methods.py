"""Drives every method and every error of the label bus with the varlink package; prints one JSON object per step."""
import json
import sys

import varlink

address = "unix:" + sys.argv[1]
picture = sys.argv[2]


def say(step, **what):
    print(json.dumps({"step": step, **what}, sort_keys=True), flush=True)


def error(step, call):
    try:
        call()
        say(step, error=None)
    except varlink.VarlinkError as problem:
        say(step, error=problem.error(), parameters=problem.parameters())


with varlink.Client(address) as client:
    say("info", interfaces=client.get_interfaces())
    interface = client.get_interface("org.avatard.Agent")
    say("description", text=interface.get_description())
    methods = [name for name, member in interface.members.items() if type(member).__name__ == "_Method"]
    say("methods", names=methods)

    with client.open("org.avatard.Agent") as agent:
        say("login", reply=agent.Login({"host": "127.0.0.1", "port": 9090}, 7, "s3cret"))
        say("status", connection=agent.Status()["connection"], server=agent.Status()["server"])
        say("fetch", reply=agent.Fetch(["a.png", "b.png"]))
        say("get", state=agent.Get("a.png")["avatar"]["state"])
        say("list", names=[avatar["name"] for avatar in agent.List()["avatars"]])
        say("page", reply=agent.List(limit=1)["next"])
        say("register", labels=len(agent.Register([{"label": "x", "name": "a.png"}])["labels"]))
        say("watch", cursor=agent.Watch()["cursor"])
        say("upload", state=agent.Upload(picture)["avatar"]["state"])
        say("explain", steps=len(agent.Explain("a.png")["steps"]))
        say("check", **agent.Check())
        say("verify", **agent.Verify())
        say("pause", reply=agent.Pause("up"))
        say("problems", what=[problem["what"] for problem in agent.Status()["problems"]])
        say("resume", reply=agent.Resume())
        say("oneway", reply=agent.Forget("b.png", _oneway=True))
        say("forgotten", names=[avatar["name"] for avatar in agent.List()["avatars"]])
        say("forget", reply=agent.Forget("a.png"))
        say("dismiss", reply=agent.Dismiss("refused.png"))
        say("logout", reply=agent.Logout())

        error("NotLoggedIn", lambda: agent.Logout())
        error("UnknownAvatar", lambda: agent.Get("none.png"))
        error("InvalidName", lambda: agent.Fetch(["../a.png"]))
        error("NotAnImage", lambda: agent.Upload("/tmp/a.txt"))
        error("TooLarge", lambda: agent.Upload("/tmp/a.huge"))
        error("ServerRefused", lambda: agent.Login({"host": "h", "port": 1}, 7, "wrong"))
        error("TooMany", lambda: agent.Register([{"label": str(n), "name": "a"} for n in range(501)]))
        error("UnknownSubscription", lambda: agent.Adjust("none"))
        error("InvalidParameter", lambda: agent.List(limit=0))
        error("ExpectedMore", lambda: agent.Register([], True))
        error("MethodNotImplemented", lambda: agent.Resume("down"))

    service = client.open("org.varlink.service")
    error("InterfaceNotFound", lambda: service.GetInterfaceDescription("org.example.Other"))
    service.close()
