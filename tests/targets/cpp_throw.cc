// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Asks for more memory than there can be, and goes on: as programs do that test for bad_alloc.
#include <cstdio>
#include <new>

static void *volatile kept;

int main()
{
	int caught = 0;

	for (int i = 0; i < 10; i++) {
		try {
			kept = ::operator new(1ul << 62);
		} catch (const std::bad_alloc &) {
			caught++;
		}
	}
	std::printf("caught %d\n", caught);
}
