// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Allocates at the bottom of a deep recursion: DEPTH frames, one block of 444 bytes kept. Built with frame
 * pointers.
 *
 * usage: deep [DEPTH]
 */
#include <stdlib.h>
#include "handshake.h"

static __attribute__((noinline)) void dig(int depth)
{
	if (depth == 0)
		opaque(malloc(444)); /* at the bottom */
	else
		dig(depth - 1);
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	dig(argc > 1 ? atoi(argv[1]) : 1000);
	return 0;
}
