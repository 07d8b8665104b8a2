# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Tests. `make check` runs every kind, each to its end, and sums up; a kind adds itself with a line `CHECKS += check-KIND`.
# Nothing is written outside $(OUT), but for temporary files that the tests remove themselves.

.PHONY: check
check:
	$(Q)tools/install-deps
	+$(Q)$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS)) all test-targets $(UNIT_PROGRAMS) fuzz
	$(Q)MAKE="$(MAKE)" tools/make/run-kinds lint $(CHECKS)

# --- unit: one program for each user file, linked with all the user objects --------------------------------------

UNIT_SOURCES  := $(sort $(wildcard tests/unit/test_*.c))
UNIT_PROGRAMS := $(UNIT_SOURCES:%.c=$(OUT)/%)

.PHONY: check-unit
CHECKS += check-unit
check-unit: $(UNIT_PROGRAMS)
	$(Q)V=$(V) tools/make/run-unit $^

$(OUT)/tests/unit/%: tests/unit/%.c $(OUT)/libmemwatch.a
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(USER_FLAGS) -MMD -MP -MF $@.d $< $(OUT)/libmemwatch.a $(LDFLAGS) $(LIBS) -lcmocka -o $@

# --- asan: the same programs under the address and undefined-behaviour sanitizers --------------------------------

ASAN          := $(OUT)/asan
ASAN_FLAGS     = $(USER_FLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
ASAN_OBJECTS  := $(USER_SOURCES:user/%.c=$(ASAN)/user/%.o)
ASAN_PROGRAMS := $(UNIT_SOURCES:%.c=$(ASAN)/%)

.PHONY: asan
asan: $(ASAN_PROGRAMS)
	$(Q)V=$(V) tools/make/run-unit $^

$(ASAN)/user/%.o: user/%.c | $(OUT)/memwatch.skel.h
	$(call say,CC-ASAN,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ASAN_FLAGS) -MMD -MP -c $< -o $@

$(ASAN)/libmemwatch.a: $(ASAN_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(ASAN)/tests/unit/%: tests/unit/%.c $(ASAN)/libmemwatch.a
	$(call say,CC-ASAN,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ASAN_FLAGS) -MMD -MP -MF $@.d $< $(ASAN)/libmemwatch.a $(LDFLAGS) $(LIBS) -lcmocka -o $@

# --- host: the kernel side's C, compiled for the host over maps that work, in random programs; also under sanitizers

HOST          := $(OUT)/tests/host
HOST_SUPPORT  := bpf/maps.bpf.c $(filter-out bpf/maps.bpf.c,$(sort $(wildcard bpf/*.bpf.c))) \
		$(sort $(filter-out tests/host/test_% tests/host/recording.c,$(wildcard tests/host/*.c)))
HOST_HEADERS  := $(wildcard tests/host/*.h tests/host/include/bpf/*.h bpf/*.h include/*.h)
HOST_SOURCES  := $(sort $(wildcard tests/host/test_*.c))
HOST_PROGRAMS := $(HOST_SOURCES:tests/host/%.c=$(HOST)/%)
HOST_ASAN     := $(HOST_SOURCES:tests/host/%.c=$(HOST)/asan/%)
# Recorded stacks, and what compiles the tables that they are walked by.
HOST_UNWIND   := tests/host/recording.c user/base/error.c user/target/maps.c $(sort $(wildcard user/unwind/*.c)) \
		$(addprefix user/target/,image.c image_elf.c image_symbols.c)
# The headers in tests/host/include stand for libbpf's. Programs have no prototypes.
HOST_CPPFLAGS  = -D_GNU_SOURCE -Itests/host/include -Itests/host -Iinclude -Ibpf -Iuser
HOST_FLAGS     = -std=gnu11 $(filter-out -Wmissing-prototypes,$(WARNINGS)) $(CFLAGS) -fno-strict-aliasing

.PHONY: check-host
CHECKS += check-host
check-host: $(HOST_PROGRAMS) $(HOST_ASAN) | recordings
	$(Q)V=$(V) tools/make/run-unit $^

# Records what is not there yet, or is not of the files that are installed now.
.PHONY: recordings
recordings:
	$(call say,RECORD,$(HOST)/recordings)
	$(Q)/usr/bin/python3 tests/host/record_stacks.py $(HOST)/recordings

$(HOST)/%.o: %.c $(HOST_HEADERS)
	$(call say,CC-HOST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CPPFLAGS) $(HOST_FLAGS) -c $< -o $@

$(HOST)/asan/%.o: %.c $(HOST_HEADERS)
	$(call say,CC-HOST,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CPPFLAGS) $(HOST_FLAGS) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -c $< -o $@

UNWIND_TESTS := test_unwind test_unwind_tables
$(UNWIND_TESTS:%=$(HOST)/%): $(HOST_UNWIND:%.c=$(HOST)/%.o)
$(UNWIND_TESTS:%=$(HOST)/asan/%): $(HOST_UNWIND:%.c=$(HOST)/asan/%.o)
$(foreach test,$(UNWIND_TESTS),$(HOST)/$(test) $(HOST)/asan/$(test)): HOST_LIBS := -ldw -lelf -llzma -lz
$(foreach test,$(UNWIND_TESTS),$(HOST)/tests/host/$(test).o $(HOST)/asan/tests/host/$(test).o): \
	HOST_CPPFLAGS += -DRECORDINGS='"$(HOST)/recordings"'

$(HOST_PROGRAMS): $(HOST)/%: $(HOST)/tests/host/%.o $(HOST_SUPPORT:%.c=$(HOST)/%.o)
	$(Q)$(CC) $(HOST_FLAGS) $^ $(LDFLAGS) $(HOST_LIBS) -lcmocka -o $@

$(HOST_ASAN): $(HOST)/asan/%: $(HOST)/asan/tests/host/%.o $(HOST_SUPPORT:%.c=$(HOST)/asan/%.o)
	$(Q)$(CC) $(HOST_FLAGS) -fsanitize=address,undefined $^ $(LDFLAGS) $(HOST_LIBS) -lcmocka -o $@

# --- fuzz: tests/fuzz/fuzz_NAME.c under libFuzzer; seeds are made by tests/fuzz/seeds ----------------------------

FUZZ          := $(OUT)/fuzz
FUZZ_RUNS     ?= 20000
# clang warns of other things than gcc, whose word counts.
FUZZ_FLAGS     = -std=gnu11 -g -O1 -fno-omit-frame-pointer -fno-strict-aliasing -fno-sanitize-recover=all
FUZZ_SOURCES  := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_NAMES    := $(FUZZ_SOURCES:tests/fuzz/%.c=%)
FUZZ_PROGRAMS := $(FUZZ_NAMES:%=$(FUZZ)/%)
FUZZ_OBJECTS  := $(USER_SOURCES:user/%.c=$(FUZZ)/user/%.o)

.PHONY: fuzz check-fuzz
fuzz: $(FUZZ_PROGRAMS) $(FUZZ)/seeds

CHECKS += check-fuzz
check-fuzz: fuzz
	$(Q)for name in $(FUZZ_NAMES); do \
		mkdir -p $(FUZZ)/corpus/$$name $(FUZZ)/seeds/$$name && \
		$(FUZZ)/$$name -runs=$(FUZZ_RUNS) -max_len=65536 -timeout=20 -rss_limit_mb=1024 -seed=1 -verbosity=0 \
			-print_final_stats=1 -artifact_prefix=$(FUZZ)/$$name- $(FUZZ)/corpus/$$name $(FUZZ)/seeds/$$name \
			>$(FUZZ)/$$name.log 2>&1 || { tail -n 60 $(FUZZ)/$$name.log; exit 1; }; \
		echo "  $$name: $$(awk '/number_of_executed_units/ {print $$2}' $(FUZZ)/$$name.log) inputs, no fault"; \
	done
	@echo "$(words $(FUZZ_NAMES)) passed, 0 failed"

$(FUZZ)/user/%.o: user/%.c | $(OUT)/memwatch.skel.h
	$(call say,CC-FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c $< -o $@

$(FUZZ)/libmemwatch.a: $(FUZZ_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(FUZZ)/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ)/libmemwatch.a
	$(call say,CC-FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -MMD -MP -MF $@.d $< $(FUZZ)/libmemwatch.a \
		$(LDFLAGS) $(LIBS) -o $@

# The kernel side, over the host's maps.
$(FUZZ)/fuzz_inflight: tests/fuzz/fuzz_inflight.c $(HOST_SUPPORT) $(HOST_HEADERS)
	$(call say,CC-FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(HOST_CPPFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined $< $(HOST_SUPPORT) -o $@

$(FUZZ)/seeds: tests/fuzz/seeds
	$(call say,SEEDS,$@)
	$(Q)rm -rf $@ && mkdir -p $@ && CC="$(CC)" tests/fuzz/seeds $@

# --- scripts and live: in Python; live ones need root, real probes, and leave nothing behind ---------------------

PYTEST := PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -p no:cacheprovider -ra

.PHONY: check-scripts check-python check-live
CHECKS += check-scripts
check-scripts: all
	$(Q)$(PYTEST) -q tests/unit

# Against every interpreter that is installed, and those of MEMWATCH_PYTHONS; root, to read them. They build what they run.
CHECKS += check-python
check-python:
	$(Q)$(PYTEST) -q tests/python

CHECKS += check-live
check-live: all test-targets
	$(Q)$(PYTEST) -v --durations=10 tests/live

-include $(UNIT_PROGRAMS:%=%.d) $(ASAN_PROGRAMS:%=%.d) $(ASAN_OBJECTS:.o=.d) $(FUZZ_OBJECTS:.o=.d) $(FUZZ_PROGRAMS:%=%.d)
