/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the books must say: plain arrays, one step at a time. Nothing here looks at stacks' bytes, return
 * addresses, maps or levels.
 */
#ifndef MEMWATCH_HOST_MODEL_H
#define MEMWATCH_HOST_MODEL_H

#include "fake.h"

#define MODEL_ACCOUNTS  4
#define MODEL_ADDRESSES 24 /* of each account */
#define MODEL_CALLERS   6
#define MODEL_CHAINS    4
#define MODEL_SITES     (MODEL_ACCOUNTS * DOMAIN_COUNT * MODEL_CALLERS * MODEL_CHAINS)

struct model_block {
	bool live;
	__u64 size;
	unsigned site;
};

struct model_sum {
	bool seen;
	__u64 allocated_bytes, allocated_count, freed_bytes, freed_count;
};

struct model_event {
	struct event event;
	unsigned site;
};

struct model {
	struct model_block blocks[MODEL_ACCOUNTS][MODEL_ADDRESSES];
	struct model_sum sums[MODEL_SITES];
	struct loss_counter losses[LOSS_COUNT];
	__u64 free_unknown, failed, returns, entries;
	__u64 allocations, allocated_bytes; /* that the programs made, recorded or not */
	size_t live_count, site_count;
	size_t live_room, site_room;
	VEC(struct model_event) events;
};

unsigned model__site(unsigned account, unsigned domain, unsigned caller, unsigned chain);
void model__lose(struct model *model, enum loss reason, __u64 bytes);
/* Whether there is room for the stack. */
bool model__stack(struct model *model, unsigned site, __u64 bytes);
void model__allocate(struct model *model, unsigned account, unsigned address, __u64 size, unsigned site);
/* Takes the block out of the table: false where it is not known. */
bool model__take(struct model *model, unsigned account, unsigned address, struct model_block *taken);
void model__put_back(struct model *model, unsigned account, unsigned address,
		     const struct model_block *block);
void model__freed(struct model *model, const struct model_block *block);
void model__event(struct model *model, const struct event *event, unsigned site);
void model__free(struct model *model);

#endif
