# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages of any Debian suite without touching the host: resolved and downloaded with a private apt state.

Mirror and trusted keys are those of the machine's own apt configuration; only the suite's name differs.
Packages are unpacked, never installed, so nothing of another release reaches the host's root.
"""

import json
import os
import re
import subprocess
import time
from pathlib import Path

from . import cache, log

LISTS_AGE = 86400  # seconds for which a suite's package lists are taken as current
SUITES = {  # a suite and the sources it is made of; the security archive has its own mirror
    "bookworm": ["bookworm", "bookworm-updates", "bookworm-security"],
    "bookworm-backports": ["bookworm-backports"],
    "trixie": ["trixie", "trixie-updates", "trixie-security"],
    "trixie-backports": ["trixie-backports"],
}


def _output(command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def host_codename():
    """The release of this machine, such as bookworm."""
    text = Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)", text, re.M)
    if not found:
        raise log.Failed("/etc/os-release names no VERSION_CODENAME: this is no Debian release")
    return found.group(1)


def mirrors():
    """Addresses of the archive and of the security archive (or None) that the machine's apt uses."""
    codename = host_codename()
    lines = _output(["apt-get", "indextargets", "--format", "$(RELEASE)\t$(REPO_URI)",
                     "Created-By: Packages"]).splitlines()
    by_release = dict(line.split("\t") for line in lines)
    if codename not in by_release:
        raise log.Failed(f"apt on this machine has no source for its own release {codename}")
    return by_release[codename], by_release.get(f"{codename}-security")


class Suite:
    """One of SUITES with its package lists in the cache."""

    def __init__(self, name):
        if name not in SUITES:
            raise log.Failed(f"unknown suite {name}; known: {', '.join(SUITES)}")
        self.name = name
        self.state = cache.root() / "apt" / name
        self.options = self._options()
        self._update()

    def _options(self):
        settings = {
            "Dir::State": self.state / "state", "Dir::State::status": self.state / "status",
            "Dir::Cache": self.state / "cache", "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc::sourcelist": self.state / "suite.sources", "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null", "APT::Sandbox::User": "root",
            "Acquire::Languages": "none", "Acquire::Retries": "3",
            "APT::Architecture": "amd64",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def _update(self):
        """Fetches the lists when they are absent or old; old ones serve while the mirror does not."""
        stamp = self.state / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_AGE:
            return
        with cache.locked(f"apt-{self.name}"):
            if stamp.exists() and time.time() - stamp.stat().st_mtime < LISTS_AGE:
                return
            log.step(f"reading the package lists of {self.name}")
            self._write_sources()
            try:
                log.run(["apt-get", *self.options, "--error-on=any", "update"],
                        self.state / "update.log", f"apt-get update for {self.name}")
            except log.Failed:
                if not stamp.exists():
                    raise
                log.step(f"the mirror does not answer: going on with older lists of {self.name}")
            stamp.touch()

    def _write_sources(self):
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        (self.state / "status").touch()
        archive, security = mirrors()
        stanzas = []
        for source in SUITES[self.name]:
            mirror = security if source.endswith("-security") else archive
            if mirror:
                stanzas.append(f"Types: deb deb-src\nURIs: {mirror}\nSuites: {source}\nComponents: main\n")
        (self.state / "suite.sources").write_text("\n".join(stanzas))

    def remembered(self, question, ask):
        """The JSON-able answer of ask(), kept as long as the lists that it came from."""
        file = self.state / f"answer-{question}.json"
        stamp = (self.state / "updated").stat().st_mtime_ns
        if file.exists():
            kept = json.loads(file.read_text())
            if kept["lists"] == stamp:
                return kept["answer"]
        answer = ask()
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"lists": stamp, "answer": answer}))
        draft.rename(file)
        return answer

    def show(self, package):
        """The control fields of the candidate version of a package."""
        try:
            text = _output(["apt-cache", *self.options, "--no-all-versions", "show", package],
                           stderr=subprocess.DEVNULL)
        except subprocess.CalledProcessError:
            raise log.Failed(f"{self.name} has no package {package}") from None
        unfolded = re.sub(r"\n\s+", " ", text.strip().split("\n\n")[0])
        return dict(line.split(": ", 1) for line in unfolded.splitlines() if ": " in line)

    def names(self, pattern):
        """All binary packages whose whole name matches the regular expression."""
        lines = _output(["apt-cache", *self.options, "pkgnames"]).splitlines()
        return sorted(name for name in lines if re.fullmatch(pattern, name))

    def depends(self, package):
        """Names of what a package depends on; of alternatives the first."""
        text = self.show(package).get("Depends", "")
        return [item.split("|")[0].split()[0].split(":")[0] for item in text.split(",") if item.strip()]

    def download(self, packages, folder):
        """Puts the .deb of each package into a folder."""
        log.run(["apt-get", *self.options, "download", *packages], Path(folder) / "download.log",
                f"download of {' '.join(packages)} from {self.name}", cwd=folder)
        return sorted(Path(folder).glob("*.deb"))

    def unpack(self, packages, folder):
        """Unpacks packages (no scripts are run) into a folder."""
        archives = Path(folder) / ".archives"
        archives.mkdir(parents=True)
        for archive in self.download(packages, archives):
            subprocess.run(["dpkg-deb", "--extract", archive, folder], check=True)
            archive.unlink()

    def source_version(self, package):
        """The version of a source package in this suite."""
        return self.remembered(f"source-{package}", lambda: self._source_version(package))

    def _source_version(self, package):
        text = _output(["apt-cache", *self.options, "--only-source", "showsrc", package])
        versions = re.findall(r"^Version: (\S+)", text, re.M)
        if not versions:
            raise log.Failed(f"{self.name} has no source package {package}")
        return _newest(versions)

    def unpack_source(self, package, folder):
        """Downloads a source package, checks it, and unpacks it with Debian's patches as folder/source."""
        log.run(["apt-get", *self.options, "--only-source", "--download-only", "source",
                 f"{package}={self.source_version(package)}"],
                Path(folder) / "download.log", f"download of {package}'s source from {self.name}", cwd=folder)
        description, = Path(folder).glob("*.dsc")
        log.run(["dpkg-source", "--extract", description, "source"],
                Path(folder) / "unpack.log", f"unpacking {description.name}", cwd=folder)
        for archive in [description, *Path(folder).glob("*.tar.*")]:
            archive.unlink()


def _newest(versions):
    newest = versions[0]
    for version in versions[1:]:
        if subprocess.run(["dpkg", "--compare-versions", version, "gt", newest]).returncode == 0:
            newest = version
    return newest
