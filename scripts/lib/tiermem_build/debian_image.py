# SPDX-License-Identifier: GPL-2.0-or-later
"""The debian image: Debian 12 with systemd, udev, redis, a stock cloud kernel and our module in its initramfs, where
udev loads it by the device's alias.

In two steps, so that a change of the driver does not cost a new installation:
base (a folder tree, by mmdebstrap) and image (kernel, initrd and an ext4 file system).
"""

import os
import shutil
import subprocess
from pathlib import Path

from . import cache, guest_kernel, log, paths, suites

RELEASE = "bookworm"
GUEST = paths.TOP / "scripts/lib/guest"
DRIVER_HOOK = paths.TOP / "guest-virtio-driver/debian/virtio-tiermem-dkms.initramfs-hook"
PACKAGES = ["systemd-sysv", "udev", "kmod", "initramfs-tools", "busybox", "zstd", "procps", "numactl", "kexec-tools",
            "redis-server", "redis-tools", "stress-ng"]
# What the initramfs needs to reach the root and to serve the agent; the rest is loaded by udev later.
INITRAMFS_MODULES = ["virtio_pci", "virtio_blk", "virtio_console", "ext4"]
# What a guest without users, network and a disk of its own can do without: an emulated one boots in half the time.
MASKED = ["serial-getty@ttyS0.service", "getty@tty1.service", "getty-static.service", "apt-daily.timer",
          "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
          "systemd-tmpfiles-clean.timer", "e2scrub_reap.service", "kexec-load.service", "kexec.service",
          "modprobe@configfs.service", "modprobe@dm_mod.service", "modprobe@efi_pstore.service",
          "modprobe@fuse.service", "modprobe@loop.service", "sys-fs-fuse-connections.mount", "sys-kernel-config.mount",
          "proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service", "systemd-journal-flush.service",
          "systemd-pstore.service", "systemd-random-seed.service", "systemd-sysusers.service",
          "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service"]
SPARE = 512  # MiB of free space in the file system


def build(series, modules):
    """{"kernel", "initrd", "disk"} for a kernel series, with .ko files installed as updates."""
    release = _kernel_release(series)
    base = _base(series, release)
    key = cache.key(base.name, GUEST, DRIVER_HOOK, Path(__file__), *modules)
    made = cache.entry("debian", key, lambda folder: _make(base, release, modules, folder))
    return parts(made)


def _suite(series):
    return suites.Suite(guest_kernel.SERIES[series])


def _kernel_release(series):
    return guest_kernel.header_packages(_suite(series))[0]


def _base(series, release):
    """The installed tree, as an archive, so that no owner or device node is lost."""
    key = cache.key(release, PACKAGES, _mmdebstrap_options(series, release))
    return cache.entry("debian-base", key, lambda folder: _make_base(series, release, folder))


def _mmdebstrap_options(series, release):
    """All but places: what decides about the result."""
    include = ",".join([*PACKAGES, f"linux-image-{release}"])
    return ["--variant=minbase", "--architectures=amd64", f"--include={include}",
            "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--customize-hook=systemctl --root $1 disable redis-server.service",
            "--customize-hook=systemctl --root $1 set-default multi-user.target",
            "--customize-hook=echo debian > $1/etc/hostname",
            "--customize-hook=: > $1/etc/machine-id",
            "--customize-hook=rm -rf $1/var/cache/apt/*.bin $1/var/lib/apt/lists/*_dists_*"]


def _make_base(series, release, folder):
    log.need_root("installing Debian into a folder")
    log.step(f"installing Debian 12 with kernel {release} (mmdebstrap)")
    archive, security = suites.mirrors()
    extra = [name for name in suites.SUITES[guest_kernel.SERIES[series]] if not name.endswith("-security")]
    names = dict.fromkeys([*[name for name in suites.SUITES[RELEASE] if not name.endswith("-security")], *extra])
    sources = [f"deb {archive} {name} main" for name in names]
    sources += [f"deb {security} {RELEASE}-security main"] if security else []
    log.run(["nice", "mmdebstrap", *_mmdebstrap_options(series, release), RELEASE, folder / "tree.tar", *sources],
            paths.LOGS / f"mmdebstrap-{series}.log", "mmdebstrap",
            # The initramfs is made when our module is there.
            env={**os.environ, "INITRD": "No"})


def _make(base, release, modules, folder):
    log.need_root("making the debian image")
    log.step(f"making the debian image with kernel {release}")
    tree = unpack(base, folder)
    _install_modules(tree, release, modules)
    install_agent(tree)
    in_tree(tree, ["mkinitramfs", "-o", f"/boot/initrd.img-{release}", release], "mkinitramfs")
    finish(tree, release, folder)


def unpack(base, folder):
    """The tree of a base, in the folder."""
    tree = folder / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-C", tree, "-xf", base / "tree.tar", "--numeric-owner"], check=True)
    return tree


def _install_modules(tree, release, modules):
    """The modules with depmod's tables, and what puts the driver into the initramfs."""
    updates = tree / "lib/modules" / release / "updates"
    updates.mkdir(exist_ok=True)
    for module in modules:
        shutil.copy2(module, updates)
    subprocess.run(["/sbin/depmod", "-b", tree, release], check=True)
    shutil.copy2(DRIVER_HOOK, tree / "etc/initramfs-tools/hooks/virtio-tiermem")


def install_agent(tree):
    """The agent, no units that it can do without, and what the initramfs needs to get there."""
    shutil.copy2(GUEST / "agent", tree / "usr/local/sbin/agent")
    shutil.copy2(GUEST / "agent@.service", tree / "etc/systemd/system")
    subprocess.run(["systemctl", "--quiet", "--root", tree, "mask", *MASKED], check=True)
    names = [f"agent@{number}.service" for number in range(4)]
    subprocess.run(["systemctl", "--quiet", "--root", tree, "enable", *names], check=True)
    tools = tree / "etc/initramfs-tools"
    shutil.copy2(GUEST / "initramfs-added", tools / "scripts/init-bottom/added")
    (tools / "modules").write_text("\n".join(INITRAMFS_MODULES) + "\n")
    (tools / "conf.d/tiermem").write_text("MODULES=list\nCOMPRESS=zstd\nRESUME=none\n")


def in_tree(tree, command, what):
    """Runs a command in the tree as in a running system: with /proc and a PATH of its own."""
    log.run(["unshare", "--mount", "--pid", "--fork", f"--mount-proc={tree}/proc", "chroot", tree, *command],
            paths.LOGS / f"{what}.log", what,
            env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"})


def finish(tree, release, folder):
    """Takes kernel and initrd out of the tree and makes a disk of it."""
    shutil.copy2(tree / f"boot/vmlinuz-{release}", folder / "kernel")
    shutil.copy2(tree / f"boot/initrd.img-{release}", folder / "initrd")
    _make_disk(tree, folder / "disk")
    shutil.rmtree(tree)


def parts(made):
    """What a machine takes of a finished image."""
    return {"kernel": made / "kernel", "initrd": made / "initrd", "disk": made / "disk"}


def _make_disk(tree, disk):
    used = int(subprocess.run(["du", "-sm", tree], check=True, text=True, stdout=subprocess.PIPE).stdout.split()[0])
    command = ["mkfs.ext4", "-F", "-d", tree, "-O", "^has_journal", "-m", "0", disk, f"{used + SPARE}M"]
    log.run(command, paths.LOGS / "mkfs.log", "mkfs.ext4")
