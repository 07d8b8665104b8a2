// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One of many small libraries: -DNUMBER=… tells them apart. One of its functions allocates. */
#include <stdlib.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define NAME(name)  JOIN(JOIN(name, _), NUMBER)

int NAME(sum)(const int *values, int count);
int NAME(largest)(const int *values, int count);
void *allocate(size_t size);

int NAME(sum)(const int *values, int count)
{
	int sum = NUMBER;

	for (int i = 0; i < count; i++)
		sum += values[i];
	return sum;
}

int NAME(largest)(const int *values, int count)
{
	int largest = NUMBER;

	for (int i = 0; i < count; i++)
		largest = values[i] > largest ? values[i] : largest;
	return largest;
}

/* The same name in all: each is found in its own library by dlsym. */
void *allocate(size_t size)
{
	return malloc(size + NUMBER);
}
