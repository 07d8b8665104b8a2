// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/libbpf.h>
#include <errno.h>
#include "memwatch.skel.h"
#include "snapshot/engine_private.h"
#include "snapshot/engine_unwind.h"

/* Slot 0 is none. A slot is its account's until that is gone, and children may go by it. */
static uint32_t free_slot(const struct engine *engine)
{
	bool used[PYTHONS_MAX] = {true};

	vec_each (known, &engine->unwind_accounts)
		used[known->python % PYTHONS_MAX] = true;
	for (uint32_t slot = 1; slot < PYTHONS_MAX; slot++) {
		if (!used[slot])
			return slot;
	}
	return 0;
}

int engine__set_python(struct engine *engine, uint32_t account, const struct python_layout *layout)
{
	uint32_t slot = free_slot(engine);
	int err;

	if (!slot)
		return -ENOSPC;
	err = bpf_map__update_elem(engine->skel->maps.pythons, &slot, sizeof(slot), layout, sizeof(*layout),
				   BPF_ANY);
	return err ? err : engine__publish_python(engine, account, slot);
}
