# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's command line for a Config."""

import subprocess

from tiermem_build import image
from tiermem_build.qemu_build import FIRMWARE

from . import accel
from .config import DEBUG_KERNEL

AGENTS = 4  # commands that can run in the guest at the same time
# What the HMAT says of the nodes: latency in ns, bandwidth. Local DRAM and CXL-attached memory as published for
# current servers; the guest only needs both figures, and the fast node's to be better, to form two tiers.
PERFORMANCE = {0: (80, "40G"), 1: (200, "20G")}


DEBUG_WORDS = "page_poison=1"  # what the debug kernel has to be told to check


def build(config, place, fds):
    """The whole argv. `place` is the machine's private folder, `fds` names of chardevs to their descriptors."""
    parts = config.parts or image.build(config.image, config.kernel, config.tiermem, config.modules)
    return [str(word) for word in [
        config.qemu, *_base(config), *_memory(config, place), *_boot(config, place, parts), *_ports(place, fds),
        *_tiermem(config), *_storage(config, place, parts),
        *(["-qmp", f"unix:{config.qmp_socket},server=on,wait=off"] if config.qmp_socket else []),
        *(["-incoming", "defer"] if config.incoming else []),
        *config.qemu_args]]


def _base(config):
    firmware = [word for folder in FIRMWARE for word in ("-L", folder)]
    return ["-nodefaults", "-no-user-config", "-display", "none", *firmware,
            "-machine", f"{config.machine},hmat=on",
            "-accel", accel.choose(config.accel, config.qemu, "-icount" in config.qemu_args),
            "-cpu", config.cpu, "-smp", config.cpus, "-m", f"{config.fast + config.slow}B",
            *([] if config.reboot else ["-no-reboot"])]


def _memory(config, place):
    words = []
    for node, (name, size) in enumerate((("fast", config.fast), ("slow", config.slow))):
        latency, bandwidth = PERFORMANCE[node]
        cpus = f",cpus=0-{config.cpus - 1}" if node == 0 else ""
        lb = f"hmat-lb,initiator=0,target={node},hierarchy=memory"
        words += ["-object", f"{_backend(config, place, name)},id={name},size={size}B",
                  "-numa", f"node,nodeid={node},memdev={name},initiator=0{cpus}",
                  "-numa", f"{lb},data-type=access-latency,latency={latency}",
                  "-numa", f"{lb},data-type=access-bandwidth,bandwidth={bandwidth}"]
    return words


def _backend(config, place, name):
    return {"ram": "memory-backend-ram",
            "memfd": "memory-backend-memfd,share=on",
            "file": f"memory-backend-file,share=on,mem-path={place.memory / name}",
            "hugetlb": "memory-backend-memfd,share=on,hugetlb=on,hugetlbsize=2M"}[config.backend]


def _boot(config, place, parts):
    initrd = parts["initrd"]
    if config.add:
        # Debian's initramfs copies what is in /added to the root file system.
        initrd = place.add_files(initrd, config.add, "added" if "disk" in parts else ".")
    root = " root=/dev/vda rw" if "disk" in parts else ""
    # panic=1 reboots after a panic; with reboot=False that ends QEMU. On a busy host the kernel would find the timer
    # late and take that for broken hardware; as a guest of KVM it does not check either.
    checks = f" {DEBUG_WORDS}" if config.kernel == DEBUG_KERNEL else ""
    return ["-kernel", parts["kernel"], "-initrd", initrd,
            "-append", f"console=ttyS0 panic=1 no_timer_check{root}{checks} {config.append}".strip()]


def _ports(place, fds):
    words = ["-serial", f"file:{place.console}", "-chardev", f"socket,id=qmp,fd={fds['qmp']}",
             "-mon", "chardev=qmp,mode=control", "-device", "virtio-serial-pci,id=serial0"]
    for number in range(AGENTS):
        words += ["-chardev", f"socket,id=agent{number},fd={fds[f'agent{number}']}",
                  "-device", f"virtserialport,chardev=agent{number},name=tiermem.agent.{number}"]
    return words


def _tiermem(config):
    if not config.tiermem:
        return []
    quotas = "".join(f",{name}-quota={size}B" for name, size in (("fast", config.fast_quota), ("slow", config.slow_quota))
                     if size is not None)
    more = f",{config.tiermem_options}" if config.tiermem_options else ""
    return ["-device", f"virtio-tiermem,id=tm0,fast-node=0,slow-node=1{quotas}{more}"]


def _storage(config, place, parts):
    words = []
    if "disk" in parts:
        words += ["-drive", f"file={parts['disk']},format=raw,if=virtio,snapshot=on"]
    if config.snapshots:
        disk = place.private / "state.qcow2"
        subprocess.run([config.qemu.parent / "qemu-img", "create", "-q", "-f", "qcow2", disk, "1M"], check=True)
        words += ["-drive", f"file={disk},format=qcow2,if=none,id=state"]
    return words
