# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Older kernels, in a virtual machine without hardware's help: docs/kernels.md.

SCRIPTS += tests/kernels/init

.PHONY: check-kernels
CHECKS += check-kernels
check-kernels: all test-targets
	$(Q)tools/get-kernels $(OUT)/kernels
	$(Q)$(PYTEST) -v tests/kernels
