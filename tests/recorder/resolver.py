"""Runs a command where there is no network, and tells which names it would have resolved.

For `unshare --map-root-user --net python resolver.py COMMAND...`: in a network of its own it takes
the place of the name servers. Unlike an audit hook it hears compiled code too.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

SIOCSIFADDR, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x8914, 1
NOT_FOUND = b"\x81\x83"


def servers() -> list[str]:
    """Name servers of this machine, IPv4."""
    lines = [line.split() for line in Path("/etc/resolv.conf").read_text().splitlines()]
    return [line[1] for line in lines if line[:1] == ["nameserver"] and ":" not in line[1]]


def address_of(server: str, number: int) -> socket.socket:
    """The loopback answers at a server's address; its socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        up = struct.pack("16sH14x", b"lo", IFF_UP)
        fcntl.ioctl(control, SIOCSIFFLAGS, up)
        if not server.startswith("127."):
            own = struct.pack("!4s", socket.inet_aton(server))
            asked = struct.pack("16sHH4s8x", b"lo:%d" % number, socket.AF_INET, 0, own)
            fcntl.ioctl(control, SIOCSIFADDR, asked)
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind((server, 53))
    return listening


def answer(listening: socket.socket, names: set[str]) -> None:
    """Say of every name that there is none."""
    while True:
        asked, who = listening.recvfrom(4096)
        at, labels = 12, []
        while asked[at]:
            labels.append(asked[at + 1 : at + 1 + asked[at]].decode(errors="replace"))
            at += asked[at] + 1
        names.add(".".join(labels))
        listening.sendto(asked[:2] + NOT_FOUND + asked[4:6] + bytes(6) + asked[12 : at + 5], who)


def main(command: list[str]) -> None:
    """Run the command; print the names as JSON."""
    names: set[str] = set()
    for number, server in enumerate(servers() or ["127.0.0.1"], start=1):
        listening = address_of(server, number)
        threading.Thread(target=answer, args=(listening, names), daemon=True).start()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print(json.dumps(sorted(names)))


main(sys.argv[1:])
