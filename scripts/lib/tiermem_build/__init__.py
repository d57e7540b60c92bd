# SPDX-License-Identifier: GPL-2.0-or-later
"""What the build scripts share: logging, the cache, packages of other suites, QEMU's tree, guest kernels, images."""
