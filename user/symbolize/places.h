/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is or was mapped where in a process, with the files behind it held open. */
#ifndef MEMWATCH_SYMBOLIZE_PLACES_H
#define MEMWATCH_SYMBOLIZE_PLACES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/log.h"
#include "target/image.h"
#include "target/maps.h"

struct place {
	struct mapping mapping;
	uint64_t id;         /* the same as long as the same lies at its start; never 0 */
	struct image *image; /* of executable mappings; NULL: no file, or one that cannot be read */
	bool gone;           /* not in the mappings read last */
};

struct places {
	struct place *items; /* by rising start, not overlapping */
	size_t count, capacity;
	uint64_t last_id;
};

/*
 * Takes over @maps of @pid (copied). Executable mappings that are not in it stay, marked gone, until
 * something else overlaps them; the 4096 highest at most. Returns 0 or -ENOMEM, @places unchanged.
 */
int places__update(struct places *places, pid_t pid, struct image_cache *images, const struct maps *maps,
		   const struct log *log);

/* What holds @address, or NULL. */
const struct place *places__find(const struct places *places, uint64_t address);

void places__free(struct places *places);

#endif
