// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The maps, the settings, and the counters of what was lost. */
#include "memwatch.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 pid_namespace_inum = 0;
const volatile _Bool follow_forks = 0;
const volatile __u32 max_totals = 1 << 16;
const volatile __u32 recent_bits = 0;
const volatile __u64 throwing_limit = ~0ULL;
const volatile _Bool keep_birth = 0;
volatile __u32 phase = PHASE_IDLE;
__u32 next_account = 1;
__u32 next_total = 1;
volatile __u32 used_totals = 0;
__u32 next_code = 1;
volatile __u32 live_newest = 0;
volatile __s64 live_fill = 0;
volatile __s64 live_fill_limit = 0;

struct live_map live SEC(".maps");
struct recent_map recent SEC(".maps");
struct stacks_22_map stacks_22 SEC(".maps");
struct stacks_54_map stacks_54 SEC(".maps");
struct stacks_118_map stacks_118 SEC(".maps");
struct stacks_127_map stacks_127 SEC(".maps");
struct totals_map totals SEC(".maps");
struct free_totals_map free_totals SEC(".maps");
struct spaces_map spaces SEC(".maps");
struct unwind_chunks_map unwind_chunks SEC(".maps");
struct rules_map rules SEC(".maps");
struct pythons_map pythons SEC(".maps");
struct codes_map codes SEC(".maps");
struct threads_map threads SEC(".maps");
struct processes_map processes SEC(".maps");
struct losses_map losses SEC(".maps");
struct tallies_map tallies SEC(".maps");
struct events_map events SEC(".maps");

__hidden void count_loss(__u32 reason, __u64 bytes)
{
	struct loss_counter *counter = bpf_map_lookup_elem(&losses, &reason);

	if (!counter)
		return;
	__sync_fetch_and_add(&counter->events, 1);
	__sync_fetch_and_add(&counter->bytes, bytes);
}

/* Atomic although the counter is the CPU's own: another thread can preempt this one in the middle. */
__hidden void count_tally(__u32 tally)
{
	__u64 *counter = bpf_map_lookup_elem(&tallies, &tally);

	if (counter)
		__sync_fetch_and_add(counter, 1);
}
