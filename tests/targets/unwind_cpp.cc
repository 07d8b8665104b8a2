// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Stacks of C++ that are hard to unwind (unwind_run.h). */
#include <algorithm>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>
#include "unwind_run.h"

namespace
{
NOINLINE int plain(int value)
{
	value = leaf(value + 1);
	KEEP(value);
	return value;
}

/* A call through Left or Right reaches Bottom's by a thunk, which adjusts this. */
struct Base {
	virtual ~Base() = default;
	virtual int run(int value) = 0;
	int base = 1;
};

struct Left : virtual Base {
	int run(int value) override
	{
		return value + left;
	}
	int left = 2;
};

struct Right : virtual Base {
	int run(int value) override
	{
		return value + right;
	}
	int right = 3;
};

struct Bottom : Left, Right {
	NOINLINE int run(int value) override
	{
		value = plain(value + left + right + base);
		KEEP(value);
		return value;
	}
};

Base *volatile some_base;
Right *volatile some_right;

int through_base(int value)
{
	Bottom bottom;

	some_base = &bottom;
	value = some_base->run(value);
	KEEP(value);
	return value;
}

int through_right(int value)
{
	Bottom bottom;

	some_right = &bottom;
	value = some_right->run(value);
	KEEP(value);
	return value;
}

struct Building {
	explicit Building(int value) : number(plain(value))
	{
		KEEP(number);
	}
	int number;
};

int in_constructor(int value)
{
	auto made = std::make_unique<Building>(value);

	return made->number;
}

struct Cleanup {
	int value;
	NOINLINE ~Cleanup()
	{
		value = plain(value);
		KEEP(value);
	}
};

struct Quiet {
	std::string text = "a string that is too long to be stored in place";
	int *counter;
	~Quiet()
	{
		++*counter;
	}
};

NOINLINE int thrower(int depth, int *counter)
{
	Quiet quiet{.counter = counter};

	if (!depth)
		throw std::runtime_error(quiet.text);
	depth = thrower(depth - 1, counter);
	KEEP(depth);
	return depth;
}

int in_catch(int value)
{
	int counter = 0;

	try {
		value = thrower(5, &counter);
	} catch (const std::exception &error) {
		value = plain(counter + error.what()[0]);
	}
	KEEP(value);
	return value;
}

/* A handler that throws another one, which is caught around it. */
int in_nested_catch(int value)
{
	int counter = 0;

	try {
		try {
			value = thrower(3, &counter);
		} catch (const std::runtime_error &) {
			value = thrower(2, &counter);
		}
	} catch (const std::exception &) {
		value = plain(counter);
	}
	KEEP(value);
	return value;
}

NOINLINE int throws_past_cleanup(int value)
{
	int counter = 0;
	Cleanup cleanup{value};

	value = thrower(2, &counter);
	KEEP(value);
	return value;
}

/* In a landing pad: libgcc has put the registers in place. */
int in_unwinding(int value)
{
	try {
		value = throws_past_cleanup(value);
	} catch (const std::exception &) {
		value++;
	}
	KEEP(value);
	return value;
}

/* From the personality's caller down: what is thrown is copied, and its constructor allocates. */
struct Thrown {
	Thrown() = default;
	Thrown(const Thrown &other) : number(plain(other.number))
	{
		KEEP(number);
	}
	int number = 3;
};

NOINLINE int throws_copy(const Thrown &thrown)
{
	throw thrown;
}

int in_throw(int value)
{
	Thrown thrown;

	try {
		value = throws_copy(thrown);
	} catch (Thrown &caught) {
		value = caught.number;
	}
	KEEP(value);
	return value;
}

int in_rethrown(int value)
{
	int counter = 0;
	std::exception_ptr kept_one;

	try {
		value = thrower(1, &counter);
	} catch (...) {
		kept_one = std::current_exception();
	}
	try {
		std::rethrow_exception(kept_one);
	} catch (const std::runtime_error &) {
		value = plain(counter);
	}
	KEEP(value);
	return value;
}

int in_function(int value)
{
	std::string text = "another string that is too long for its place";
	std::function<int(int)> function = [text](int number) {
		number = plain(number + static_cast<int>(text.size()));
		KEEP(number);
		return number;
	};

	value = function(value);
	KEEP(value);
	return value;
}

template <typename Type, int depth> struct Nested {
	NOINLINE static int run(Type value)
	{
		auto result = Nested<std::pair<Type, Type>, depth - 1>::run({value, value});
		KEEP(result);
		return result;
	}
};

template <typename Type> struct Nested<Type, 0> {
	static int run(Type)
	{
		return plain(3);
	}
};

int in_template(int value)
{
	value = Nested<int, 5>::run(value);
	KEEP(value);
	return value;
}

int in_sort(int value)
{
	std::vector<int> numbers(100);

	for (int &number : numbers)
		number = value = value * 1103515245 + 12345;
	std::sort(numbers.begin(), numbers.end(), [](int a, int b) {
		int result = plain(a ^ b);
		KEEP(result);
		return result < 0;
	});
	return numbers[3];
}

int in_list_sort(int value)
{
	std::list<int> numbers{3, 1, 2, value};

	numbers.sort([](int a, int b) {
		int result = plain(a ^ b);
		KEEP(result);
		return result < 0;
	});
	return numbers.front();
}

/* libstdc++'s own thread start. */
int in_thread(int value)
{
	std::thread thread([value, size = block_size, name = case_name] {
		int result;

		block_size = size;
		case_name = name;
		result = plain(value);
		KEEP(result);
	});

	thread.join();
	return value;
}

/* An allocator that the library's containers call. */
template <typename Type> struct Standing {
	using value_type = Type;
	Standing() = default;
	template <typename Other> Standing(const Standing<Other> &)
	{
	}
	NOINLINE Type *allocate(size_t count)
	{
		int value = plain(1);

		KEEP(value);
		return std::allocator<Type>().allocate(count);
	}
	void deallocate(Type *room, size_t count)
	{
		std::allocator<Type>().deallocate(room, count);
	}
	bool operator==(const Standing &) const
	{
		return true;
	}
};

int in_string(int value)
{
	std::basic_string<char, std::char_traits<char>, Standing<char>> text(100 + value, 'x');

	return text[3];
}

int in_map(int value)
{
	std::map<int, int, std::less<int>, Standing<std::pair<const int, int>>> map;

	map[value] = value + 1;
	return map.begin()->second;
}

int in_vector(int value)
{
	std::vector<int, Standing<int>> vector;

	vector.push_back(value);
	return vector[0];
}

/* operator new asks its handler for memory, and the handler is a function of ours. */
void out_of_memory()
{
	int value = plain(1);

	KEEP(value);
	std::set_new_handler(nullptr);
}

int in_new_handler(int value)
{
	std::set_new_handler(out_of_memory);
	try {
		kept = ::operator new(static_cast<size_t>(1) << 62);
	} catch (const std::bad_alloc &) {
		value++;
	}
	return value;
}

const struct unwind_case cases[] = {
	{"virtual base", through_base, 1},
	{"virtual right", through_right, 1},
	{"constructor", in_constructor, 1},
	{"catch", in_catch, 1},
	{"nested catch", in_nested_catch, 1},
	{"unwinding", in_unwinding, 1},
	{"throw", in_throw, 1},
	{"rethrown", in_rethrown, 1},
	{"function", in_function, 1},
	{"template", in_template, 1},
	{"sort", in_sort, 1},
	{"list sort", in_list_sort, 1},
	{"thread", in_thread, 1},
	{"string", in_string, 1},
	{"map", in_map, 1},
	{"vector", in_vector, 1},
	{"new handler", in_new_handler, 1},
	{"main", in_unwinding, 1},
};
} // namespace

int main()
{
	return run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}
