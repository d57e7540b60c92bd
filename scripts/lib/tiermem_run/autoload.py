# SPDX-License-Identifier: GPL-2.0-or-later
"""What shows that the driver came by the device's alias and nothing else."""

import re

# The device's modalias leads to the module by depmod's table alone: no list of modules to load names it.
LOOK = """
for device in /sys/bus/virtio/devices/*; do
    case $(cat $device/modalias) in virtio:d0000003Fv*) break ;; esac
done
echo "device=$(basename $device)"
echo "modalias=$(cat $device/modalias)"
echo "bound=$(basename "$(readlink $device/driver)")"
echo "resolves=$(modprobe --resolve-alias "$(cat $device/modalias)")"
echo "alias=$(grep ' virtio_tiermem$' /lib/modules/$(uname -r)/modules.alias)"
echo "lsmod=$(lsmod | grep '^virtio_tiermem ')"
echo "named=$(grep -rlw -e virtio_tiermem -e virtio-tiermem /etc/modules /etc/modules-load.d /etc/initramfs-tools/modules \
    /usr/share/initramfs-tools/modules.d /proc/cmdline 2>/dev/null | tr '\\n' ' ')"
dmesg | sed -n 's/^\\(.*virtio_tiermem virtio.*\\)/dmesg=\\1/p;s/^\\(.*Run .init as init process\\)/dmesg=\\1/p
    s/^\\(.*EXT4-fs (vda).*mounted.*\\)/dmesg=\\1/p' | head -n 8"""


def facts(machine):
    """(rows of a name and a value for people, whether all of them are as they should be)."""
    found = re.findall(r"^(\w+)=(.*)$", machine.run(LOOK).output, re.M)
    one = dict(found)
    rows = [("device", f"{one['device']}, modalias {one['modalias']}"),
            ("module", f"{one['resolves']}, because of: {one['alias']}"),
            ("lsmod", one["lsmod"]),
            ("named in", one["named"].strip() or "no list of modules to load, not on the kernel's command line"),
            *(("dmesg", value) for name, value in found if name == "dmesg")]
    fine = one["bound"] == one["resolves"] == "virtio_tiermem" and one["lsmod"] and not one["named"].strip()
    return rows, bool(fine)
