// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Calls from entry to return. A thread has at most one call under way that counts in each domain, the
 * outermost: what an allocator's function calls in turn (realloc → malloc, a preloaded malloc → libc's) is
 * its own affair.
 */
#include "memwatch.h"

static __u64 multiply(__u64 a, __u64 b)
{
	__u64 most = b ? ~0ULL / b : ~0ULL;

	/* Else clang sees through the test and wants 128-bit arithmetic, which BPF has not. */
	barrier_var(most);
	/* An overflowing product makes calloc and reallocarray fail; what they were asked for is then of no
	 * interest. */
	return a > most ? ~0ULL : a * b;
}

/* Where the kernel sends returns that it wants to see: the first slot of the XOL area (uprobes.c). 0:
 * nowhere.
 */
__hidden __u64 trampoline_address(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct xol_area *area = mm ? mm->uprobes_state.xol_area : NULL;

	return area ? area->vaddr : 0;
}

/* The thread's pthread_self(): kept by the kernel from its creation on, for it is never changed after. */
__hidden __u64 fs_base(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();

	return task->thread.fsbase;
}

/* A call whose return was never seen: the thread died or jumped out of it, or the kernel could not probe it.
 */
__hidden void call__abandon(struct call *call)
{
	if (!call->cookie)
		return;
	call->cookie = 0;
	/* What calloc was asked for can be more than there is. */
	count_loss(LOSS_MISSED_RETURN, call->size >> 47 ? 0 : call->size);
	if (call->is_parked) {
		call->is_parked = 0;
		ledger__freed(&call->parked);
	}
}

/*
 * Whether the thread is inside @call. The kernel judges by the stack pointer alone (arch_uretprobe_is_alive)
 * and so is wrong after a switch of stacks; the return address that it replaced must still be in its place,
 * too. A tail call from one entry point to another (reallocarray → realloc) has the same stack pointer.
 */
static int inside(struct call *call, __u64 sp, __u64 cookie)
{
	__u64 word = 0;

	if (!call->cookie)
		return 0;
	if (sp < call->sp || (sp == call->sp && cookie != call->cookie)) {
		if (!bpf_probe_read_user(&word, sizeof(word), (void *)call->sp) &&
		    word == trampoline_address())
			return 1;
	}
	call__abandon(call);
	return 0;
}

static int begin(struct call *call, struct registers *regs, __u64 sp, __u64 cookie)
{
	call->sp = sp;
	call->cookie = cookie;
	call->is_parked = 0;
	switch (COOKIE_KIND(cookie)) {
	case CALL_MALLOC:
		call->size = regs->rdi;
		break;
	case CALL_CALLOC:
		call->size = multiply(regs->rdi, regs->rsi);
		break;
	case CALL_REALLOC:
		call->arg = regs->rdi;
		call->size = regs->rsi;
		break;
	case CALL_REALLOCARRAY:
		call->arg = regs->rdi;
		call->size = multiply(regs->rsi, regs->rdx);
		break;
	case CALL_ALIGNED:
		call->size = regs->rsi;
		break;
	case CALL_POSIX_MEMALIGN:
		call->arg = regs->rdi;
		call->size = regs->rdx;
		break;
	case CALL_MMAP:
		call->size = regs->rsi;
		call->arg2 = regs->rcx;
		break;
	case CALL_MREMAP:
		call->arg = regs->rdi;
		call->arg2 = regs->rsi;
		call->size = regs->rdx;
		call->entered_ns = bpf_ktime_get_ns();
		break;
	}
	return 0;
}

static int is_realloc(__u32 kind)
{
	return kind == CALL_REALLOC || kind == CALL_REALLOCARRAY;
}

static int enter_heap(struct registers *regs, struct thread *thread, __u64 sp, __u64 cookie)
{
	struct call *call = &thread->calls[DOMAIN_HEAP];
	__u32 kind = COOKIE_KIND(cookie);

	if (inside(call, sp, cookie))
		return 1;
	if (kind == CALL_FREE) {
		ledger__remove(thread, DOMAIN_HEAP, regs->rdi);
		return 1;
	}
	thread->last_freed = 0;
	/* No heap function is called within mmap: if one is, that call has been left unseen. */
	inside(&thread->calls[DOMAIN_MMAP], sp, cookie);
	begin(call, regs, sp, cookie);
	/*
	 * No exception gets past a return address that the kernel has replaced. An operator new that is bound
	 * to throw is therefore not probed: what asks for more than there is fails, as programs that test for
	 * it do.
	 */
	if (cookie & COOKIE_THROWS && call->size > throwing_limit) {
		call->cookie = 0;
		count_loss(LOSS_THROWING, 0);
		return 1;
	}
	/*
	 * Within realloc the old address can be free and handed out to another thread before the return is
	 * seen, so its entry leaves the table now. Its bytes stay in the totals until the outcome is known.
	 */
	if (is_realloc(kind) && call->arg)
		call->is_parked = ledger__park(thread, DOMAIN_HEAP, call->arg, &call->parked);
	return 0;
}

static int enter_mmap(struct registers *regs, struct thread *thread, __u64 sp, __u64 cookie)
{
	struct call *call = &thread->calls[DOMAIN_MMAP];
	struct event event = {.type = EVENT_MUNMAP};

	/* The allocator's own mappings are where the heap's blocks are: not counted a second time. */
	if (inside(&thread->calls[DOMAIN_HEAP], sp, cookie) || inside(call, sp, cookie))
		return 1;
	if (COOKIE_KIND(cookie) != CALL_MUNMAP)
		return begin(call, regs, sp, cookie);
	event.account = thread->account;
	event.arg[0] = regs->rdi;
	event.arg[1] = regs->rsi;
	send_event(&event);
	return 1;
}

__hidden int call__enter(struct registers *regs, __u64 cookie)
{
	__u64 sp = regs->rsp + COOKIE_SP_ADJUST(cookie);
	struct thread *thread;

	if (phase == PHASE_IDLE)
		return 1;
	thread = thread__current();
	if (!thread)
		return 1;
	count_tally(COOKIE_TALLY(cookie));
	if (phase != PHASE_RECORD)
		return 1;
	if (COOKIE_KIND(cookie) >= CALL_MMAP)
		return enter_mmap(regs, thread, sp, cookie);
	return enter_heap(regs, thread, sp, cookie);
}

static void realloc_done(struct thread *thread, struct call *call, __u64 block)
{
	if (!call->arg)
		return;
	if (!block && call->size) { /* failed: the old block lives on */
		if (call->is_parked)
			ledger__unpark(thread, DOMAIN_HEAP, call->arg, &call->parked);
	} else if (call->is_parked) {
		ledger__freed(&call->parked);
	} else {
		count_tally(TALLY_FREE_UNKNOWN);
	}
	call->is_parked = 0;
}

static __always_inline void leave_heap(struct registers *regs, struct thread *thread, struct call *call,
				       __u32 kind)
{
	__u64 block = regs->rax;

	thread->last_freed = 0;
	if (kind == CALL_POSIX_MEMALIGN) {
		if ((int)regs->rax) {
			block = 0;
		} else if (bpf_probe_read_user(&block, sizeof(block), (void *)call->arg)) {
			count_loss(LOSS_RESULT_UNREADABLE, call->size);
			return;
		}
	}
	if (is_realloc(kind))
		realloc_done(thread, call, block);
	if (block)
		ledger__add(regs, thread, DOMAIN_HEAP, block, call->size);
	else if (call->size || !is_realloc(kind) || !call->arg)
		count_tally(TALLY_FAILED);
}

static __always_inline void leave_mmap(struct registers *regs, struct thread *thread, struct call *call,
				       __u32 kind)
{
	struct event event = {};
	long total;

	if (regs->rax >= -4095ULL) { /* MAP_FAILED, or a raw error number */
		count_tally(TALLY_FAILED);
		return;
	}
	total = capture__total(regs, thread, DOMAIN_MMAP, call->size);
	if (total < 0)
		return;
	event.account = thread->account;
	event.total = total;
	if (kind == CALL_MREMAP) {
		event.type = EVENT_MREMAP;
		event.entered_ns = call->entered_ns;
		event.arg[0] = call->arg;
		event.arg[1] = call->arg2;
		event.arg[2] = regs->rax;
		event.arg[3] = call->size;
	} else {
		event.type = EVENT_MMAP;
		event.arg[0] = regs->rax;
		event.arg[1] = call->size;
		event.arg[2] = call->arg2;
	}
	send_event(&event);
}

__hidden int call__leave(struct registers *regs, __u64 cookie)
{
	__u32 kind = COOKIE_KIND(cookie), domain = kind >= CALL_MMAP ? DOMAIN_MMAP : DOMAIN_HEAP;
	struct thread *thread = thread__known();
	struct call *call;

	if (!thread)
		return 0;
	call = &thread->calls[domain];
	/* The return address has been popped: the stack pointer is one word above where it stood. */
	if (call->cookie != cookie || regs->rsp != call->sp + 8)
		return 0;
	count_tally(TALLY_RETURN);
	call->cookie = 0;
	if (domain == DOMAIN_MMAP)
		leave_mmap(regs, thread, call, kind);
	else
		leave_heap(regs, thread, call, kind);
	return 0;
}
