"""Images without a registry: the project's two, by its own Dockerfile, and what the node itself needs.

Base images are made of Debian's packages, the webhook's wheels are downloaded beforehand; both are kept in the
cache beside the programs.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.lab.process import LabError
from tests.lab.programs import cache_directory

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
PAUSE = "localhost/udplb-pause:1"
ECHO = "localhost/udp-echo:1"
# Packages of each base, unpacked and not configured: as small as the images that the Dockerfile names.
BASES = {
    "python": "base-files,base-passwd,ca-certificates,coreutils,dash,libc-bin,python3,python3-pip,python3-venv",
    "compiler": "base-files,base-passwd,coreutils,dash,gcc,libc-bin,libc6-dev,make,musl-tools,sed",
}


def pause() -> Path:
    """The image of the container that holds a pod's namespaces."""
    return _c_program("pause", PAUSE)


def echo() -> Path:
    """The UDP server of the tests."""
    return _c_program("echo", ECHO)


def project(target: str, reference: str) -> Path:
    """One of the Dockerfile's two images, as an archive."""
    wheels = _wheels()
    arguments = {
        "PYTHON_IMAGE": _base("python"),
        "COMPILER_IMAGE": _base("compiler"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/wheels",
    }
    flags = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    flags += [f"--volume={wheels}:/wheels:ro", "--layers", f"--target={target}"]
    return _image(ROOT, ROOT / "Dockerfile", reference, *flags)


def _c_program(name: str, reference: str) -> Path:
    folder = _folder(name)
    _output(["cc", "-static", "-Os", "-o", f"{folder}/{name}", str(HERE / f"{name}.c")])
    (folder / "Dockerfile").write_text(f'FROM scratch\nCOPY {name} /{name}\nENTRYPOINT ["/{name}"]\n')
    return _image(folder, folder / "Dockerfile", reference)


def _image(context: Path, dockerfile: Path, reference: str, *flags: str) -> Path:
    _buildah(
        "build", "--isolation=chroot", f"--file={dockerfile}", f"--tag={reference}", *flags, str(context)
    )
    archive = _folder("archives") / (re.sub(r"\W", "-", reference) + ".tar")
    archive.unlink(missing_ok=True)
    _buildah("push", reference, f"docker-archive:{archive}:{reference}")
    return archive


def _base(name: str) -> str:
    """A base image of this machine's Debian release."""
    reference = f"localhost/udplb-base-{name}:{_hash(BASES[name] + _release())}"
    if _buildah("images", "--quiet", "--filter", f"reference={reference}"):
        return reference
    folder = _folder(f"base-{name}")
    base_archive(name)
    (folder / "Dockerfile").write_text("FROM scratch\nADD root.tar /\n")
    _buildah("build", "--isolation=chroot", f"--tag={reference}", str(folder))
    return reference


def base_archive(name: str) -> Path:
    archive = _folder(f"base-{name}") / "root.tar"
    trimmed = [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale")]
    if not archive.exists():
        whole = archive.with_suffix(".new")
        _output(
            [
                "mmdebstrap",
                "--variant=extract",
                f"--include={BASES[name]}",
                "--format=tar",
                *trimmed,
                _release(),
                str(whole),
            ]
        )
        whole.replace(archive)
    return archive


def _wheels() -> Path:
    """The wheels of the runtime lock for the base image's Python."""
    lock = ROOT / "requirements.lock"
    version = _python_of_base()
    folder = _folder(f"wheels-{_hash(lock.read_text() + version)}")
    if not (folder / "complete").exists():
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
        pip += ["--require-hashes", "--only-binary=:all:", "--no-deps", f"--python-version={version}"]
        _output([*pip, f"--dest={folder}", f"--requirement={lock}"])
        (folder / "complete").touch()
    return folder


def _python_of_base() -> str:
    with tarfile.open(base_archive("python")) as archive:
        for name in archive.getnames():
            if found := re.fullmatch(r"\./usr/bin/python(3\.\d+)", name):
                return found[1]
    raise LabError("the base image holds no Python")


def _release() -> str:
    found = re.search(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)
    if found is None:
        raise LabError(
            "/etc/os-release names no Debian release: the base images are made of Debian's packages"
        )
    return found[1]


def _folder(name: str) -> Path:
    folder = cache_directory().parent / "images" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _buildah(*words: str) -> str:
    store = _folder("store")
    return _output(["buildah", f"--root={store}/root", f"--runroot={store}/run", *words])


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise LabError(f"{shlex.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()
