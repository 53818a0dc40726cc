"""Calls every method of a real agent with the command line tool of the varlink package. Arguments: socket, port of the server, token
file, a picture, its name at the server. Prints one JSON array for each call: the method, the replies,
and what the tool said on standard error, which is where it tells of errors: it always ends well."""
import json
import subprocess
import sys

socket, port, token_file, picture, name = sys.argv[1:6]
address = f"unix:{socket}/org.avatard.Agent"


def replies(text):
    """The JSON objects in the tool's output, one after the other."""
    found, rest = [], text.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        found.append(value)
        rest = rest[end:].strip()
    return found


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "varlink.cli", *arguments], capture_output=True, text=True, timeout=60)


def call(method, parameters=None, more=False):
    ended = run("call", *(["--more"] if more else []), f"{address}.{method}", json.dumps(parameters or {}))
    print(json.dumps([method, replies(ended.stdout), ended.stderr], sort_keys=True), flush=True)


info = run("info", f"unix:{socket}")
print(json.dumps(["info", info.stdout, info.stderr]), flush=True)
text = run("help", address)
print(json.dumps(["help", text.stdout, text.stderr]), flush=True)
call("Login", {"server": {"host": "127.0.0.1", "port": int(port)}, "uid": 1001, "token": open(token_file).read().strip()})
call("Fetch", {"names": [name]}, more=True)
call("Get", {"name": name})
call("List", {"state": "ready"})
call("Explain", {"name": name})
call("Check", {"look": True})
call("Verify")
call("Register", {"labels": [{"label": "l", "name": name}, {"label": "h", "name": ":/res/head_1.jpg"}]}, more=True)
call("Watch", {"since": 0})
call("Upload", {"path": picture}, more=True)
call("Pause", {"direction": "up"})
call("Resume")
call("Status")
call("Forget", {"name": name})
call("Forget", {"name": name})
call("Dismiss", {"name": name})
call("Adjust", {"subscription": "none"})
call("Logout")
call("Fetch", {"names": [name]})
