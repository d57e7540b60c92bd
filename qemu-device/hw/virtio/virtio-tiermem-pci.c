/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-tiermem-pci: virtio-tiermem on the PCI bus
 *
 * Decides nothing: all properties are those of the device behind it.
 */

#include "qemu/osdep.h"
#include "hw/qdev-properties.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-tiermem.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qom/object.h"

#define TYPE_VIRTIO_TIERMEM_PCI "virtio-tiermem-pci-base"
typedef struct VirtIOTiermemPCI VirtIOTiermemPCI;
DECLARE_INSTANCE_CHECKER(VirtIOTiermemPCI, VIRTIO_TIERMEM_PCI,
                         TYPE_VIRTIO_TIERMEM_PCI)

struct VirtIOTiermemPCI {
    VirtIOPCIProxy parent_obj;
    VirtIOTiermem vdev;
};

static void virtio_tiermem_pci_realize(VirtIOPCIProxy *vpci_dev, Error **errp)
{
    VirtIOTiermemPCI *dev = VIRTIO_TIERMEM_PCI(vpci_dev);

    if (vpci_dev->nvectors == DEV_NVECTORS_UNSPECIFIED) {
        /* configuration changes and two queues */
        vpci_dev->nvectors = 3;
    }
    virtio_pci_force_virtio_1(vpci_dev);
    qdev_realize(DEVICE(&dev->vdev), BUS(&vpci_dev->bus), errp);
}

static const Property virtio_tiermem_pci_properties[] = {
    DEFINE_PROP_BIT("ioeventfd", VirtIOPCIProxy, flags,
                    VIRTIO_PCI_FLAG_USE_IOEVENTFD_BIT, true),
    DEFINE_PROP_UINT32("vectors", VirtIOPCIProxy, nvectors,
                       DEV_NVECTORS_UNSPECIFIED),
};

static void virtio_tiermem_pci_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VirtioPCIClass *k = VIRTIO_PCI_CLASS(klass);
    PCIDeviceClass *pcidev_k = PCI_DEVICE_CLASS(klass);

    k->realize = virtio_tiermem_pci_realize;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    pcidev_k->revision = VIRTIO_PCI_ABI_VERSION;
    pcidev_k->class_id = PCI_CLASS_OTHERS;
    device_class_set_props(dc, virtio_tiermem_pci_properties);
}

static void virtio_tiermem_pci_instance_init(Object *obj)
{
    VirtIOTiermemPCI *dev = VIRTIO_TIERMEM_PCI(obj);

    virtio_instance_init_common(obj, &dev->vdev, sizeof(dev->vdev),
                                TYPE_VIRTIO_TIERMEM);
}

static const VirtioPCIDeviceTypeInfo virtio_tiermem_pci_info = {
    .base_name = TYPE_VIRTIO_TIERMEM_PCI,
    .generic_name = "virtio-tiermem-pci",
    .instance_size = sizeof(VirtIOTiermemPCI),
    .instance_init = virtio_tiermem_pci_instance_init,
    .class_init = virtio_tiermem_pci_class_init,
};

static void virtio_tiermem_pci_register_types(void)
{
    virtio_pci_types_register(&virtio_tiermem_pci_info);
}

type_init(virtio_tiermem_pci_register_types)
