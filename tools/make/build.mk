# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The program: bpf/*.bpf.c → one BPF object → skeleton; user/*/*.c → library → memwatch.

PACKAGES  := libbpf libelf libdw zydis yajl zlib
CFLAGS    ?= -O2 -g
WARNINGS  := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
CPPFLAGS  += -D_GNU_SOURCE -DMEMWATCH_VERSION='"$(VERSION)"' -Iuser -Iinclude -I$(OUT)
USER_FLAGS = -std=gnu11 $(WARNINGS) $(CFLAGS) -fno-omit-frame-pointer -fno-strict-aliasing
# zydis has no pkg-config file in Debian 12.
LIBS      := -lbpf -ldw -lelf -lZydis -lyajl -llzma -lz -liberty -ldl -lpthread -lm

# Definitions before their users: libbpf's linker (1.4) does not move a map that was first seen as an extern.
BPF_SOURCES  := bpf/maps.bpf.c $(sort $(filter-out bpf/maps.bpf.c,$(wildcard bpf/*.bpf.c)))
BPF_OBJECTS  := $(BPF_SOURCES:bpf/%.bpf.c=$(OUT)/bpf/%.bpf.o)
BPF_FLAGS    := -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Wextra -Werror -Iinclude -Ibpf \
		-I/usr/include/$(shell gcc -print-multiarch)

USER_SOURCES := $(sort $(filter-out user/main.c,$(wildcard user/*.c user/*/*.c)))
USER_OBJECTS := $(USER_SOURCES:user/%.c=$(OUT)/user/%.o)

.PHONY: all
all: $(OUT)/memwatch

$(OUT)/bpf/%.bpf.o: bpf/%.bpf.c
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@

$(OUT)/memwatch.bpf.o: $(BPF_OBJECTS)
	$(call say,BPF-LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(OUT)/memwatch.skel.h: $(OUT)/memwatch.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name memwatch_bpf > $@

# Only the sources that load BPF include the skeleton; the rest build without it.
$(OUT)/user/%.o: user/%.c | $(OUT)/memwatch.skel.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(USER_FLAGS) -MMD -MP -c $< -o $@

$(OUT)/libmemwatch.a: $(USER_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(OUT)/memwatch: $(OUT)/user/main.o $(OUT)/libmemwatch.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(USER_FLAGS) $^ $(LDFLAGS) $(LIBS) -o $@

-include $(USER_OBJECTS:.o=.d) $(BPF_OBJECTS:.o=.d) $(OUT)/user/main.d

.PHONY: clean
clean:
	$(Q)rm -rf $(OUT) compile_commands.json
