// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * debugfs: the stream of samples, for tools and tests (see samples_stream.h), and
 * the ranges of all address spaces with their heat. While the stream is open it
 * has all samples, and nothing is classified or moved.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "samples_stream.h"
#include "tiermem.h"

/* The producers cannot wake a reader (they may be in NMI): it looks again. */
#define POLL_INTERVAL (HZ / 20)
#define RECORDS_PER_READ 64

/* One open file. */
struct stream {
	struct tiermem *tm;
	bool started;			/* the sampler, by this file */
	struct mutex lock;		/* one reader at a time */
	unsigned int next_cpu;
	struct tiermem_record records[RECORDS_PER_READ];
	struct tiermem_stream_sample samples[RECORDS_PER_READ];
};

static int samples_open(struct inode *inode, struct file *file)
{
	struct tiermem *tm = inode->i_private;
	struct stream *stream;
	int ret;

	if (atomic_cmpxchg(&tm->stream_users, 0, 1))
		return -EBUSY;
	stream = kvzalloc(sizeof(*stream), GFP_KERNEL);
	if (!stream) {
		atomic_set(&tm->stream_users, 0);
		return -ENOMEM;
	}
	stream->tm = tm;
	mutex_init(&stream->lock);
	ret = tiermem_sampler_start(&tm->sampler);
	stream->started = !ret;
	if (ret && ret != -EBUSY) {
		kvfree(stream);
		atomic_set(&tm->stream_users, 0);
		return ret;
	}
	tiermem_tiering_pause(tm);
	tiermem_get(tm);
	file->private_data = stream;
	return nonseekable_open(inode, file);
}

static int samples_release(struct inode *inode, struct file *file)
{
	struct stream *stream = file->private_data;
	struct tiermem *tm = stream->tm;

	tiermem_tiering_resume(tm, stream->started);
	atomic_set(&tm->stream_users, 0);
	kvfree(stream);
	tiermem_put(tm);
	return 0;
}

static void convert(struct stream *stream, unsigned int cpu, unsigned int nr)
{
	const u32 weight = READ_ONCE(stream->tm->sampler.period);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct tiermem_record *record = &stream->records[i];

		stream->samples[i] = (struct tiermem_stream_sample) {
			.addr = record->addr,
			.ip = record->ip,
			.tgid = record->tgid,
			.cpu = cpu,
			.latency = record->latency,
			.weight = weight,
		};
	}
}

/* Records of the next CPU that has any, as samples; 0 if none has. */
static unsigned int take(struct stream *stream, unsigned int max)
{
	unsigned int tries, nr;

	for (tries = 0; tries < nr_cpu_ids; tries++) {
		unsigned int cpu = stream->next_cpu++ % nr_cpu_ids;

		if (!cpu_possible(cpu))
			continue;
		nr = tiermem_sampler_read(&stream->tm->sampler, cpu,
					  stream->records,
					  min_t(unsigned int, max,
						RECORDS_PER_READ));
		if (nr) {
			convert(stream, cpu, nr);
			return nr;
		}
	}
	return 0;
}

static ssize_t read_locked(struct stream *stream, struct file *file,
			   char __user *to, size_t size)
{
	const unsigned int max = size / sizeof(struct tiermem_stream_sample);
	unsigned int nr;

	if (!max)
		return -EINVAL;
	while (!(nr = take(stream, max))) {
		if (READ_ONCE(stream->tm->gone))
			return -ENODEV;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		schedule_timeout_interruptible(POLL_INTERVAL);
		if (signal_pending(current))
			return -ERESTARTSYS;
	}
	size = nr * sizeof(struct tiermem_stream_sample);
	return copy_to_user(to, stream->samples, size) ? -EFAULT : size;
}

static ssize_t samples_read(struct file *file, char __user *to, size_t size,
			   loff_t *offset)
{
	struct stream *stream = file->private_data;
	ssize_t ret;

	if (mutex_lock_interruptible(&stream->lock))
		return -ERESTARTSYS;
	ret = read_locked(stream, file, to, size);
	mutex_unlock(&stream->lock);
	return ret;
}

static const struct file_operations samples_fops = {
	.owner = THIS_MODULE,
	.open = samples_open,
	.release = samples_release,
	.read = samples_read,
};

/* ---- The heat map ---- */

#define RANGES_PER_CALL 16

static void show_space(struct seq_file *seq, struct tiermem_tiering *t, u64 space)
{
	struct tm_range ranges[RANGES_PER_CALL];
	u64 from = 0;
	int nr, i;

	do {
		nr = tm_policy_ranges(t->policy, space, from, ranges, RANGES_PER_CALL);
		for (i = 0; i < nr; i++)
			seq_printf(seq, "%u %llx %llx %llu %u %u %u %u\n",
				   tiermem_spaces_tgid(&t->spaces, space),
				   ranges[i].start, ranges[i].end, ranges[i].heat,
				   ranges[i].fast_pages, ranges[i].present_pages,
				   ranges[i].age, ranges[i].detail);
		if (nr > 0)
			from = ranges[nr - 1].end;
	} while (nr == RANGES_PER_CALL);
}

static int ranges_show(struct seq_file *seq, void *unused)
{
	struct tiermem *tm = seq->private;
	struct tiermem_tiering *t = &tm->tiering;
	unsigned long id;
	void *space;

	seq_puts(seq, "# tgid start end accesses_per_epoch fast_pages present_pages age detail\n");
	mutex_lock(&t->lock);
	if (t->policy)
		xa_for_each(&t->spaces.by_id, id, space)
			show_space(seq, t, id);
	mutex_unlock(&t->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ranges);

void tiermem_debugfs_add(struct tiermem *tm)
{
	/* As for all of debugfs: its absence is no error. */
	tm->debugfs = debugfs_create_dir("virtio_tiermem", NULL);
	debugfs_create_file("samples", 0400, tm->debugfs, tm, &samples_fops);
	debugfs_create_file("ranges", 0400, tm->debugfs, tm, &ranges_fops);
}

void tiermem_debugfs_remove(struct tiermem *tm)
{
	debugfs_remove_recursive(tm->debugfs);
	tm->debugfs = NULL;
}
