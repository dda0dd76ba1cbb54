"""libgit2 through pygit2, told what to do by `cargo xtask interop --others`."""

import sys

import pygit2


class Told(pygit2.RemoteCallbacks):
    def push_update_reference(self, name, message):
        if message is not None:
            sys.exit(f"refused: {name}: {message}")


def everything(repo, name, url):
    return repo.remotes.create(name, url, "+refs/*:refs/*")


def clone(url, folder):
    pygit2.clone_repository(url, folder, bare=True, remote=everything)


def fetch(url, folder):
    remote = pygit2.Repository(folder).remotes.create_anonymous(url)
    remote.fetch(["+refs/*:refs/*"], prune=pygit2.enums.FetchPrune.PRUNE)


def shallow(url, folder):
    pygit2.clone_repository(url, folder, bare=True, depth=1)


def push(url, folder, *specs):
    remote = pygit2.Repository(folder).remotes.create_anonymous(url)
    remote.push(list(specs), callbacks=Told())


def version():
    print(f"libgit2 {pygit2.LIBGIT2_VERSION} (pygit2 {pygit2.__version__})")


JOBS = {"version": version, "clone": clone, "fetch": fetch, "shallow": shallow, "push": push}
JOBS[sys.argv[1]](*sys.argv[2:])
