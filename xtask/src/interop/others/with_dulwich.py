"""dulwich, told what to do by `cargo xtask interop --others`: as a client, and as a server until its input ends."""

import os
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler

import dulwich
from dulwich.client import get_transport_and_path
from dulwich.repo import Repo
from dulwich.server import FileSystemBackend, TCPGitServer
from dulwich.web import WSGIServerLogger, make_server, make_wsgi_chain


def mirror(url, folder, **options):
    """Takes over every ref but HEAD."""
    client, path = get_transport_and_path(url)
    repo = Repo(folder) if os.path.exists(folder) else Repo.init_bare(folder, mkdir=True)
    refs = {
        name: id
        for name, id in client.fetch(path, repo, **options).refs.items()
        if id is not None and name.startswith(b"refs/") and not name.endswith(b"^{}")
    }
    for name, id in refs.items():
        if not options or name == b"refs/heads/main":
            repo.refs[name] = id
    if not options:
        for name in set(repo.refs.allkeys()) - set(refs) - {b"HEAD"}:
            repo.refs.remove_if_equals(name, None)
    repo.refs.set_symbolic_ref(b"HEAD", b"refs/heads/main")


def shallow(url, folder):
    mirror(url, folder, depth=1, determine_wants=lambda refs, depth=None: [refs[b"refs/heads/main"]])


def push(url, folder, *specs):
    client, path = get_transport_and_path(url)
    repo = Repo(folder)

    def update(refs):
        pairs = (spec.encode().split(b":") for spec in specs)
        return {to: repo.refs[source] if source else b"0" * 40 for source, to in pairs}

    result = client.send_pack(path, update, repo.generate_pack_data)
    refused = {name: why for name, why in (result.ref_status or {}).items() if why}
    if refused:
        sys.exit(f"refused: {refused}")


def serve(folder):
    # A client names a repository by its whole path; those outside of the folder are refused.
    server = TCPGitServer(FileSystemBackend(folder), "127.0.0.1", 0)
    run(server, f"git://127.0.0.1:{server.server_address[1]}{folder}/")


def serve_http(folder):
    class Quiet(WSGIRequestHandler):
        def log_message(self, *_):
            pass

    app = make_wsgi_chain(FileSystemBackend(folder))
    server = make_server("127.0.0.1", 0, app, handler_class=Quiet, server_class=WSGIServerLogger)
    run(server, f"http://127.0.0.1:{server.server_port}{folder}/")


def run(server, address):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(address, flush=True)
    sys.stdin.read()


def version():
    print("dulwich", ".".join(map(str, dulwich.__version__[:3])))


JOBS = {
    "version": version,
    "clone": mirror,
    "fetch": mirror,
    "shallow": shallow,
    "push": push,
    "serve": serve,
    "serve-http": serve_http,
}
JOBS[sys.argv[1]](*sys.argv[2:])
