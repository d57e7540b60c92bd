# SPDX-License-Identifier: GPL-2.0-or-later
"""What a machine is made of."""

from dataclasses import dataclass, field
from pathlib import Path

from tiermem_build.paths import BUILD

from .host_memory import free_huge_pages

BACKENDS = ["ram", "memfd", "file", "hugetlb"]
IMAGES = ["mini", "debian"]
KERNELS = ["6.1", "6.12"]
DEBUG_KERNEL = "debug"  # scripts/guest-kernel debug makes it
MIB = 1 << 20


@dataclass
class Config:
    """A machine with node 0 (fast, all CPUs) and node 1 (slow). Sizes are in bytes."""
    kernel: str = "6.1"
    image: str = "mini"
    parts: dict | None = None  # an image that has been made already ("kernel", "initrd", "disk"), instead of the above
    fast: int = 512 * MIB
    slow: int = 512 * MIB
    fast_quota: int | None = None  # None: the node's size
    slow_quota: int | None = None
    cpus: int = 2
    accel: str = "auto"
    backend: str = "ram"
    tiermem: bool = True  # False: no virtio-tiermem device and no driver in the image
    tiermem_options: str = ""  # further properties of the device, as "name=value,..."
    machine: str = "pc"
    cpu: str = "max"
    append: str = ""  # further words of the kernel's command line
    add: list[tuple[Path, str]] = field(default_factory=list)  # (host file, path in the guest)
    modules: list[Path] = field(default_factory=list)  # further .ko files for the image
    qemu_args: list[str] = field(default_factory=list)
    qemu: Path = BUILD / "qemu/bin/qemu-system-x86_64"
    qmp_socket: str | None = None  # a further monitor, for others
    reboot: bool = True  # False: a reboot or panic of the guest ends QEMU
    snapshots: bool = False  # True: a disk that savevm can write to
    incoming: bool = False  # True: waits for a migration and runs no guest of its own

    def check(self):
        """Raises ValueError that names the first setting that cannot be and what is allowed."""
        for name, allowed in (("kernel", [*KERNELS, DEBUG_KERNEL]), ("image", IMAGES), ("backend", BACKENDS),
                              ("accel", ["tcg", "kvm", "auto"])):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: '{getattr(self, name)}' is unknown; allowed: {', '.join(allowed)}")
        if not 1 <= self.cpus <= 64:
            raise ValueError(f"cpus: {self.cpus} is out of range 1 to 64")
        for name in ("fast", "slow"):
            size = getattr(self, name)
            if size < 64 * MIB or size % (2 * MIB):
                raise ValueError(f"{name}: {size} bytes; a node takes a multiple of 2M, 64M or more")
        if self.backend == "hugetlb" and free_huge_pages() < self.fast + self.slow:
            raise ValueError(f"backend: hugetlb takes {self.fast + self.slow} bytes of free 2M pages and the host has "
                             f"{free_huge_pages()}; the host's setting vm.nr_hugepages sets pages aside")
        if not Path(self.qemu).exists():
            raise ValueError(f"{self.qemu} does not exist: scripts/build-qemu makes it")
