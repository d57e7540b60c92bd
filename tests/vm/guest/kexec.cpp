// SPDX-License-Identifier: GPL-2.0-or-later
// Starts another kernel without a reset of the machine: `kexec KERNEL INITRD COMMANDLINE`.
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/reboot.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: kexec KERNEL INITRD COMMANDLINE\n");
        return 2;
    }
    const int kernel = open(argv[1], O_RDONLY);
    const int initrd = open(argv[2], O_RDONLY);

    if (kernel < 0 || initrd < 0) {
        perror("open");
        return 2;
    }
    if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[3]) + 1, argv[3], 0UL)) {
        perror("kexec_file_load");
        return 1;
    }
    reboot(static_cast<int>(LINUX_REBOOT_CMD_KEXEC)); // returns only when it has failed
    perror("reboot");
    return 1;
}
