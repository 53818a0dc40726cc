"""Two network namespaces with a wire between them that holds every packet back: what a server far away is to its clients."""

import os
import shutil
import subprocess

NEAR, FAR = "10.213.0.1", "10.213.0.2"


def why_not():
    """Why this machine cannot have such a link, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "the program ip is missing (Debian: iproute2)"
    if not os.path.exists("/dev/net/tun"):
        return "the kernel has no /dev/net/tun"
    return None


class Loopback:
    """No link at all: both sides on this machine's loopback."""

    round_trip = 0
    address = "127.0.0.1"
    near = far = []

    def close(self):
        pass


class Link:
    """`near` and `far` are what a command line begins with to run on that side; servers listen on `address`, on the far side."""

    address = FAR

    def __init__(self, program, round_trip):
        self.round_trip = round_trip
        tag = os.getpid()
        self.namespaces = [f"avn{tag}", f"avf{tag}"]
        devices = [f"avn{tag}", f"avf{tag}"]
        self.process = None
        self._ip("netns", "add", self.namespaces[0])
        self._ip("netns", "add", self.namespaces[1])
        self.process = subprocess.Popen(
            [program, *devices, str(round_trip / 2)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self.process.stdout.readline() != "READY\n":
            self.close()
            raise RuntimeError("delay-link did not start")
        for device, namespace, own, other in zip(devices, self.namespaces, (NEAR, FAR), (FAR, NEAR)):
            self._ip("link", "set", device, "netns", namespace)
            self._ip("-n", namespace, "address", "add", own, "peer", other, "dev", device)
            self._ip("-n", namespace, "link", "set", device, "up", "txqueuelen", "20000")
            self._ip("-n", namespace, "link", "set", "lo", "up")
        self.near, self.far = (["ip", "netns", "exec", namespace] for namespace in self.namespaces)

    @staticmethod
    def _ip(*arguments):
        subprocess.run(["ip", *arguments], check=True)

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
        for namespace in self.namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], check=False)
