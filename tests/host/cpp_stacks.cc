// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Calls stand_still() under C++'s ways of calling: callbacks of templates and of libstdc++, virtual bases,
// lambdas, destructors while an exception passes, threads, and the handlers of operator new and of terminate.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <new>
#include <regex>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" __attribute__((noinline)) int stand_still(int value)
{
	__asm__ volatile("" : "+r"(value)::"memory");
	return value;
}

struct base {
	virtual ~base() = default;
	virtual int run(int value) = 0;
};
struct left : virtual base {
	int number = 1;
};
struct right : virtual base {
	int number = 2;
};
struct both : left, right {
	int run(int value) override
	{
		return stand_still(value + left::number) + right::number;
	}
};

struct guard {
	int value;
	~guard()
	{
		stand_still(value);
	}
};

static __attribute__((noinline)) int throws(int value)
{
	std::vector<std::string> locals(2, std::string(50, 'y'));
	guard one{value};

	if (stand_still(value) >= 0)
		throw std::runtime_error(locals[0] + "thrown");
	return value;
}

static __attribute__((noinline)) int caught(int value)
{
	try {
		return throws(value);
	} catch (const std::exception &error) {
		return stand_still(value) + std::string(error.what()).size();
	}
}

struct buffer : std::streambuf {
	int overflow(int character) override
	{
		return stand_still(character);
	}
	std::streamsize xsputn(const char *, std::streamsize size) override
	{
		return stand_still(size);
	}
};

/* Of letters that take their time to be found equal. */
struct traits : std::regex_traits<char> {
	char translate(char letter) const
	{
		return stand_still(letter);
	}
};

static __attribute__((noinline)) void too_much()
{
	std::set_new_handler([] {
		stand_still(1);
		std::set_new_handler(nullptr);
	});
	delete new (std::nothrow) char[1ul << 62];
}

int main()
{
	std::vector<int> numbers{3, 1, 2};
	std::map<std::string, int, std::function<bool(const std::string &, const std::string &)>> words(
		[](const std::string &a, const std::string &b) { return stand_still(a < b); });
	std::once_flag once;
	both object;
	right *part = &object;
	buffer writes;
	std::ostream stream(&writes);
	std::function<int(int)> call = [&](int value) { return part->run(value) + caught(value); };

	std::sort(numbers.begin(), numbers.end(), [&](int a, int b) { return call(a) * 0 + a < b; });
	words["a"] = words["b"] = 1;
	std::thread([&] { call(2); }).join();
	std::call_once(once, call, 3);
	stream << 3.25 << std::endl;
	std::regex_match("aab", std::basic_regex<char, traits>("(a|b)*b", std::regex::icase));
	too_much();
	std::set_terminate([] {
		stand_still(4);
		_exit(0);
	});
	throws(5);
}
