# SPDX-License-Identifier: GPL-2.0-or-later
"""scripts/run: a machine whose tiers are resized while redis works in it, watched from all sides and judged."""
