# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Installing, and the demonstration. DESTDIR is put before every path, for packagers.

BINDIR        ?= $(PREFIX)/bin
MANDIR        ?= $(PREFIX)/share/man
DOCDIR        ?= $(PREFIX)/share/doc/memwatch
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions

MAN_PAGES := $(wildcard docs/man/*.1)
# README.md links to docs/PAGE, and finds it so when it is installed, too.
DOC_PAGES := $(wildcard docs/*.md)

.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(COMPLETIONDIR) $(DESTDIR)$(DOCDIR)/docs
	install -m 755 $(OUT)/memwatch $(DESTDIR)$(BINDIR)/memwatch
	for page in $(MAN_PAGES); do \
		gzip -9nc $$page > $(DESTDIR)$(MANDIR)/man1/$${page##*/}.gz && \
		chmod 644 $(DESTDIR)$(MANDIR)/man1/$${page##*/}.gz || exit 1; \
	done
	install -m 644 tools/completion/memwatch.bash $(DESTDIR)$(COMPLETIONDIR)/memwatch
	install -m 644 README.md LICENSE $(DESTDIR)$(DOCDIR)
	install -m 644 $(DOC_PAGES) $(DESTDIR)$(DOCDIR)/docs

# What is not ours stays; so do the directories, but for our own.
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/memwatch $(DESTDIR)$(COMPLETIONDIR)/memwatch \
		$(MAN_PAGES:docs/man/%=$(DESTDIR)$(MANDIR)/man1/%.gz) \
		$(addprefix $(DESTDIR)$(DOCDIR)/,README.md LICENSE $(DOC_PAGES))
	for directory in $(DESTDIR)$(DOCDIR)/docs $(DESTDIR)$(DOCDIR); do \
		[ ! -d $$directory ] || rmdir --ignore-fail-on-non-empty $$directory; \
	done

# Root first: there is no use in building for a demonstration that cannot run.
.PHONY: demo
demo:
	@[ "$$(id -u)" = 0 ] || { echo "make demo: watching a process needs root: sudo make demo" >&2; exit 1; }
	$(Q)tools/install-deps --build-only python3
	+$(Q)$(MAKE) --no-print-directory $(OUT)/memwatch
	$(Q)tools/demo $(OUT)/memwatch tools/demo-service
