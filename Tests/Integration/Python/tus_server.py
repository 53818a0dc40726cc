"""A tus server from PyPI, tuspyserver, over TLS on a free port: tus_server.py FOLDER CERTIFICATE KEY UID TOKEN PORT_FILE

It takes uploads of this user at the path where avatar-server takes them, and writes what is complete to FOLDER under its name. Every request is
told on standard error: method, path, Upload-Offset."""
import base64
import os
import pathlib
import shutil
import socket
import sys

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from tuspyserver import create_tus_router

folder, certificate, key, uid, token, port_file = sys.argv[1:]
login = "Basic " + base64.b64encode(f"{uid}:{token}".encode()).decode()


def authenticate(request: Request):
    if request.headers.get("authorization") != login:
        raise HTTPException(401)


def complete(path: str, metadata: dict):
    shutil.copyfile(path, pathlib.Path(folder, pathlib.PurePath(metadata["filename"]).name))


app = FastAPI()
app.include_router(
    create_tus_router(
        prefix=f"v1/users/{uid}/uploads", files_dir=os.path.join(folder, ".parts"), auth=authenticate, on_upload_complete=complete))


async def told(scope, receive, send):
    if scope["type"] == "http":
        offset = dict(scope["headers"]).get(b"upload-offset", b"-").decode()
        print(scope["method"], scope["path"], offset, file=sys.stderr, flush=True)
    await app(scope, receive, send)


listener = socket.create_server(("127.0.0.1", 0))
pathlib.Path(port_file).write_text(f"{listener.getsockname()[1]}\n")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
uvicorn.Server(
    uvicorn.Config(told, ssl_certfile=certificate, ssl_keyfile=key, log_level="warning")).run(sockets=[listener])
