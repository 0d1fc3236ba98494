"""An outside of ours, and a machine that reaches a registry and an API server and nothing else.

Network namespaces beside the sealed Docker's: none of them has a way to anywhere real.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ADDRESS, GATEWAY, PORT = "203.0.113.2", "203.0.113.1", 80  # TEST-NET-3: nobody's
NAME = "leak.outside.test"
# a listener that takes connections, and a DNS server that knows every name
SERVER = f"""
import socket, threading
listener = socket.create_server(("{ADDRESS}", {PORT}))
answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
answers.bind(("{ADDRESS}", 53))
def accept():
    while True:
        listener.accept()[0].close()
threading.Thread(target=accept, daemon=True).start()
print("ready", flush=True)
while True:
    asked, peer = answers.recvfrom(512)
    end = asked.index(b"\\0", 12) + 5
    kind = asked[end - 4:end - 2]
    found = kind == b"\\0\\1"
    head = asked[:2] + b"\\x81\\x80" + b"\\0\\1" + (b"\\0\\1" if found else b"\\0\\0") + b"\\0" * 4
    record = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x05\\0\\4" + socket.inet_aton("{ADDRESS}")
    answers.sendto(head + asked[12:end] + (record if found else b""), peer)
"""
# The cluster of the tests has no policy engine, and a CNI that does not hide pods behind the node.
# `free` is let out, what else leaves is counted, and dropped once `seal` is there.
RULES = """
table ip stackyard_proof {{
  set free {{ type ipv4_addr; }}
  set inside {{ type ipv4_addr; flags interval; elements = {{ {pods}, {services}, {network} }} }}
  counter leaving {{ }}
  counter leaving_node {{ }}
  chain seal {{ }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    ip saddr {pods} ip daddr != @inside ip saddr != @free ct direction original jump seal
  }}
  chain output {{
    type filter hook output priority -10; policy accept;
    ip daddr != {{ 127.0.0.0/8 }} ip daddr != @inside counter name leaving_node
  }}
  chain postrouting {{
    type nat hook postrouting priority 90; policy accept;
    ip saddr {pods} ip daddr != @inside masquerade
  }}
}}
"""
PODS, SERVICES = "10.244.0.0/16", "10.96.0.0/16"


def command(*words: str, given: str | None = None) -> str:
    done = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words[:8])}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Shell:
    """The journey's tools, in the shell of its stack: asked for once, since that takes seconds."""

    environment: dict[str, str]

    def run(self, *words: str, given: str | None = None, fails: bool = False) -> str:
        done = subprocess.run(
            words,
            input=given,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not fails:
            assert done.returncode == 0, f"{' '.join(words[:8])}: {done.stderr}"
        return done.stdout

    def docker(self, *words: str, given: str | None = None, fails: bool = False) -> str:
        return self.run("docker", *words, given=given, fails=fails)

    def kubectl(self, *words: str, fails: bool = False) -> str:
        return self.run("kubectl", *words, fails=fails)

    def objects(self, *words: str) -> list[dict[str, Any]]:
        read = json.loads(self.kubectl("get", *words, "-o", "json"))
        found: list[dict[str, Any]] = read["items"]
        return found


@dataclass(frozen=True)
class Outside:
    """The node of a stack with an outside behind it, and the namespace of a deployer."""

    shell: Shell
    docker: str  # network namespace of the sealed Docker
    node: str
    node_ip: str
    network: str
    bridge: str

    @property
    def deployer(self) -> str:
        return f"{self.docker}-d"

    @property
    def address(self) -> str:
        return f"{ADDRESS}:{PORT}"

    def nft(self, *words: str, given: str | None = None) -> str:
        return self.shell.docker("exec", "-i", self.node, "nft", *words, given=given or "")

    def free(self, address: str) -> None:
        """Let one pod out."""
        self.nft("add", "element", "ip", "stackyard_proof", "free", f"{{ {address} }}")

    def seal(self) -> None:
        """Drop, and count, what leaves the cluster's pods."""
        self.nft("add rule ip stackyard_proof seal counter name leaving drop")

    def left(self) -> dict[str, int]:
        """Return how many packets tried to leave since the last time, by who sent them."""
        told = json.loads(self.nft("-j", "reset", "counters", "table", "ip", "stackyard_proof"))
        found = (each["counter"] for each in told["nftables"] if "counter" in each)
        return {each["name"]: each["packets"] for each in found}


@contextmanager
def outside(shell: Shell, node: str, docker: str, registry_ip: str) -> Iterator[Outside]:
    """Make the namespaces, the server and the node's rules; nothing of them is left afterwards."""
    told = json.loads(shell.docker("network", "inspect", "kind"))[0]
    network = next(c["Subnet"] for c in told["IPAM"]["Config"] if "." in c["Subnet"])
    container = next(c for c in told["Containers"].values() if c["Name"] == node)
    node_ip = container["IPv4Address"].partition("/")[0]
    site = Outside(shell, docker, node, node_ip, network, f"br-{told['Id'][:12]}")
    away, deployer = f"{docker}-o", site.deployer
    server: subprocess.Popen[str] | None = None
    try:
        for name in (away, deployer):
            command("ip", "netns", "add", name)
            command("ip", "-n", name, "link", "set", "lo", "up")
        _wire(docker, "sy-out", away)
        command("ip", "-n", docker, "address", "add", f"{GATEWAY}/24", "dev", "sy-out")
        command("ip", "-n", away, "address", "add", f"{ADDRESS}/24", "dev", "eth0")
        command("ip", "-n", away, "route", "add", "default", "via", GATEWAY)
        _wire(docker, "sy-dep", deployer)
        command("ip", "-n", docker, "link", "set", "sy-dep", "master", site.bridge)
        own = network.split(".")
        command(
            "ip", "-n", deployer, "address", "add", f"{own[0]}.{own[1]}.255.10/32", "dev", "eth0"
        )
        for each in (node_ip, registry_ip):
            command("ip", "-n", deployer, "route", "add", f"{each}/32", "dev", "eth0")
        server = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{away}", sys.executable, "-c", SERVER],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        rules = RULES.format(pods=PODS, services=SERVICES, network=network)
        site.nft("-f", "-", given=rules)
        yield site
    finally:
        if server is not None:
            server.kill()
            server.communicate()  # its pipe is closed with it
        for name in (away, deployer):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        for link in ("sy-out", "sy-dep"):
            subprocess.run(
                ["ip", "-n", docker, "link", "del", link], capture_output=True, check=False
            )
        shell.docker("exec", node, "nft", "delete", "table", "ip", "stackyard_proof", fails=True)


def _wire(docker: str, link: str, namespace: str) -> None:
    command(*("ip", "-n", docker, "link", "add", link, "type", "veth"),
            *("peer", "name", "eth0", "netns", namespace))  # fmt: skip
    command("ip", "-n", docker, "link", "set", link, "up")
    command("ip", "-n", namespace, "link", "set", "eth0", "up")


def dns(shell: Shell) -> str:
    """Return the configuration of the cluster's DNS."""
    words = ("get", "configmap", "coredns", "-n", "kube-system", "-o", "json")
    text: str = json.loads(shell.kubectl(*words))["data"]["Corefile"]
    return text


def answer_by(shell: Shell, corefile: str) -> None:
    """Give the cluster's DNS another configuration, and wait for it."""
    system = ("-n", "kube-system")
    patch = json.dumps({"data": {"Corefile": corefile}})
    shell.kubectl("patch", "configmap", "coredns", *system, "--type=merge", "-p", patch)
    shell.kubectl("rollout", "restart", "deployment/coredns", *system)
    shell.kubectl("rollout", "status", "deployment/coredns", *system, "--timeout=300s")
