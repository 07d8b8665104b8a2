// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Stacks of C and of assembly that are hard to unwind (unwind_run.h).
 *
 * usage: unwind_cases [DEPTH...]: instead, stacks of so many calls
 */
#include <alloca.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "unwind_run.h"

static NOINLINE int plain(int value)
{
	return leaf(value + 1) + 1;
}

static NOINLINE int with_alloca(int value)
{
	char *room = alloca(value * 16 + 100);

	memset(room, value, value * 16 + 100);
	return plain(value) + room[value];
}

static NOINLINE int with_array(int value)
{
	char room[value * 8 + 1];

	memset(room, value, sizeof(room));
	return plain(value) + room[value];
}

/* Over-aligned locals beside alloca: the frame is reached by a pointer that is saved on the stack. */
static NOINLINE int realigned(int value)
{
	_Alignas(64) char aligned[64];
	char *room = alloca(value * 32 + 1);

	memset(aligned, value, sizeof(aligned));
	memset(room, value, value * 32 + 1);
	return with_alloca(value) + aligned[value & 63] + room[0];
}

/* Such a frame, called by such a frame: each caller's rbp is where its own frame keeps it. */
static NOINLINE int realigned_twice(int value)
{
	_Alignas(128) char aligned[128];

	memset(aligned, value, sizeof(aligned));
	value = realigned(value + 1);
	return value + aligned[value & 127];
}

#include "unwind_inlined.h"

static NOINLINE int recurse(int left)
{
	int value = left > 0 ? recurse(left - 1) : plain(left);

	KEEP(value);
	return value + 1;
}

/* Two functions that call each other, one of them inlined. */
static inline __attribute__((always_inline)) int pong(int left, int (*next)(int))
{
	int value = next(left - 1);

	KEEP(value);
	return value * 2;
}

static NOINLINE int ping(int left)
{
	int value = left > 0 ? pong(left, ping) : plain(left);

	KEEP(value);
	return value + 1;
}

static NOINLINE int inlined(int value)
{
	return inlined_32(value) + 1;
}

/* Ends in a tail call where the compiler optimizes. */
static NOINLINE int tail(int value)
{
	return plain(value * 3);
}

static NOINLINE int through_tail(int value)
{
	return tail(value) + 1;
}

/* Its call is its last instruction: the address to return to is the next function's. */
static NOINLINE __attribute__((noreturn)) void no_return(int value)
{
	plain(value);
	_exit(4);
}

static NOINLINE int calls_no_return(int value)
{
	if (value)
		no_return(value);
	return value;
}

static int compare(const void *a, const void *b)
{
	return plain(*(const int *)a - *(const int *)b);
}

/* Called back through libc's code, which has no frame pointers. */
static NOINLINE int callback(int value)
{
	int numbers[] = {3, 1, 2};

	qsort(numbers, 3, sizeof(numbers[0]), compare);
	return numbers[0] + value;
}

static NOINLINE int callback_of_search(int value)
{
	int numbers[] = {1, 2, 3};

	return bsearch(&value, numbers, 3, sizeof(numbers[0]), compare) ? 1 : value;
}

static void once(void)
{
	plain(1);
}

static NOINLINE int callback_once(int value)
{
	pthread_once_t control = PTHREAD_ONCE_INIT;

	pthread_once(&control, once);
	return value;
}

static void on_signal(int number)
{
	plain(number);
}

static void on_signal_with_context(int number, siginfo_t *info, void *context)
{
	plain(number + info->si_signo + (context != NULL));
}

static NOINLINE int in_signal(int value)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	return value;
}

/* The handler's stack is another one, above or below. */
static NOINLINE int in_signal_on_stack(int value)
{
	static char room[65536];
	struct sigaction action = {.sa_sigaction = on_signal_with_context,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t stack = {.ss_sp = room, .ss_size = sizeof(room)};

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR2, &action, NULL);
	raise(SIGUSR2);
	return value;
}

/* A fault, in an instruction that is no call. */
static NOINLINE int in_fault(int value)
{
	struct sigaction action = {.sa_sigaction = on_signal_with_context, .sa_flags = SA_SIGINFO};
	volatile int *nowhere = (volatile int *)(size_t)(value & 8);

	sigaction(SIGSEGV, &action, NULL);
	return *nowhere + value;
}

/* A handler that interrupts a handler. */
static void on_outer_signal(int number)
{
	raise(SIGUSR1);
	KEEP(number);
}

static NOINLINE int in_signal_in_signal(int value)
{
	struct sigaction action = {.sa_handler = on_signal}, outer = {.sa_handler = on_outer_signal};

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGURG, &outer, NULL);
	raise(SIGURG);
	return value;
}

static __thread ucontext_t outside, inside;

static void coroutine(void)
{
	int value = plain(1);

	KEEP(value);
}

static void coroutine_below(void)
{
	int value = plain(3);

	KEEP(value);
}

static void *new_stack(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static NOINLINE int switched(int value)
{
	getcontext(&inside);
	inside.uc_stack.ss_size = 65536;
	inside.uc_stack.ss_sp = new_stack(inside.uc_stack.ss_size);
	inside.uc_link = &outside;
	makecontext(&inside, coroutine, 0);
	swapcontext(&outside, &inside);
	return value;
}

/* Out of a coroutine, and into it again. */
static void resumed_coroutine(void)
{
	int value;

	swapcontext(&inside, &outside);
	value = plain(2);
	KEEP(value);
}

static NOINLINE int resumed(int value)
{
	getcontext(&inside);
	inside.uc_stack.ss_size = 65536;
	inside.uc_stack.ss_sp = new_stack(inside.uc_stack.ss_size);
	inside.uc_link = &outside;
	makecontext(&inside, resumed_coroutine, 0);
	swapcontext(&outside, &inside);
	swapcontext(&outside, &inside);
	return value;
}

/* The coroutine's stack is a part of its maker's: a frame pointer that is left over leads out of it. */
static NOINLINE int switched_below(int value)
{
	char room[32768];

	getcontext(&inside);
	inside.uc_stack.ss_size = sizeof(room);
	inside.uc_stack.ss_sp = room;
	inside.uc_link = &outside;
	makecontext(&inside, coroutine_below, 0);
	swapcontext(&outside, &inside);
	return value + room[0];
}

/* A thread without libpthread, which has what belongs to a thread of its maker's. */
static int cloned_main(void *argument)
{
	plain(1);
	KEEP(argument);
	return 0;
}

static NOINLINE int cloned(int value)
{
	char *stack = new_stack(262144);

	clone(cloned_main, stack + 262144,
	      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL);
	while (!released)
		pause();
	return value;
}

/* unwind_assembly.S: each calls @next(@value) from a frame of its own kind. */
#define ASSEMBLY(name)                                                                                       \
	int assembly_##name(int (*next)(int value), int value);                                              \
	static NOINLINE int in_##name(int value)                                                             \
	{                                                                                                    \
		value = assembly_##name(plain, value);                                                       \
		KEEP(value);                                                                                 \
		return value + 1;                                                                            \
	}
ASSEMBLY(rbx)
ASSEMBLY(aligned)
ASSEMBLY(aligned_early)
ASSEMBLY(pushes)
ASSEMBLY(pointer)
ASSEMBLY(section)
ASSEMBLY(far)
ASSEMBLY(undefined)
ASSEMBLY(moved)

/* All of them, in one stack. */
static int chain_4(int value)
{
	value = assembly_pushes(plain, value);
	KEEP(value);
	return value;
}

static int chain_3(int value)
{
	value = assembly_aligned(chain_4, value);
	KEEP(value);
	return value;
}

static int chain_2(int value)
{
	value = assembly_rbx(chain_3, value);
	KEEP(value);
	return value;
}

static NOINLINE int in_chain(int value)
{
	value = assembly_rbx(chain_2, value);
	KEEP(value);
	return realigned(value) + value;
}

static const struct unwind_case cases[] = {
	{"plain", plain, 1},
	{"alloca", with_alloca, 1},
	{"array", with_array, 1},
	{"realigned", realigned, 1},
	{"realigned twice", realigned_twice, 1},
	{"deep", recurse, 100},
	{"inlined recursion", ping, 20},
	{"inlined", inlined, 1},
	{"tail", through_tail, 1},
	{"no return", calls_no_return, 1},
	{"qsort", callback, 1},
	{"bsearch", callback_of_search, 1},
	{"once", callback_once, 1},
	{"signal", in_signal, 1},
	{"signal on a stack", in_signal_on_stack, 1},
	{"fault", in_fault, 1},
	{"signal in signal", in_signal_in_signal, 1},
	{"switched", switched, 1},
	{"switched below", switched_below, 1},
	{"resumed", resumed, 1},
	{"rbx", in_rbx, 1},
	{"aligned", in_aligned, 1},
	{"aligned early", in_aligned_early, 1},
	{"pushes", in_pushes, 1},
	{"pointer", in_pointer, 1},
	{"section", in_section, 1},
	{"far", in_far, 1},
	{"undefined", in_undefined, 1},
	{"moved", in_moved, 1},
	{"chain", in_chain, 1},
	{"cloned", cloned, 1},
	{"main", realigned, 1},
};

int main(int argc, char **argv)
{
	static struct unwind_case depths[16];
	size_t count = 0;

	if (argc == 1)
		return run_cases(cases, sizeof(cases) / sizeof(cases[0]));
	for (; argc > 1 + (int)count && count < 16; count++)
		depths[count] = (struct unwind_case){argv[count + 1], recurse, atoi(argv[count + 1])};
	return run_cases(depths, count);
}
