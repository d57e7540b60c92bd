#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles the policy core as a kernel module would, and checks what it needs.

The merged object may leave undefined only what host_services.h declares, and
memcpy, memmove, memset and memcmp. No object may share anything by a COMDAT
group: objtool does not always leave those whole. No kernel or system header may be included
but those of a freestanding C++ implementation.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# The kernel's flags that matter for what the compiler may emit.
FLAGS = ("-std=gnu++20 -O2 -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit "
         "-mno-sse -mno-mmx -mno-sse2 -mno-3dnow -mno-avx -mno-80387 -mno-fp-ret-in-387 -msoft-float -mno-red-zone "
         "-mcmodel=kernel -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=branch "
         "-fno-jump-tables -fno-strict-aliasing -fwrapv -Wall -Wextra -Wconversion -Werror "
         "-Wframe-larger-than=1024").split()
ALWAYS = {"memcpy", "memmove", "memset", "memcmp"}
MOST_SERVICES = 10


def services(header):
    """Names of the functions that the header declares."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    return set(re.findall(r"\b(tm_host_\w+)\s*\(", text))


def compiled(compiler, sources, folder):
    """The sources' objects."""
    objects = []
    for source in sources:
        objects.append(f"{folder}/{source.stem}.o")
        subprocess.run([compiler, *FLAGS, "-c", str(source), "-o", objects[-1]], check=True)
    return objects


def shared(objects):
    """Signatures of their COMDAT groups."""
    listing = subprocess.run(["readelf", "--section-groups", "--wide", *objects], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    return set(re.findall(r"COMDAT group.*`\.group' \[(\S+)\]", listing))


def undefined(objects, folder):
    """Names that the merged object leaves undefined."""
    merged = f"{folder}/policy_core.o"
    subprocess.run(["ld", "-r", "-o", merged, *objects], check=True)
    listing = subprocess.run(["nm", "-u", merged], check=True, text=True, stdout=subprocess.PIPE).stdout
    return set(listing.replace("U ", " ").split())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--header", type=Path, required=True)
    parser.add_argument("--compiler", default="g++-12")
    parser.add_argument("sources", type=Path, nargs="+")
    arguments = parser.parse_args()
    declared = services(arguments.header)
    with tempfile.TemporaryDirectory() as folder:
        objects = compiled(arguments.compiler, arguments.sources, folder)
        groups = shared(objects)
        needed = undefined(objects, folder)
    print(f"needs {', '.join(sorted(needed))}; host services are {', '.join(sorted(declared))}")
    problems = [f"{name} is needed but is no host service" for name in sorted(needed - declared - ALWAYS)]
    problems += [f"{name} is shared by a COMDAT group" for name in sorted(groups)]
    if len(declared) > MOST_SERVICES:
        problems.append(f"{len(declared)} host services, at most {MOST_SERVICES} are allowed")
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
