// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What memwatch's cost is compared with.
 *
 *	floor   empty programs on memwatch's sites, attached as memwatch attaches: what the kernel alone costs
 *	usual   what leak tools on uprobes do: separate entry and return programs at the symbols' own
 *		addresses, the size kept by thread from entry to return, blocks by address, sums by stack
 *	pointers	the floor, where free also walks the stack by frame pointers
 *	kernel	the same by bpf_get_stack
 *
 * The loader sets the floor programs' expected attach type.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define FRAMES_MAX 127

/* struct pt_regs: arch/x86/include/uapi/asm/ptrace.h, x86-64 */
struct registers {
	__u64 r15, r14, r13, r12, rbp, rbx;
	__u64 r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	__u64 orig_rax, rip, cs, eflags, rsp, ss;
};

struct block {
	__u64 size;
	__u64 time_ns;
	__u32 stack;
	__u32 reserved;
};

struct sum {
	__u64 bytes;
	__u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, __u64);
} sizes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000000);
	__type(key, __u64);
	__type(value, struct block);
} blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct sum);
} sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 10240);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, 127 * sizeof(__u64));
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[FRAMES_MAX]);
} scratch SEC(".maps");

/* Of the walks so far, which one thread makes. */
__u64 walks, frames;

/* A session program's 0 asks for the function's return, 1 does without. */
SEC("?uprobe")
int floor_with_return(void *ctx __attribute__((unused)))
{
	return 0;
}

SEC("?uprobe")
int floor_entry_only(void *ctx __attribute__((unused)))
{
	return 1;
}

/* free has not set up a frame: its caller's frame pointer is the first, and the caller itself is not seen. */
SEC("?uprobe")
int walk_pointers(struct registers *ctx)
{
	__u64 pair[2], fp = ctx->rbp, *ips;
	__u32 zero = 0, i;

	ips = bpf_map_lookup_elem(&scratch, &zero);
	if (!ips)
		return 1;
	for (i = 0; i < FRAMES_MAX; i++) {
		if (bpf_probe_read_user(pair, sizeof(pair), (void *)fp))
			break;
		ips[i] = pair[1];
		if (pair[0] <= fp)
			break;
		fp = pair[0];
	}
	walks++;
	frames += i;
	return 1;
}

SEC("?uprobe")
int walk_kernel(struct registers *ctx)
{
	__u32 zero = 0;
	__u64 *ips = bpf_map_lookup_elem(&scratch, &zero);
	long bytes;

	if (!ips)
		return 1;
	bytes = bpf_get_stack(ctx, ips, FRAMES_MAX * sizeof(*ips), BPF_F_USER_STACK);
	walks++;
	frames += bytes > 0 ? bytes / sizeof(*ips) : 0;
	return 1;
}

SEC("?uprobe")
int usual_malloc_entry(struct registers *ctx)
{
	__u32 thread = bpf_get_current_pid_tgid();
	__u64 size = ctx->rdi;

	bpf_map_update_elem(&sizes, &thread, &size, BPF_ANY);
	return 0;
}

static void add(__u32 stack, __u64 bytes)
{
	struct sum *sum = bpf_map_lookup_elem(&sums, &stack), fresh = {};

	if (!sum) {
		bpf_map_update_elem(&sums, &stack, &fresh, BPF_NOEXIST);
		sum = bpf_map_lookup_elem(&sums, &stack);
		if (!sum)
			return;
	}
	__sync_fetch_and_add(&sum->bytes, bytes);
	__sync_fetch_and_add(&sum->count, 1);
}

SEC("?uretprobe")
int usual_malloc_return(struct registers *ctx)
{
	__u32 thread = bpf_get_current_pid_tgid();
	__u64 *size = bpf_map_lookup_elem(&sizes, &thread), address = ctx->rax;
	struct block block = {};

	if (!size)
		return 0;
	block.size = *size;
	bpf_map_delete_elem(&sizes, &thread);
	if (!address)
		return 0;
	block.time_ns = bpf_ktime_get_ns();
	block.stack = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	bpf_map_update_elem(&blocks, &address, &block, BPF_ANY);
	add(block.stack, block.size);
	return 0;
}

SEC("?uprobe")
int usual_free_entry(struct registers *ctx)
{
	__u64 address = ctx->rdi, size;
	struct block *block = bpf_map_lookup_elem(&blocks, &address);
	struct sum *sum;
	__u32 stack;

	if (!block)
		return 0;
	size = block->size;
	stack = block->stack;
	bpf_map_delete_elem(&blocks, &address);
	sum = bpf_map_lookup_elem(&sums, &stack);
	if (!sum)
		return 0;
	__sync_fetch_and_sub(&sum->bytes, size);
	__sync_fetch_and_sub(&sum->count, 1);
	return 0;
}
