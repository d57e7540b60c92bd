# SPDX-License-Identifier: GPL-2.0-or-later
"""The mini image: an initramfs with busybox, virtio's modules, our module and the agent. Boots in seconds."""

import lzma
import shutil
import subprocess
from pathlib import Path

from . import cache, guest_kernel, log, paths

GUEST = paths.TOP / "scripts/lib/guest"
BUSYBOX = Path("/bin/busybox")
# What tests and benches use; whichever is built into a kernel is skipped, what these need is added.
MODULES = ["virtio_pci", "virtio_console", "virtio_balloon", "virtio_mem", "virtio_blk", "virtio_rng", "qemu_fw_cfg",
           "msr", "zram", "overlay"]
FOLDERS = ["bin", "sbin", "usr/bin", "usr/sbin", "proc", "sys", "dev", "run", "tmp", "etc", "root", "lib", "mnt"]


def build(series, extra_modules):
    """(kernel image, initramfs) for a kernel series with further .ko files installed as updates."""
    kernel = guest_kernel.fetch(series)
    key = cache.key(kernel.release, GUEST, BUSYBOX, Path(__file__), *extra_modules)
    made = cache.entry("mini", key, lambda folder: _make(kernel, extra_modules, folder))
    return kernel.vmlinuz, made / "initrd"


def _make(kernel, extra_modules, folder):
    log.step(f"making the mini image for {kernel.release}")
    root = folder / "root"
    for name in FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    _install_programs(root)
    _install_modules(kernel, extra_modules, root)
    pack(root, folder / "initrd")
    shutil.rmtree(root)


def _install_programs(root):
    shutil.copy2(BUSYBOX, root / "bin/busybox")
    for name in subprocess.run([BUSYBOX, "--list-full"], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.splitlines():
        link = root / name
        if link.parent.is_dir() and not link.exists():
            link.symlink_to("/bin/busybox")
    (root / "init").symlink_to("/bin/busybox")
    for source, target in (("agent", "sbin/agent"), ("mini-rc", "etc/rc"),
                           ("mini-inittab", "etc/inittab"), ("mini-mdev.conf", "etc/mdev.conf")):
        shutil.copy2(GUEST / source, root / target)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")


def _install_modules(kernel, extra_modules, root):
    target = root / "lib/modules" / kernel.release
    (target / "updates").mkdir(parents=True)
    for module in _with_dependencies(kernel):
        _copy_module(module, target / module.name.removesuffix(".xz"))
    for module in extra_modules:
        shutil.copy2(module, target / "updates")
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy2(kernel.modules / name, target)
    subprocess.run(["/sbin/depmod", "-b", root, kernel.release], check=True)


def _with_dependencies(kernel):
    """Files of MODULES and of all that they need, from the kernel's modules.dep."""
    needs = {}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[_module_name(path)] = [kernel.modules / name for name in (path, *others.split())]
    return dict.fromkeys(file for name in MODULES for file in needs.get(name, []))


def _module_name(path):
    return Path(path).name.split(".")[0].replace("-", "_")


def _copy_module(source, target):
    """Copies a module, unpacked: busybox's modprobe knows no xz."""
    data = source.read_bytes()
    target.write_bytes(lzma.decompress(data) if source.suffix == ".xz" else data)


def pack(root, archive):
    """Writes a folder as a cpio archive, as the kernel takes it for an initramfs; all owned by root."""
    names = "\0".join(sorted(str(path.relative_to(root)) for path in root.rglob("*"))).encode()
    with open(archive, "wb") as output:
        subprocess.run(["cpio", "--quiet", "--null", "-o", "-H", "newc", "-R", "+0:+0", "--reproducible"],
                       cwd=root, input=names, stdout=output, check=True)
