# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The programs that the live tests watch, and the recorder that says what is true of them.

TARGETS      := $(OUT)/tests/targets
ORACLE       := $(OUT)/tests/oracle
# -fno-builtin: no allocation may be optimised away or turned into another.
TARGET_FLAGS := -D_GNU_SOURCE -std=gnu11 $(WARNINGS) -O2 -g -fno-builtin

TARGET_NAMES := deep dlopen_late exec_chain fork_tree jit_perfmap leak mmap_program requests seccomp_target stress \
		threads_die
TARGET_PROGRAMS := $(TARGET_NAMES:%=$(TARGETS)/%) $(TARGETS)/cpp_new $(TARGETS)/cpp_throw $(TARGETS)/static_glibc $(TARGETS)/static_musl \
		$(TARGETS)/static_requests $(TARGETS)/no_allocator $(TARGETS)/waits32 $(TARGETS)/plugin.so $(TARGETS)/arena.so $(TARGETS)/python_native.so
ORACLE_SOURCES := $(addprefix tests/oracle/,recorder.c books.c modules.c entry.S)

.PHONY: test-targets
test-targets: $(TARGET_PROGRAMS) $(ORACLE)/liboracle.so $(ORACLE)/oracle_read

$(TARGETS)/stress $(TARGETS)/threads_die $(TARGETS)/python_native.so: EXTRA := -pthread
$(TARGETS)/deep: EXTRA := -fno-omit-frame-pointer -fno-optimize-sibling-calls

$(TARGET_NAMES:%=$(TARGETS)/%): $(TARGETS)/%: tests/targets/%.c tests/targets/handshake.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_FLAGS) $(EXTRA) $< -o $@

$(TARGETS)/%.so: tests/targets/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_FLAGS) -fPIC -shared -Wl,-Bsymbolic $< -o $@

$(TARGETS)/cpp_new $(TARGETS)/cpp_throw: $(TARGETS)/%: tests/targets/%.cc
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=gnu++17 -Wall -Wextra -Werror -O2 -g -fno-builtin $< -o $@

$(TARGETS)/static_glibc: tests/targets/static_leak.c tests/targets/handshake.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_FLAGS) -static $< -o $@

# Relocated by nobody: its probes are at the addresses that `memwatch sites` shows.
$(TARGETS)/static_requests: tests/targets/requests.c tests/targets/handshake.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_FLAGS) -static -no-pie $< -o $@

$(TARGETS)/static_musl: tests/targets/static_leak.c tests/targets/handshake.h
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)musl-gcc $(TARGET_FLAGS) -static $< -o $@

$(TARGETS)/no_allocator: tests/targets/no_allocator.S
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -static -nostdlib $< -o $@

# Needs neither a 32-bit compiler nor libraries.
$(TARGETS)/waits32: tests/targets/waits32.S
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(AS) --32 $< -o $@.o && $(LD) -m elf_i386 $@.o -o $@

$(ORACLE)/liboracle.so: $(ORACLE_SOURCES) tests/oracle/books.h tests/oracle/oracle.h
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_FLAGS) -fPIC -fvisibility=hidden -shared -Wl,-z,now $(ORACLE_SOURCES) -o $@

$(ORACLE)/oracle_read: tests/oracle/oracle_read.c tests/oracle/oracle.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TARGET_FLAGS) $< -o $@
