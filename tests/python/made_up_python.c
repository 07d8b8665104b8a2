// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Looks like an interpreter (3.8 unless told otherwise) as far as its symbols and the first structs go, and
 * no further: one interpreter with one thread that runs no Python code. What is wrong with it is for -D to
 * say.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef KEYS
#define KEYS 0
#endif
#ifndef TEXT
#define TEXT "3.8.18"
#endif

/* Include/internal/pycore_pystate.h of 3.8 */
#define HEAD_AT         32
#define KEY_MADE_AT     1392
#define KEY_AT          1396
#define FIRST_THREAD_AT 8
#define NEXT_THREAD_AT  8
#define INTERPRETER_AT  16
#define FRAME_AT        24
#define THREAD_ID_AT    176

#ifdef NO_RUNTIME
#define _PyRuntime by_another_name
#endif
uint8_t _PyRuntime[2048];
static uint8_t interpreter[1024], state[1024], junk[1024];

#ifdef HEX
const unsigned long Py_Version = HEX;
#endif

#ifdef PYPY
int pypy_main_startup(void)
{
	return 0;
}
#endif

const char *Py_GetVersion(void)
{
	return TEXT;
}

/* Its last act is to jump to another function, and what it hardly ever does stands elsewhere. */
__attribute__((noinline)) int another(const uint8_t *code)
{
	return puts((const char *)code);
}

__attribute__((cold, noinline)) void never(const char *what)
{
	puts(what);
}

int _PyEval_EvalFrameDefault(const uint8_t *code)
{
	int sum = 0;
#ifndef NO_LOOP
	static const void *const targets[] = {&&add, &&subtract, &&end};

	goto *targets[*code++ % 3];
add:
	sum += puts("add");
	goto *targets[*code++ % 3];
subtract:
	sum -= puts("subtract");
	goto *targets[*code++ % 3];
end:
	if (sum == 3)
		never((const char *)code + sum);
#endif
	if (sum)
		return another(code);
	return *code;
}

static void put(uint8_t *bytes, size_t at, uint64_t word)
{
	memcpy(bytes + at, &word, sizeof(word));
}

static void damage(void)
{
#ifdef DEBUG_HEX
	memset(_PyRuntime, 0, sizeof(_PyRuntime));
#ifdef DEBUG_FILL
	memset(_PyRuntime, DEBUG_FILL, sizeof(_PyRuntime));
#endif
	memcpy(_PyRuntime, "xdebugpy", 8);
	put(_PyRuntime, 8, DEBUG_HEX);
#ifndef FREE_THREADED
#define FREE_THREADED 0
#endif
	put(_PyRuntime, 16, FREE_THREADED);
#endif
#ifdef NOT_STARTED
	put(_PyRuntime, HEAD_AT, 0);
#endif
#ifdef WRONG_INTERPRETER
	put(state, INTERPRETER_AT, (uintptr_t)junk);
#endif
#ifdef ENDLESS
	put(state, NEXT_THREAD_AT, (uintptr_t)state);
#endif
#ifdef NO_THREAD
	put(interpreter, FIRST_THREAD_AT, 0);
#endif
#ifdef WRONG_THREAD
	put(state, THREAD_ID_AT, (uintptr_t)junk);
#endif
#ifdef WRONG_FRAME
	put(state, FRAME_AT, (uintptr_t)junk);
#endif
}

int main(void)
{
	pthread_key_t key;
	uint32_t number;
	char byte;

	for (int i = 0; i <= KEYS; i++)
		pthread_key_create(&key, NULL);
	pthread_setspecific(key, state);
	number = key;
	memcpy(_PyRuntime + KEY_AT, &number, sizeof(number));
	number = 1;
	memcpy(_PyRuntime + KEY_MADE_AT, &number, sizeof(number));
	put(_PyRuntime, HEAD_AT, (uintptr_t)interpreter);
	put(interpreter, FIRST_THREAD_AT, (uintptr_t)state);
	put(state, INTERPRETER_AT, (uintptr_t)interpreter);
	put(state, THREAD_ID_AT, (uintptr_t)pthread_self());
	put(junk, 0, 1);
	damage();
	puts("ready");
	fflush(stdout);
	return read(0, &byte, 1) > 0 ? _PyEval_EvalFrameDefault(junk) : 0;
}
