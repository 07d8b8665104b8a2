// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Linked statically, against glibc and against musl: keeps 10 blocks of 700 bytes, frees 1000 others. */
#include <stdlib.h>
#include "handshake.h"

static __attribute__((noinline)) void keep(void)
{
	opaque(malloc(700)); /* kept */
}

int main(void)
{
	reach("ready");
	for (int i = 0; i < 10; i++)
		keep();
	for (int i = 0; i < 1000; i++)
		free(opaque(calloc(3, 30)));
	reach("done");
	return 0;
}
