// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "model.h"

unsigned model__site(unsigned account, unsigned domain, unsigned caller, unsigned chain)
{
	return ((account * DOMAIN_COUNT + domain) * MODEL_CALLERS + caller) * MODEL_CHAINS + chain;
}

void model__lose(struct model *model, enum loss reason, __u64 bytes)
{
	model->losses[reason].events++;
	model->losses[reason].bytes += bytes;
}

bool model__stack(struct model *model, unsigned site, __u64 bytes)
{
	if (!model->sums[site].seen && model->site_count == model->site_room) {
		model__lose(model, LOSS_STACKS_FULL, bytes);
		return false;
	}
	model->site_count += !model->sums[site].seen;
	model->sums[site].seen = true;
	return true;
}

void model__freed(struct model *model, const struct model_block *block)
{
	model->sums[block->site].freed_bytes += block->size;
	model->sums[block->site].freed_count++;
}

bool model__take(struct model *model, unsigned account, unsigned address, struct model_block *taken)
{
	struct model_block *block = &model->blocks[account][address];

	if (!block->live)
		return false;
	*taken = *block;
	block->live = false;
	model->live_count--;
	return true;
}

static bool put(struct model *model, unsigned account, unsigned address, const struct model_block *block,
		enum loss full)
{
	struct model_block stale;

	if (model__take(model, account, address, &stale)) {
		model__lose(model, LOSS_MISSED_FREE, stale.size);
		model__freed(model, &stale);
	}
	if (model->live_count == model->live_room) {
		model__lose(model, full, block->size);
		return false;
	}
	model->blocks[account][address] = *block;
	model->live_count++;
	return true;
}

void model__allocate(struct model *model, unsigned account, unsigned address, __u64 size, unsigned site)
{
	struct model_block block = {true, size, site};

	if (!model__stack(model, site, size) || !put(model, account, address, &block, LOSS_LIVE_FULL))
		return;
	model->sums[site].allocated_bytes += size;
	model->sums[site].allocated_count++;
}

void model__put_back(struct model *model, unsigned account, unsigned address, const struct model_block *block)
{
	if (!put(model, account, address, block, LOSS_NOT_PUT_BACK))
		model__freed(model, block);
}

void model__event(struct model *model, const struct event *event, unsigned site)
{
	struct model_event made = {*event, site};

	if (vec_push(&model->events, made))
		abort();
}

void model__free(struct model *model)
{
	vec_free(&model->events);
}
