# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What watching costs, as ratios of one run. `make bench BENCH="pair threads"` runs a part.
# Needs root; docs/bench.md says what the rows mean. A missed target is only printed; a benchmark that cannot run fails.

BENCH     ?= pair threads unwind attach footprint
BENCH_OUT := $(OUT)/bench
BENCH_PROGRAMS := $(BENCH_OUT)/pair $(BENCH_OUT)/rivals $(BENCH_OUT)/libraries $(BENCH_OUT)/stacks \
		$(BENCH_OUT)/unwind-tables $(BENCH_OUT)/unwind-pointers

.PHONY: bench bench-programs
bench: all bench-programs
	$(Q)OUT=$(OUT) CC=$(CC) tools/bench/bench $(BENCH)

bench-programs: $(BENCH_PROGRAMS)

$(BENCH_OUT)/rivals.bpf.o: tools/bench/rivals.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@

$(BENCH_OUT)/rivals.skel.h: $(BENCH_OUT)/rivals.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name rivals_bpf > $@

$(BENCH_OUT)/rivals: tools/bench/rivals.c $(BENCH_OUT)/rivals.skel.h $(OUT)/libmemwatch.a
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) -I$(BENCH_OUT) $(USER_FLAGS) $< $(OUT)/libmemwatch.a $(LDFLAGS) $(LIBS) -o $@

# Called from where they stand, stacks are told apart by frame pointers.
$(BENCH_OUT)/stacks: BENCH_EXTRA := -fno-omit-frame-pointer -fno-optimize-sibling-calls
$(BENCH_OUT)/pair: BENCH_EXTRA := -pthread

$(BENCH_OUT)/pair $(BENCH_OUT)/libraries $(BENCH_OUT)/stacks: $(BENCH_OUT)/%: tools/bench/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu11 $(WARNINGS) -O2 -g -fno-builtin $(BENCH_EXTRA) $< -o $@ -ldl

# One program for unwind tables and for frame pointers. Calls are calls, and no debug information
# tells of inlined functions: a stack has the depth that was asked for, in a report, too.
$(BENCH_OUT)/unwind-tables: BENCH_EXTRA := -fomit-frame-pointer
$(BENCH_OUT)/unwind-pointers: BENCH_EXTRA := -fno-omit-frame-pointer

$(BENCH_OUT)/unwind-%: tools/bench/unwind.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu11 $(WARNINGS) -O2 -fno-builtin -fno-optimize-sibling-calls $(BENCH_EXTRA) \
		$< -o $@

-include $(BENCH_OUT)/rivals.bpf.d
