# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Lint: everything that can be judged without running the program. Each kind is a target of its own.

LINT_KINDS   := format includes sizes globals licences docs shell cppcheck tidy
CODE_SOURCES := $(sort $(wildcard bpf/*.[ch] include/*.h user/*.[ch] user/*/*.[ch] tests/*/*.[ch] tests/*/*.cc \
		tools/*/*.[ch]))
SCRIPTS      := $(sort $(wildcard tests/*/*.py tests/fuzz/seeds .ci/run) \
		$(filter-out %.c %.h %.mk %.md %-suppressions,$(wildcard tools/* tools/*/*)))
SCRIPTS      := $(filter-out $(patsubst %/,%,$(wildcard tools/*/ tools/*/*/)),$(SCRIPTS))
SHELL_FILES   = $(shell grep -lE '^\#!.*[/ ](ba)?sh$$' $(SCRIPTS)) tools/completion/memwatch.bash
BUILD_FILES  := Makefile $(wildcard tools/make/*.mk)
JOBS         := $(shell nproc)

.PHONY: lint $(LINT_KINDS:%=lint-%)
lint: all
	$(Q)MAKE="$(MAKE)" tools/make/run-kinds $(LINT_KINDS:%=lint-%)

lint-format:
	$(Q)clang-format --dry-run -Werror $(CODE_SOURCES)

lint-includes:
	$(Q)tools/lint/includes

lint-sizes:
	$(Q)tools/lint/sizes $(CODE_SOURCES) $(SCRIPTS) $(BUILD_FILES) $(wildcard tests/*/*.S)

lint-globals: all
	$(Q)tools/lint/globals $(OUT)/user/main.o $(USER_OBJECTS)

lint-licences:
	$(Q)tools/lint/licences $(CODE_SOURCES) $(SCRIPTS) $(SHELL_FILES) $(BUILD_FILES) $(wildcard tests/*/*.S)

# The words of --help, the man pages, and the list of losses tell the same.
lint-docs: all
	$(Q)tools/lint/docs $(OUT)/memwatch

lint-shell:
	$(Q)shellcheck $(SHELL_FILES)

lint-cppcheck:
	$(Q)cppcheck -q -j$(JOBS) --enable=warning,portability,performance --inline-suppr --error-exitcode=1 --std=c11 \
		--suppressions-list=tools/lint/cppcheck-suppressions -Iuser -Iinclude -D_GNU_SOURCE -D__x86_64__ \
		--include=tools/lint/cppcheck.h \
		--template='{file}:{line}: {severity}: {message} [{id}]' user

# An object is as new as all that its source includes, and so is the judgement of it.
TIDY_STAMPS := $(USER_SOURCES:user/%.c=$(OUT)/lint/%.tidy) $(OUT)/lint/main.tidy

lint-tidy: all
	+$(Q)$(MAKE) -s --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(JOBS)) $(TIDY_STAMPS)

$(OUT)/lint/%.tidy: $(OUT)/user/%.o .clang-tidy
	$(call say,TIDY,user/$*.c)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet user/$*.c -- $(CPPFLAGS) -std=gnu11 2>$@.log || { cat $@.log; exit 1; }
	$(Q)touch $@

.PHONY: format
format:
	$(Q)clang-format -i $(CODE_SOURCES)

# --- compile_commands.json: for editors and clang's tools --------------------------------------------------------

define newline


endef
command_of = $(1)	$(2) -c $(1)$(newline)
COMMANDS = $(foreach source,user/main.c $(USER_SOURCES) $(UNIT_SOURCES),$(call \
		command_of,$(source),$(CC) $(CPPFLAGS) $(USER_FLAGS)))$(foreach \
		source,$(BPF_SOURCES),$(call command_of,$(source),$(CLANG) $(BPF_FLAGS)))

# Always made: the list of sources is not in any file's date.
.PHONY: compile_commands.json
compile_commands.json:
	$(call say,GEN,$@)
	@mkdir -p $(OUT)
	$(file >$(OUT)/commands,$(COMMANDS))
	$(Q)sed -e '/^ *$$/d' -e 's/^ *//' -e 's/[\\"]/\\&/g' \
		-e 's|^\([^	]*\)	\(.*\)|{"directory": "$(CURDIR)", "file": "\1", "command": "\2"},|' \
		$(OUT)/commands | sed -e '1s/^/[/' -e '$$s/,$$/]/' >$@
