"""Becomes nginx on a port that is free: nginx.py CONFIGURATION FOLDER PORT_FILE

The configuration is what stands inside of `http { … }`; @PORT@ in it is the port, @FOLDER@ an empty folder for what nginx writes. The socket
listens before nginx runs, which takes it over as it does from its predecessor in an upgrade (nginx, "Upgrading Executable on the Fly")."""
import os
import pathlib
import socket
import sys

configuration, folder, port_file = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
inside = pathlib.Path(configuration).read_text().replace("@PORT@", str(port)).replace("@FOLDER@", folder)
pathlib.Path(folder, "nginx.conf").write_text(
    # A worker of another user could not read the test's folders.
    f"{'user root;' if os.geteuid() == 0 else ''} worker_processes 1; daemon off; pid {folder}/pid; error_log stderr;"
    f"events {{ worker_connections 512; }} http {{ {places} access_log {folder}/access.log; {inside} }}")
pathlib.Path(port_file).write_text(f"{port}\n")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    manager.sendto(b"READY=1", os.environ.pop("NOTIFY_SOCKET"))
os.set_inheritable(listener.fileno(), True)
os.environ["NGINX"] = f"{listener.fileno()};"
os.execvp("nginx", ["nginx", "-e", "stderr", "-c", f"{folder}/nginx.conf"])
