"""What other programs take for the same files over the same link: curl with nginx, and rsync with its daemon. None of them syncs.

Every run writes into folders of its own, and nothing is deleted while the benchmark lasts: ext4 passes over the inodes that were freed in
the last minutes when it looks for a free one, so that whoever came after a deletion would pay for it, at any of the programs.
"""

import itertools
import os
import shutil
import subprocess
import time

from ours import Program, await_listener, make_certificate

HTTP, HTTPS, RSYNC = 8080, 8443, 8730
runs = itertools.count(1)


def missing():
    return [program for program in ("nginx", "curl", "rsync", "openssl") if not shutil.which(program)]


def timed(command):
    begun = time.monotonic()
    # curl -Z shows its meter in spite of "silent".
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - begun


class Nginx(Program):
    """Serves `files` over HTTP/1.1 and, with TLS, over HTTP/2, and takes PUT."""

    def __init__(self, folder, link):
        self.folder, self.link = folder, link
        self.files = os.path.join(folder, "files")
        os.makedirs(self.files)
        self.certificate, key = make_certificate(folder, link)
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        with open(f"{folder}/nginx.conf", "w") as file:
            file.write(
                f"""user root; daemon off; worker_processes auto; pid {folder}/pid; error_log {folder}/error.log;
                events {{ worker_connections 4096; }}
                http {{
                    access_log off; sendfile on; tcp_nodelay on; client_max_body_size 64m; {temporary}
                    keepalive_requests 100000; http2_max_concurrent_streams 1000;
                    server {{
                        listen {link.address}:{HTTP}; listen {link.address}:{HTTPS} ssl http2;
                        ssl_certificate {self.certificate}; ssl_certificate_key {key};
                        root {self.files}; dav_methods PUT; create_full_put_path on;
                    }}
                }}"""
            )
        super().__init__([*link.far, "nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"])
        await_listener(link.near, link.address, HTTP)

    def transfer(self, how, direction, source, names):
        """One run of curl: `how` is serial, parallel or http2; the seconds it took."""
        scheme, port = ("https", HTTPS) if how == "http2" else ("http", HTTP)
        base = f"{scheme}://{self.link.address}:{port}"
        lines = ["silent", "fail"]
        if how != "serial":
            lines.append("parallel")
        if how == "http2":
            lines += ["http2", f"cacert = {self.certificate}"]
        run = next(runs)
        target = os.path.join(self.folder, f"down-{run}")
        os.makedirs(target)
        for name in names:
            if direction == "down":
                lines += [f'url = "{base}/{source}/{name}"', f'output = "{target}/{name}"']
            else:
                lines += [f'upload-file = "{source}/{name}"', f'url = "{base}/up-{run}/{name}"']
        config = os.path.join(self.folder, "curl.conf")
        with open(config, "w") as file:
            file.write("\n".join(lines) + "\n")
        return timed([*self.link.near, "curl", "-K", config])


class Rsync(Program):
    def __init__(self, folder, link, files):
        self.folder, self.link = folder, link
        with open(f"{folder}/rsyncd.conf", "w") as file:
            file.write(f"use chroot = no\nuid = root\ngid = root\n[files]\npath = {files}\nread only = no\n")
        super().__init__(
            [
                *link.far, "rsync", "--daemon", "--no-detach", f"--address={link.address}", f"--port={RSYNC}",
                f"--config={folder}/rsyncd.conf",
            ]
        )
        await_listener(link.near, link.address, RSYNC)
        self.files = files

    def transfer(self, direction, source, names):
        base = f"rsync://{self.link.address}:{RSYNC}/files"
        run = next(runs)
        target = os.path.join(self.folder if direction == "down" else self.files, f"{direction}-{run}")
        os.makedirs(target)
        ends = [f"{base}/{source}/", target] if direction == "down" else [source + "/", f"{base}/up-{run}/"]
        return timed([*self.link.near, "rsync", "-r", "-I", *ends])
