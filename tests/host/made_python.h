/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A thread that runs Python, made up: native frames on its stack, and in its memory what the interpreter
 * would have there.
 *
 * Stacks are written from the inside out. "b[AC]d": the function b, called from Python's A, called from C by
 * the same native evaluation frame, which was called from d. In brackets a capital is a code object; a small
 * letter is the same in a frame that has not begun yet, and with * behind it in a generator's. Outside, < is
 * a function of which the evaluation function follows at once.
 */
#ifndef MEMWATCH_HOST_MADE_PYTHON_H
#define MEMWATCH_HOST_MADE_PYTHON_H

#include "machine.h"

#define MADE_HEAP        0x20000000ull
#define MADE_HEAP_BYTES  0x40000u
#define MADE_STATE       (MADE_HEAP + 0x100)
#define MADE_OTHERS      (MADE_HEAP + 0x400)   /* the state of another thread */
#define MADE_CFRAMES     (MADE_HEAP + 0x38000) /* the innermost, and those further out */
#define MADE_CODES       (MADE_HEAP + 0x1000)
#define MADE_CODE_BYTES  512
#define MADE_FRAMES      (MADE_HEAP + 0x8000)
#define MADE_FRAME_BYTES PYTHON_FRAME_BYTES
#define MADE_RUNTIME     0x600000ull
#define MADE_FS_BASE     0x7e0000000000ull
#define MADE_SLOT        1
#define MADE_TRACEABLE   4 /* in code units */
#define MADE_SHOWN_MAX   1024

/* How the thread finds its state. */
enum made_way { MADE_CURRENT, MADE_KEY_LOW, MADE_KEY_HIGH, MADE_MUSL, MADE_WAYS };

struct made_version {
	const char *name;
	struct python_layout layout;
};
extern const struct made_version made_versions[];
extern const size_t made_version_count;

struct made_python {
	struct python_layout *layout; /* that the programs see */
	struct machine_process *process;
	struct machine_thread *machine;
	struct thread *walker;
	__u32 account;
	size_t frame_count;             /* of Python, shims too */
	__s32 shown_at[MADE_SHOWN_MAX]; /* the instructions of those that are to be shown */
	size_t shown_count;
	size_t cframe_count;
};

struct made_python *made_python__new(const struct made_version *version, enum made_way way);
void made_python__free(struct made_python *made);

/* Whether an evaluation frame of that version runs but one frame. */
bool made_python__is_single(const struct made_python *made);
void made_python__stack(struct made_python *made, const char *written);
/* The native frames end at the @count-th: its caller's frame pointer is @fp. */
void made_python__cut(struct made_python *made, size_t count, __u64 fp);
/* Whichever is @state is found in the thread's way. */
void made_python__set_state(struct made_python *made, enum made_way way, __u64 state);
/* Of frame @number, from the innermost. */
__u64 made_python__frame(size_t number);
__u64 made_python__code(char letter);
/* Sets the field at @offset of the struct at @address. */
void made_python__put(struct made_python *made, __u64 address, __u32 offset, __u64 value, size_t bytes);
/* The layout is another from now on: nothing that was found with the one before counts. */
void made_python__changed(struct made_python *made);

const struct stack_value *made_python__walk(struct made_python *made);
/* As it is written, but # for an evaluation frame whose Python frames are not there, ? for a code object
 * without a number, ! for one with a number that user space was not told of, or for no known function. In
 * @text. */
char *made_python__write(const struct stack_value *stack, char text[STACK_FRAMES_MAX + 1]);
/* What should be written of the stack that is written so, however long it is. */
void made_python__expect(const char *written, bool is_single, char *expected);

#endif
