// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "world_private.h"

#define FIRST_NUMBER 1000

unsigned world__choose(struct world *world, unsigned bound)
{
	if (world->choices) {
		if (!world->choice_count)
			return 0;
		world->choice_count--;
		return *world->choices++ % bound;
	}
	world->seed = world->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (world->seed >> 33) % bound;
}

/* The callers' frames, in all threads the same: chain n is n frames deep. */
static void make_chains(struct world_thread *thread)
{
	struct fake_memory *memory = &thread->machine->process->memory;
	__u64 at = thread->machine->stack + STACK_BYTES;

	thread->fps[0] = 0;
	for (unsigned chain = 1; chain < MODEL_CHAINS; chain++) {
		__u64 next = 0;

		for (unsigned frame = chain; frame-- > 0;) {
			at -= 16;
			fake_memory__put(memory, at, next);
			fake_memory__put(memory, at + 8, CHAINS_AT + chain * 0x100 + frame * 8);
			next = at;
		}
		thread->fps[chain] = at;
	}
	thread->base = at - 64;
}

static void make_thread(struct world *world, struct world_process *process, size_t index, int number)
{
	struct world_thread *thread = &process->threads[index];

	memset(thread, 0, sizeof(*thread));
	thread->machine = machine__thread(process->machine, number, ++world->starts);
	thread->last_freed = -1;
	make_chains(thread);
}

struct world *world__new(const struct world_options *options, const unsigned char *choices, size_t count,
			 __u64 seed)
{
	struct world *world = calloc(1, sizeof(*world));

	world->options = *options;
	world->choices = choices;
	world->choice_count = count;
	world->seed = seed;
	world->next_number = FIRST_NUMBER;
	fake__start(&options->room);
	world->model.live_room = options->room.live ? options->room.live : SIZE_MAX;
	world->model.site_room = options->room.stacks ? options->room.stacks : SIZE_MAX;
	if (options->grows)
		live_fill_limit = 1;
	for (size_t i = 0; i < WORLD_PROCESSES; i++) {
		struct world_process *process = &world->processes[i];
		int number = world->next_number++;

		process->machine = machine__process(number, options->mode);
		if (machine__watch(number) != i + 1)
			abort();
		make_thread(world, process, 0, number);
		/* The leader's task stays, as a zombie's does, when its thread is replaced. */
		for (size_t j = 1; j < WORLD_THREADS; j++)
			make_thread(world, process, j, world->next_number++);
		/* Blocks from before. */
		for (size_t j = 0; j < 4; j++)
			process->addresses[j] = ADDRESS_USED;
	}
	return world;
}

/* Calls from @depth on will not return; what they were about stays as it is. */
static void abandon(struct world *world, struct world_process *process, struct world_thread *thread,
		    size_t depth)
{
	while (thread->depth > depth) {
		struct activation *call = &thread->calls[--thread->depth];

		/* Their stack is used again. */
		fake_memory__put(&process->machine->memory, call->sp, 0);
		if (!call->counted)
			continue;
		world__settle(process, call);
		if (!returns(call->kind))
			continue;
		/* An overflowing calloc asks for more bytes than there are: they are not added up. */
		model__lose(&world->model, LOSS_MISSED_RETURN, call->size >> 47 ? 0 : call->size);
		if (call->parked)
			model__freed(&world->model, &call->old_block);
	}
}

static void jump(struct world *world, struct world_process *process, struct world_thread *thread)
{
	size_t depth = world__choose(world, thread->depth);

	while (thread->calls[depth].tail)
		depth--;
	for (size_t i = depth; i < thread->depth; i++) {
		if (is_mmap(thread->calls[i].kind) && !world->options.jumps_out_of_mmap)
			return;
	}
	abandon(world, process, thread, depth);
}

/* The thread ends where it is; another one comes, perhaps with its number. */
static void replace(struct world *world, struct world_process *process, size_t index)
{
	struct world_thread *thread = &process->threads[index];
	int number = world__choose(world, 2) ? thread->machine->task.pid : world->next_number++;
	struct machine_thread *gone = thread->machine;

	if (!index)
		return; /* the leader, whose task the others refer to */
	abandon(world, process, thread, 0);
	machine__exit(gone, WORLD_THREADS - 1, 0);
	free(gone);
	make_thread(world, process, index, number);
}

/* A function that nobody knows frees a block. */
static void free_unseen(struct world *world, struct world_process *process)
{
	int index = world__find(world, process, ADDRESS_USED);

	if (index >= 0)
		process->addresses[index] = ADDRESS_FREE;
}

static void serve_growth(struct world *world)
{
	bool asked = false;

	for (size_t i = 0; i < fake.events.count; i++) {
		if (fake.events.items[i].type != EVENT_GROW)
			continue;
		memmove(&fake.events.items[i], &fake.events.items[i + 1],
			(fake.events.count - i - 1) * sizeof(*fake.events.items));
		fake.events.count--;
		i--;
		asked = true;
	}
	if (!asked || !world->options.grows || fake.level_count == LIVE_LEVELS)
		return;
	fake__add_level(world->options.room.live, 1);
	world->model.live_room += world->options.room.live;
}

bool world__step(struct world *world)
{
	unsigned account = world__choose(world, WORLD_PROCESSES);
	struct world_process *process = &world->processes[account];
	size_t index = world__choose(world, WORLD_THREADS);
	struct world_thread *thread = &process->threads[index];
	unsigned what = world__choose(world, 64);

	if (world->choices && !world->choice_count)
		return false;
	if (what >= 62)
		replace(world, process, index);
	else if (what >= 60)
		free_unseen(world, process);
	else if (!thread->depth || what < 20)
		world__enter(world, account, process, thread);
	else if (what < 22)
		jump(world, process, thread);
	else if (what < 32 && thread->calls[0].counted && !is_mmap(thread->calls[0].kind) &&
		 !thread->calls[0].acted)
		world__act(world, process, &thread->calls[0]);
	else
		world__leave(world, account, process, thread);
	serve_growth(world);
	return true;
}

void world__end(struct world *world)
{
	for (size_t i = 0; i < WORLD_PROCESSES; i++) {
		for (size_t j = 0; j < WORLD_THREADS; j++) {
			struct world_thread *thread = &world->processes[i].threads[j];

			abandon(world, &world->processes[i], thread, 0);
			machine__exit(thread->machine, 1, 0);
		}
	}
}

void world__free(struct world *world)
{
	for (size_t i = 0; i < WORLD_PROCESSES; i++) {
		for (size_t j = 0; j < WORLD_THREADS; j++)
			free(world->processes[i].threads[j].machine);
		machine__free(world->processes[i].machine);
	}
	model__free(&world->model);
	free(world);
	fake__stop();
}
