// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Every variant of operator new and delete. Prints "expect LINE BYTES BLOCKS" for what it keeps, and
// "aligned LINE BYTES BLOCKS" where the alignment is part of the call: not every allocator has those
// operators.
#include <cstdio>
#include <cstdlib>
#include <new>

template <typename T> static T *opaque(T *value)
{
	__asm__ volatile("" : "+r"(value)::"memory");
	return value;
}

struct alignas(64) wide {
	char bytes[192];
};

static int rounds = 10;

#define KEEP_AS(what, size, call)                                                                            \
	for (int i_ = 0; i_ < rounds; i_++)                                                                  \
		if (!opaque(call))                                                                           \
			abort();                                                                             \
	std::printf(what " %d %zu %d\n", __LINE__, static_cast<std::size_t>(size) * rounds, rounds)

#define KEEP(size, call)         KEEP_AS("expect", size, call)
#define KEEP_ALIGNED(size, call) KEEP_AS("aligned", size, call)

static void keep_each()
{
	const std::align_val_t align{128};

	KEEP(101, ::operator new(101));
	KEEP(102, ::operator new[](102));
	KEEP(103, ::operator new(103, std::nothrow));
	KEEP(104, ::operator new[](104, std::nothrow));
	KEEP_ALIGNED(256, ::operator new(256, align));
	KEEP_ALIGNED(384, ::operator new[](384, align));
	KEEP_ALIGNED(512, ::operator new(512, align, std::nothrow));
	KEEP_ALIGNED(640, ::operator new[](640, align, std::nothrow));
	KEEP(sizeof(long), new long(3));
	KEEP_ALIGNED(sizeof(wide), new wide);
}

static void release_each()
{
	const std::align_val_t align{128};

	for (int i = 0; i < rounds; i++) {
		::operator delete(opaque(::operator new(201)));
		::operator delete (opaque(::operator new(202)), std::size_t{202});
		::operator delete(opaque(::operator new(203, std::nothrow)), std::nothrow);
		::operator delete[](opaque(::operator new[](204)));
		::operator delete[](opaque(::operator new[](205)), std::size_t{205});
		::operator delete[](opaque(::operator new[](206, std::nothrow)), std::nothrow);
		::operator delete(opaque(::operator new(256, align)), align);
		::operator delete (opaque(::operator new(256, align)), std::size_t{256}, align);
		::operator delete(opaque(::operator new(256, align, std::nothrow)), align, std::nothrow);
		::operator delete[](opaque(::operator new[](256, align)), align);
		::operator delete[](opaque(::operator new[](256, align)), std::size_t{256}, align);
		::operator delete[](opaque(::operator new[](256, align, std::nothrow)), align, std::nothrow);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		rounds = std::atoi(argv[1]);
	release_each();
	keep_each();
	release_each();
	return 0;
}
