# SPDX-License-Identifier: GPL-2.0-or-later
# What exchanger and migration have to know about the kernel's headers; for Kbuild
# files.

# Page table functions and reverse mapping by folio, since 6.5 and 6.8.
# The former is called without an inline function around it since 7.0 or so.
ccflags-$(if $(shell grep -l ' \*__pte_offset_map_lock' $(srctree)/include/linux/mm.h),y) += \
	-DTIERMEM_HAVE_PTE_MAP_LOCK=__pte_offset_map_lock
ccflags-$(if $(shell grep -l '^pte_t \*pte_offset_map_lock' $(srctree)/include/linux/mm.h),y) += \
	-DTIERMEM_HAVE_PTE_MAP_LOCK=pte_offset_map_lock
ccflags-$(if $(shell grep -l ' folio_remove_rmap_ptes' $(srctree)/include/linux/rmap.h),y) += \
	-DTIERMEM_HAVE_FOLIO_RMAP
# Large folios that know which address spaces map them, since 6.15.
ccflags-$(if $(shell grep -l ' _mm_id' $(srctree)/include/linux/mm_types.h),y) += \
	-DTIERMEM_HAVE_MM_ID
# Flushing a TLB tells who watches the address space (devices' TLBs), since 6.6.
ccflags-$(if $(shell grep -l 'mmu_notifier_arch_invalidate_secondary_tlbs' $(srctree)/include/linux/mmu_notifier.h),y) += \
	-DTIERMEM_HAVE_NOTIFYING_FLUSH
# Migration targets are allocated by folio, since 6.5.
ccflags-$(if $(shell grep -l ' new_folio_t' $(srctree)/include/linux/migrate.h),y) += \
	-DTIERMEM_HAVE_NEW_FOLIO
# Why pages are migrated has a type of its own, since 7.0 or so.
ccflags-$(if $(shell grep -l 'enum migrate_reason reason' $(srctree)/include/linux/migrate.h),y) += \
	-DTIERMEM_HAVE_TYPED_REASON
# Entries that are not present have functions of their own, since 7.0 or so.
ccflags-$(if $(wildcard $(srctree)/include/linux/leafops.h),y) += -DTIERMEM_HAVE_LEAFOPS
# File systems that keep buffer heads: always there before 6.6, since then as configured.
ccflags-$(if $(shell grep -lw 'CONFIG_BUFFER_HEAD' $(srctree)/include/linux/buffer_head.h),$(CONFIG_BUFFER_HEAD),y) += \
	-DTIERMEM_HAVE_BUFFER_HEAD
# Page cache that is dropped after use (RWF_DONTCACHE), since 6.14.
ccflags-$(if $(shell grep -lw 'PG_dropbehind' $(srctree)/include/linux/page-flags.h),y) += \
	-DTIERMEM_HAVE_DROPBEHIND
