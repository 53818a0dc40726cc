"""What an agent asks for that was away: it knows 10,000 friends' pictures, of which 1 % have another one since.

The agent shows all of them, ends, and starts again: once with labels that name each friend's picture, and once with labels that show whatever a friend's
avatar is. nginx stands between it and the server, and its log has every request.
"""

import collections
import os
import sqlite3
import time

from ours import Bus
from pictures import picture
from stage import Agent, Front, Nginx

BYTES = 2000


def show(agent, labels, is_enough):
    """Registers labels until `is_enough` of the digests that are shown; the seconds that took."""
    bus = Bus(agent.socket)
    begun = time.monotonic()
    bus.send("Register", {"labels": labels, "keep": True}, more=True)
    shown = {}
    while not is_enough(shown):
        for told in bus.reply(300)["parameters"]["labels"]:
            if told["avatar"]["state"] == "ready":
                shown[int(told["label"])] = told["avatar"]["sha256"]
    took = time.monotonic() - begun
    bus.close()
    return took, shown


def measure(programs, place, is_quick):
    count = 1000 if is_quick else 10_000
    friends = range(2, count + 2)
    front = Front(programs, os.path.join(place, "server"), count + 1, is_plain=True)
    for uid in friends:
        front.place(uid, f"face-{uid}.png", picture(BYTES))
    with sqlite3.connect(front.database) as connection:
        connection.execute("UPDATE user SET icon = 'face-' || uid || '.png' WHERE uid > 1")
    connection.close()
    log = os.path.join(place, "requests")
    nginx = Nginx(
        os.path.join(place, "nginx"),
        "log_format line '$request_method $uri $status $bytes_sent';"
        f"access_log {log} line; keepalive_requests 1000000; upstream server {{ server 127.0.0.1:{front.port}; keepalive 64; }}"
        f"server {{ listen 127.0.0.1:@PORT@ ssl http2; ssl_certificate {front.certificate};"
        f"ssl_certificate_key {place}/server/key.pem; client_max_body_size 16m; location / {{ proxy_pass http://server;"
        "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_request_buffering off; } }")
    url = f"https://127.0.0.1:{nginx.port}"
    running = [front, nginx]
    lines = []
    try:
        for title, label in [
            ("labels that name the picture", lambda uid: {"label": str(uid), "owner": uid, "name": f"face-{uid}.png"}),
            ("labels that name the friend alone", lambda uid: {"label": str(uid), "owner": uid}),
        ]:
            home = os.path.join(place, f"agent-{len(lines)}")

            def start():
                agent = Agent(programs, home, 1, url, front.certificate)
                running.append(agent)
                return agent

            labels = [label(uid) for uid in friends]
            lines += [f"### With {title}", "", *once(start, front, place, log, labels, friends), ""]
    finally:
        for program in reversed(running):
            program.stop()
    return lines


def once(start, front, place, log, labels, friends):
    count = len(labels)
    agent = start()
    first, known = show(agent, labels, lambda shown: len(shown) == count)
    # The stream of changes is opened a moment after the labels came, and its place is kept then.
    time.sleep(3)
    agent.stop()
    time.sleep(1)
    changed = list(friends)[::100]
    new = os.path.join(place, "new")
    os.makedirs(new, exist_ok=True)
    uploads = []
    for uid in changed:
        with open(os.path.join(new, str(uid)), "wb") as file:
            file.write(picture(BYTES))
        uploads.append((uid, f"face-{uid}.png", os.path.join(new, str(uid))))
    front.put(uploads)
    before = sum(1 for _ in open(log))
    agent = start()
    again, _ = show(
        agent, labels, lambda shown: len(shown) == count and all(shown[uid] != known[uid] for uid in changed))
    time.sleep(1)
    # nginx writes the line of the stream of changes when that ends.
    agent.stop()
    time.sleep(1)
    kinds, sent = collections.Counter(), 0
    for line in list(open(log))[before:]:
        method, path, status, size = line.split()
        kinds[f"{method} /v1/{path.split('/')[2]}{'/…' if path.count('/') > 2 else ''}: {status}"] += 1
        sent += int(size)
    return [
        f"{count:,} pictures, {len(changed)} changed. All there at first after {first:.1f} s; after the return all labels, and the new pictures "
        f"on theirs, after {again:.1f} s; {sent / 1024:,.0f} KiB came.", "", "| requests after the return | |", "|---|---|",
        *(f"| {kind} | {number:,} |" for kind, number in sorted(kinds.items()))]
