// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The heap and mmap taps' programs: one body in the three shapes that kernels attach.
 *
 *	session   one program for entry and return (kernel ≥ 6.13)
 *	multi     a pair, each on many sites by one link (≥ 6.6)
 *	perf      the same pair, each on one site by a perf event (≥ 6.1)
 *
 * The loader sets the expected attach type, which libbpf's section names of 1.4 do not all know.
 */
#include "memwatch.h"

/*
 * Kernel functions of session programs (kernel/trace/bpf_trace.c). From 6.13 without arguments; a later
 * kernel gave them the context. libbpf picks the flavour whose signature fits.
 */
extern _Bool bpf_session_is_return___none(void) __ksym __weak;
extern _Bool bpf_session_is_return___context(void *ctx) __ksym __weak;

static _Bool is_return(void *ctx)
{
	if (bpf_ksym_exists(bpf_session_is_return___none))
		return bpf_session_is_return___none();
	if (bpf_ksym_exists(bpf_session_is_return___context))
		return bpf_session_is_return___context(ctx);
	return 0;
}

/* Returning 1 from the entry tells the kernel to leave the return address alone. */
SEC("?uprobe")
int call_session(struct registers *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	if (is_return(ctx))
		return call__leave(ctx, cookie);
	return call__enter(ctx, cookie);
}

/* These always return 0: to a plain uprobe 1 means "remove this probe". */
SEC("?uprobe")
int call_multi_entry(struct registers *ctx)
{
	call__enter(ctx, bpf_get_attach_cookie(ctx));
	return 0;
}

SEC("?uprobe")
int call_multi_return(struct registers *ctx)
{
	call__leave(ctx, bpf_get_attach_cookie(ctx));
	return 0;
}

SEC("?uprobe")
int call_perf_entry(struct registers *ctx)
{
	call__enter(ctx, bpf_get_attach_cookie(ctx));
	return 0;
}

SEC("?uprobe")
int call_perf_return(struct registers *ctx)
{
	call__leave(ctx, bpf_get_attach_cookie(ctx));
	return 0;
}
