// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as a made-up program's choices: what its threads call, when the calls return or do not, which
 * thread goes on. The kernel side's books, kept on the host, must be the model's.
 */
#include "world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct world_options options = {0};
	struct world *world;
	char *difference;

	if (size < 4)
		return 0;
	options.mode = bytes[0] % MACHINE_MODES;
	options.room.live = bytes[1] % 32;
	options.room.stacks = bytes[2] % 64;
	options.grows = bytes[3] & 1 && options.room.live;
	if (!options.room.live) /* else it could not be told how many blocks there is room for */
		options.room.recent_bits = bytes[3] / 2 % 6;
	world = world__new(&options, bytes + 4, size - 4, 0);
	while (world__step(world))
		;
	world__end(world);
	difference = world__compare(world);
	if (difference) {
		fprintf(stderr, "%s\n", difference);
		abort();
	}
	world__free(world);
	return 0;
}
