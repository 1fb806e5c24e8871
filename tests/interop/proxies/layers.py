"""A reverse proxy between client and daemon, configured by the files that operators are given.

Each file is used as it stands in `config/`, but for the addresses in it, and for waits that a test would not live to see.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CONFIG = Path(__file__).resolve().parents[3] / "config"
UPSTREAM, BIND = "127.0.0.1:8750", "127.0.0.1:8700"
KINDS = ["nginx", "nginx-defaults", "haproxy", "caddy"]
PROGRAMS = {"nginx": "nginx", "nginx-defaults": "nginx", "haproxy": "haproxy", "caddy": "caddy"}
VERSIONS = {"nginx": ["-v"], "haproxy": ["-v"], "caddy": ["version"]}
# How long nginx waits for a silent daemon here, in seconds, instead of its default of a minute.
IMPATIENCE = 4

# nginx by itself: a folder for everything it writes, and nothing of the machine's own configuration.
NGINX = """
{user}
daemon off;
pid {work}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log {work}/access.log;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    server {{
        listen {bind};
        {inside}
    }}
}}
"""
# What a newcomer writes, and no more.
PASS = "location / {{ proxy_pass http://{upstream}; }}"


def program(kind):
    """Where the program of this kind is; Debian keeps two of them where only root looks."""
    name = PROGRAMS[kind]
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise SystemExit(f"error: {name} is not installed and the checks through {kind} need it")
    return found


def version(kind):
    said = subprocess.run([program(kind), *VERSIONS[PROGRAMS[kind]]], capture_output=True, text=True)
    words = (said.stdout + said.stderr).replace("/", " ").split()
    return next(word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit())


def replaced(name, changes):
    """A file of `config/` with each of these texts, which it has once, replaced."""
    text = (CONFIG / name).read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, f"config/{name} has '{old}' {text.count(old)} times"
        text = text.replace(old, new)
    return text


class Proxy:
    """One that runs in the foreground on `port` and passes on to `upstream`, as long as the block lasts."""

    def __init__(self, kind, upstream, port, work, impatient=False):
        self.kind, self.port, self.work = kind, port, Path(work) / f"{kind}-{port}"
        self.work.mkdir(parents=True)
        self.upstream, self.bind = f"127.0.0.1:{upstream}", f"127.0.0.1:{port}"
        self.impatient = impatient
        command = getattr(self, kind.replace("-", "_"))()
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.work)}
        with open(self.work / "proxy.log", "w") as log:
            self.process = subprocess.Popen(
                [program(kind), *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )

    def wrote(self, name, text):
        (self.work / name).write_text(text)
        return self.work / name

    def nginx(self):
        changes = {UPSTREAM: self.upstream}
        if self.impatient:
            changes["proxy_read_timeout 11m"] = f"proxy_read_timeout {IMPATIENCE}s"
        snippet = self.wrote("snippet.conf", replaced("nginx.conf", changes))
        return self.nginx_with(f"include {snippet};")

    def nginx_defaults(self):
        wait = f"proxy_read_timeout {IMPATIENCE}s; " if self.impatient else ""
        return self.nginx_with(wait + PASS.format(upstream=self.upstream))

    def nginx_with(self, inside):
        # Started by root its workers would be nobody, to whom the folder of the test is closed.
        user = "user root;" if os.geteuid() == 0 else ""
        text = NGINX.format(user=user, work=self.work, bind=self.bind, inside=inside)
        return ["-c", self.wrote("nginx.conf", text), "-p", self.work]

    def haproxy(self):
        changes = {BIND: self.bind, UPSTREAM: self.upstream}
        if self.impatient:
            changes["timeout server 11m"] = f"timeout server {IMPATIENCE}s"
            changes["timeout client 1m"] = f"timeout client {IMPATIENCE}s"
        return ["-db", "-f", self.wrote("haproxy.cfg", replaced("haproxy-single.cfg", changes))]

    def caddy(self):
        snippet = self.wrote("snippet", replaced("Caddyfile", {UPSTREAM: self.upstream}))
        site = f"{{\n\tadmin off\n\tauto_https off\n}}\nhttp://:{self.port} {{\n\tbind 127.0.0.1\n\timport {snippet}\n}}\n"
        return ["run", "--adapter", "caddyfile", "--config", self.wrote("Caddyfile", site)]

    def begun(self):
        end = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                log = (self.work / "proxy.log").read_text()
                if self.process.poll() is not None:
                    raise AssertionError(f"{self.kind} ended: {log[-500:]}") from None
                if time.monotonic() > end:
                    self.end()
                    raise AssertionError(f"{self.kind} does not listen: {log[-500:]}") from None
                time.sleep(0.05)

    def __enter__(self):
        self.begun()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        # nginx leaves at once with SIGTERM, and so do the others: calls under way are of no interest any more.
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
