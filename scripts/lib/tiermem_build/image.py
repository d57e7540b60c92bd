# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest images by name."""

from . import debian_image, mini_image, module, paths

IMAGES = ["mini", "debian"]
DRIVER = paths.TOP / "guest-virtio-driver"


def build(name, series, with_driver=True, modules=()):
    """{"kernel", "initrd", "disk" (debian only)} of an image; builds the driver first when it is wanted."""
    extra = list(modules)
    if with_driver:
        extra = module.build(DRIVER, series, paths.BUILD / "modules" / series) + extra
    if name == "debian":
        return debian_image.build(series, extra)
    kernel, initrd = mini_image.build(series, extra)
    return {"kernel": kernel, "initrd": initrd}
