// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "world_private.h"

int world__find(struct world *world, struct world_process *process, enum world_address state)
{
	unsigned from = world__choose(world, MODEL_ADDRESSES);

	for (unsigned i = 0; i < MODEL_ADDRESSES; i++) {
		unsigned index = (from + i) % MODEL_ADDRESSES;

		if (process->addresses[index] == state)
			return index;
	}
	return -1;
}

/* Whether the allocator has no memory. */
static bool fails(struct world *world, const struct activation *call)
{
	return call->size == ~0ull || !world__choose(world, 6);
}

static int take_address(struct world *world, struct world_process *process)
{
	int made = world__find(world, process, ADDRESS_FREE);

	if (made >= 0)
		process->addresses[made] = ADDRESS_BUSY; /* until the program has been told */
	return made;
}

static void release(struct world_process *process, struct activation *call)
{
	process->addresses[call->old] = ADDRESS_FREE;
	call->released = true;
}

static void act_realloc(struct world *world, struct world_process *process, struct activation *call)
{
	call->made = call->old;
	if (!call->size && world__choose(world, 2)) { /* is free */
		release(process, call);
		call->made = -1;
	} else if (call->size && fails(world, call)) {
		call->made = -1;
	} else if (world__choose(world, 3)) { /* moves, if it can */
		int moved = take_address(world, process);

		if (moved >= 0) {
			release(process, call);
			call->made = moved;
		}
	}
}

void world__act(struct world *world, struct world_process *process, struct activation *call)
{
	call->acted = true;
	if (call->kind == CALL_FREE) {
		if (call->old >= 0)
			release(process, call);
	} else if (is_realloc(call->kind) && call->old >= 0) {
		act_realloc(world, process, call);
	} else {
		call->made = fails(world, call) ? -1 : take_address(world, process);
	}
	if (call->kind == CALL_POSIX_MEMALIGN && call->made >= 0 && call->slot != UNMAPPED)
		fake_memory__put(&process->machine->memory, call->slot, block_address(call->made));
}

void world__settle(struct world_process *process, struct activation *call)
{
	if (call->made >= 0)
		process->addresses[call->made] = ADDRESS_USED;
	if (call->old >= 0 && process->addresses[call->old] == ADDRESS_BUSY && !call->released)
		process->addresses[call->old] = ADDRESS_USED;
}
