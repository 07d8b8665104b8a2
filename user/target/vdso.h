/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ELF file that the kernel maps into every process (vdso(7)). */
#ifndef MEMWATCH_TARGET_VDSO_H
#define MEMWATCH_TARGET_VDSO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "target/image.h"
#include "target/maps.h"

bool vdso__is(const struct mapping *mapping);

/*
 * The vDSO of @pid, mapped at [@start, @end); our own, which is the same one, where its memory cannot be read
 * any more. Returns 0 or a negative errno; @image is the caller's to put.
 */
int vdso__open(pid_t pid, uint64_t start, uint64_t end, struct image **image, struct error *error);

/* Our own, which is every 64-bit process's. */
int vdso__open_own(struct image **image, struct error *error);

#endif
