// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <yajl/yajl_gen.h>
#include "report/parts.h"
#include "report/safe.h"

#define NS_PER_MS 1000000ull

/* yajl refuses what cannot follow what it wrote; the first refusal is kept. */
struct writer {
	yajl_gen json;
	FILE *out;
	bool failed;
};

static void check(struct writer *writer, yajl_gen_status status)
{
	if (status != yajl_gen_status_ok && status != yajl_gen_generation_complete)
		writer->failed = true;
}

static void write_out(void *context, const char *text, size_t length)
{
	struct writer *writer = context;

	fwrite(text, 1, length, writer->out);
}

static void put_string_n(struct writer *writer, const char *text, size_t length)
{
	char *copy = malloc(3 * length + 1); /* U+FFFD takes three bytes */
	size_t used = 0;
	uint32_t code;

	if (!copy) {
		writer->failed = true;
		return;
	}
	for (size_t i = 0; i < length;) {
		char bytes[4];
		size_t size;

		i += utf8__decode(text + i, length - i, &code);
		size = utf8__encode(code, bytes);
		memcpy(copy + used, bytes, size);
		used += size;
	}
	check(writer, yajl_gen_string(writer->json, (const unsigned char *)copy, used));
	free(copy);
}

static void put_string(struct writer *writer, const char *text)
{
	put_string_n(writer, text, strlen(text));
}

/* Names are null where they are not known. */
static void put_name(struct writer *writer, const char *text)
{
	if (*text)
		put_string(writer, text);
	else
		check(writer, yajl_gen_null(writer->json));
}

static void put_integer(struct writer *writer, const char *key, int64_t value)
{
	put_string(writer, key);
	check(writer, yajl_gen_integer(writer->json, value));
}

static void put_unsigned(struct writer *writer, const char *key, uint64_t value)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRIu64, value);

	put_string(writer, key);
	check(writer, yajl_gen_number(writer->json, text, (size_t)length));
}

/* @thousandths / 1000, with as many decimals as it has but at least one; no locale's comma, no
 * 0.30000000000000004. */
static void put_thousandths(struct writer *writer, const char *key, uint64_t thousandths)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%" PRIu64 ".%03u", thousandths / 1000,
			      (unsigned)(thousandths % 1000));

	while (text[length - 1] == '0' && text[length - 2] != '.')
		length--;
	put_string(writer, key);
	check(writer, yajl_gen_number(writer->json, text, (size_t)length));
}

static void put_key(struct writer *writer, const char *key, const char *text)
{
	put_string(writer, key);
	put_string(writer, text);
}

static void put_true(struct writer *writer, const char *key)
{
	put_string(writer, key);
	check(writer, yajl_gen_bool(writer->json, 1));
}

static void put_key_name(struct writer *writer, const char *key, const char *name)
{
	put_string(writer, key);
	put_name(writer, name);
}

static void open_map(struct writer *writer, const char *key)
{
	if (key)
		put_string(writer, key);
	check(writer, yajl_gen_map_open(writer->json));
}

static void close_map(struct writer *writer)
{
	check(writer, yajl_gen_map_close(writer->json));
}

static void open_array(struct writer *writer, const char *key)
{
	put_string(writer, key);
	check(writer, yajl_gen_array_open(writer->json));
}

static void close_array(struct writer *writer)
{
	check(writer, yajl_gen_array_close(writer->json));
}

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[LOCATION_NATIVE] = "native", [LOCATION_PYTHON] = "python",   [LOCATION_KERNEL] = "kernel",
		[LOCATION_JIT] = "jit",       [LOCATION_UNKNOWN] = "unknown",
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}

static void put_sizes(struct writer *writer, const struct stat_values *values)
{
	put_integer(writer, "size", values->size);
	put_integer(writer, "size_diff", values->size_diff);
	put_integer(writer, "count", values->count);
	put_integer(writer, "count_diff", values->count_diff);
}

static void put_values(struct writer *writer, const struct stat_values *values)
{
	put_sizes(writer, values);
	put_integer(writer, "allocated", values->allocated);
	put_integer(writer, "freed", values->freed);
	put_integer(writer, "allocated_count", values->allocated_count);
	put_integer(writer, "freed_count", values->freed_count);
}

static void put_traceback(struct writer *writer, const struct view *view, const struct statistic *stat)
{
	const struct view_traceback *traceback = &view->tracebacks.items[stat->traceback];

	open_array(writer, "traceback");
	for (uint32_t i = 0; i < traceback->count; i++) {
		const struct view_frame *frame = &view->frames.items[traceback->first + i];

		open_map(writer, NULL);
		put_key_name(writer, "function", frame->function);
		put_key_name(writer, "file", frame->file);
		put_integer(writer, "line", frame->line);
		put_key_name(writer, "module", frame->module);
		put_key(writer, "kind", kind_name(frame->kind));
		put_unsigned(writer, "module_offset", frame->module_offset);
		if (frame->inlined)
			put_true(writer, "inlined");
		close_map(writer);
	}
	close_array(writer);
}

static void put_statistic(struct writer *writer, const struct view *view, const struct statistic *stat)
{
	open_map(writer, NULL);
	put_key_name(writer, "file", stat->frame.file);
	put_integer(writer, "line", stat->frame.line);
	put_key_name(writer, "function", stat->frame.function);
	put_key_name(writer, "module", stat->frame.module);
	put_unsigned(writer, "module_offset", stat->frame.module_offset);
	put_key(writer, "domain", stat->domain);
	put_key_name(writer, "type", stat->type);
	put_values(writer, &stat->values);
	put_traceback(writer, view, stat);
	close_map(writer);
}

static void put_domains(struct writer *writer, const char *domains)
{
	open_array(writer, "domains");
	while (*domains) {
		size_t length = strcspn(domains, "+");

		if (length)
			put_string_n(writer, domains, length);
		domains += length + (domains[length] == '+');
	}
	close_array(writer);
}

static void put_loss(struct writer *writer, const char *key, const struct loss_counter *loss,
		     const char *meaning)
{
	if (!loss->events && !loss->bytes)
		return;
	open_map(writer, key);
	put_unsigned(writer, "events", loss->events);
	put_unsigned(writer, "bytes", loss->bytes);
	put_key(writer, "meaning", meaning);
	close_map(writer);
}

static void put_losses(struct writer *writer, const struct report_info *info)
{
	open_map(writer, "losses");
#define PUT_LOSS(name, key, meaning, advice) put_loss(writer, key, &info->losses[LOSS_##name], meaning);
	LOSSES(PUT_LOSS)
#undef PUT_LOSS
	close_map(writer);
}

static void put_overhead(struct writer *writer, const struct report_info *info)
{
	double percent = info->overhead_percent;

	open_map(writer, "overhead");
	put_unsigned(writer, "events", info->events);
	if (percent >= 0 && percent < 1e12) {
		put_thousandths(writer, "percent", (uint64_t)llround(percent * 1000));
	} else {
		put_string(writer, "percent");
		check(writer, yajl_gen_null(writer->json));
	}
	close_map(writer);
}

static void put_rss(struct writer *writer, const struct report_info *info)
{
	if (info->rss >= 0) {
		put_integer(writer, "rss", info->rss);
		put_integer(writer, "rss_diff", info->rss_diff);
		return;
	}
	put_string(writer, "rss");
	check(writer, yajl_gen_null(writer->json));
	put_string(writer, "rss_diff");
	check(writer, yajl_gen_null(writer->json));
}

/* What came after the first readers were written: fields are added at the end, never renamed. */
static void put_additions(struct writer *writer, const struct view *view, const struct report_info *info)
{
	if (info->title)
		put_key(writer, "title", info->title);
	if (info->from_ns)
		put_thousandths(writer, "from", info->from_ns / NS_PER_MS);
	put_unsigned(writer, "free_unknown", info->free_unknown);
	open_map(writer, "hidden");
	put_unsigned(writer, "stats", view->hidden_count);
	put_integer(writer, "size", view->hidden.size);
	put_integer(writer, "count", view->hidden.count);
	put_integer(writer, "size_diff", view->hidden.size_diff);
	put_integer(writer, "count_diff", view->hidden.count_diff);
	close_map(writer);
	if (!info->notes || !*info->notes)
		return;
	open_array(writer, "notes");
	for (const char *const *note = info->notes; *note; note++)
		put_string(writer, *note);
	close_array(writer);
}

static void put_report(struct writer *writer, const struct view *view, const struct report_info *info)
{
	uint64_t elapsed = info->from_ns && info->to_ns > info->from_ns ? info->to_ns - info->from_ns : 0;

	open_map(writer, NULL);
	put_key(writer, "schema", "memwatch.diff/1");
	put_thousandths(writer, "time", info->to_ns / NS_PER_MS);
	put_thousandths(writer, "elapsed", elapsed / NS_PER_MS);
	put_integer(writer, "pid", info->pid);
	put_key(writer, "comm", info->comm);
	put_key(writer, "mode", info->mode);
	put_domains(writer, info->domains);
	put_key(writer, "group_by", group_by__name(info->group_by));
	put_rss(writer, info);
	open_map(writer, "total");
	put_values(writer, &view->total);
	close_map(writer);
	open_array(writer, "stats");
	for (size_t i = 0; i < view->stats.count; i++)
		put_statistic(writer, view, &view->stats.items[i]);
	close_array(writer);
	put_losses(writer, info);
	put_overhead(writer, info);
	put_additions(writer, view, info);
	close_map(writer);
}

int report__json(FILE *out, const struct view *view, const struct report_info *info)
{
	struct writer writer = {0};
	size_t length = 0;
	char *text = NULL;
	int err = -ENOMEM;

	writer.out = open_memstream(&text, &length);
	if (!writer.out)
		return -ENOMEM;
	writer.json = yajl_gen_alloc(NULL);
	if (writer.json) {
		yajl_gen_config(writer.json, yajl_gen_print_callback, write_out, &writer);
		yajl_gen_config(writer.json, yajl_gen_validate_utf8, 1);
		put_report(&writer, view, info);
		yajl_gen_free(writer.json);
		fputc('\n', writer.out);
		err = writer.failed || ferror(writer.out) ? -ENOMEM : 0;
	}
	if (fclose(writer.out) && !err)
		err = -ENOMEM;
	/* In one piece: a reader never sees half a line for want of memory. */
	if (!err)
		err = report__write(out, text, length);
	free(text);
	return err;
}
