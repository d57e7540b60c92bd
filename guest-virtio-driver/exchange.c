// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The exchanger: batches, and what happens between taking and putting back.
 *
 * For each batch, with the mmap locks held for reading, and between the start and
 * end of an invalidation if somebody watches the address space:
 *  1. Take all sides out of the page tables, those of one table together.
 *  2. Flush the TLB of each address space, once.
 *  3. Trade pair by pair: freeze both folios, which fails if anybody has come
 *     to know of them; swap contents and identities; thaw them.
 *  4. Put all sides back. A pair that was refused gets its own folios.
 *  5. Unlock the folios, which wakes who waits for them.
 * Huge pages do 3 to 5 pair by pair, so that nobody waits for more than one copy.
 *
 * The two folios swap their mapping and index and what their flags say about
 * the content. Their place on the LRU lists, charge, count of mappings and the
 * statistics of their nodes stay: equal before and after.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmu_notifier.h>
#include <linux/mmap_lock.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include <asm/tlbflush.h>

#include "exchange_side.h"
#include "kernel_symbols.h"

#define MAX_SIDES (2 * TIERMEM_EXCHANGE_BATCH)
#define MAX_SPACES 2
#define BUCKETS 64
/* More sides of an address space than this: flush all of its TLB. */
#define FLUSH_SINGLY 4
#define LOCK_ATTEMPTS 4
/* Copied through a buffer that stays in the first or second level cache. */
#define BOUNCE_BYTES (16 << 10)

/* What moves with the content. */
#ifdef CONFIG_PAGE_IDLE_FLAG
#define IDLE_FLAGS (BIT(PG_young) | BIT(PG_idle))
#else
#define IDLE_FLAGS 0
#endif
#define CONTENT_FLAGS (BIT(PG_dirty) | BIT(PG_referenced) | BIT(PG_workingset) | \
		       BIT(PG_anon_exclusive) | IDLE_FLAGS)

struct batch {
	struct tiermem_pair *pairs;
	struct tiermem_exchange_stats *stats;
	unsigned int nr;		/* pairs; pair i has sides 2i (hot), 2i + 1 */
	bool huge;
	unsigned int patience;		/* of all batches of a call: see tiermem_lock_space() */
	unsigned int nr_spaces;
	struct tiermem_space spaces[MAX_SPACES];
	struct tiermem_cursor cursor;
	u16 order[MAX_SIDES];		/* sides, those of a page table together */
	struct tiermem_side sides[MAX_SIDES];
};

/* Static: exchanging needs no free page. */
static DEFINE_MUTEX(exchange_lock);
static struct batch the_batch;				/* under exchange_lock */
static u8 bounce[BOUNCE_BYTES] __aligned(PAGE_SIZE);	/* under exchange_lock */

/* Trading */

/* Bytes is a multiple of 8. One instruction, fast wherever the kernel's own copy_page() is. */
static void copy(void *to, const void *from, size_t bytes)
{
	size_t words = bytes / sizeof(u64);

	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static void swap_contents(void *a, void *b, size_t bytes)
{
	size_t step = min_t(size_t, bytes, BOUNCE_BYTES), done;

	for (done = 0; done < bytes; done += step) {
		copy(bounce, a + done, step);
		copy(a + done, b + done, step);
		copy(b + done, bounce, step);
	}
}

static void swap_identities(struct folio *a, struct folio *b)
{
	unsigned long *flags_a = folio_flags(a, 0), *flags_b = folio_flags(b, 0);
	unsigned long differ = (READ_ONCE(*flags_a) ^ READ_ONCE(*flags_b)) & CONTENT_FLAGS;
	unsigned int bit;

	swap(a->mapping, b->mapping);
	swap(a->index, b->index);
	for_each_set_bit(bit, &differ, BITS_PER_LONG) {
		change_bit(bit, flags_a);
		change_bit(bit, flags_b);
	}
}

/* Both folios are taken to have one reference, the mapping's. */
static bool freeze(struct folio *a, struct folio *b)
{
	if (!folio_ref_freeze(a, 1))
		return false;
	if (folio_ref_freeze(b, 1))
		return true;
	folio_ref_unfreeze(a, 1);
	return false;
}

/*
 * Both sides are taken. Afterwards each folio has one more reference, ours: a
 * page that is zapped as soon as it is back must not be freed while it is locked.
 */
static enum tiermem_exchange_outcome trade(struct tiermem_side *hot, struct tiermem_side *cold,
					   bool *cold_refused)
{
	struct folio *a = hot->folio, *b = cold->folio;
	enum tiermem_exchange_outcome outcome = tiermem_refuse_trade(hot, cold, cold_refused);

	if (!outcome && !freeze(a, b))
		outcome = TIERMEM_REFUSED_LATE;
	if (outcome) {
		folio_get(a);
		folio_get(b);
		return outcome;
	}
	swap_contents(folio_address(a), folio_address(b), folio_size(a));
	swap_identities(a, b);
	folio_ref_unfreeze(a, 2);
	folio_ref_unfreeze(b, 2);
	swap(hot->folio, cold->folio);
	/* The frame comes from the cold end of the LRU: the next look shall find it used. */
	hot->used = true;
	if (!folio_test_referenced(hot->folio))
		folio_set_referenced(hot->folio);
	return TIERMEM_EXCHANGED;
}

/* One side may have been taken before the other was refused. */
static void trade_pair(struct batch *batch, unsigned int i)
{
	struct tiermem_side *sides = &batch->sides[2 * i];
	struct tiermem_pair *pair = &batch->pairs[i];

	if (sides[0].folio && sides[1].folio)
		pair->outcome = trade(&sides[0], &sides[1], &pair->cold_refused);
	else if (sides[0].folio)
		folio_get(sides[0].folio);
	else if (sides[1].folio)
		folio_get(sides[1].folio);
}

/* Taking and putting back; sides of a page table together, so that its lock is taken once. */

static void order_sides(struct batch *batch)
{
	unsigned int nr = 2 * batch->nr, i, sum = 0;
	u16 next[BUCKETS] = {};
	u8 bucket[MAX_SIDES];

	for (i = 0; i < nr; i++) {
		const struct tiermem_side *side = &batch->sides[i];

		bucket[i] = hash_long((side->addr >> PMD_SHIFT) ^ (unsigned long)side->space,
				      ilog2(BUCKETS));
		next[bucket[i]]++;
	}
	for (i = 0; i < BUCKETS; i++) {
		sum += next[i];
		next[i] = sum - next[i];
	}
	for (i = 0; i < nr; i++)
		batch->order[next[bucket[i]]++] = i;
}

static void take_all(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < 2 * batch->nr; i++) {
		struct tiermem_side *side = &batch->sides[batch->order[i]];
		struct tiermem_pair *pair = &batch->pairs[batch->order[i] / 2];

		if (pair->outcome)
			continue;
		pair->outcome = tiermem_side_take(&batch->cursor, side);
		pair->cold_refused = batch->order[i] & 1;
	}
	tiermem_cursor_release(&batch->cursor);
}

static void put_side(struct batch *batch, unsigned int i)
{
	struct tiermem_side *side = &batch->sides[i];

	if (side->folio)
		tiermem_side_put(&batch->cursor, side, batch->stats);
}

/* Both sides of the pair are back: who waits for either folio may go on. */
static void finish_pair(struct batch *batch, unsigned int i)
{
	unsigned int k;

	for (k = 2 * i; k < 2 * i + 2; k++) {
		struct folio *folio = batch->sides[k].folio;

		if (!folio)
			continue;
		folio_unlock(folio);
		folio_put(folio);
	}
}

static void trade_huge_pairs(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++) {
		trade_pair(batch, i);
		put_side(batch, 2 * i);
		put_side(batch, 2 * i + 1);
		tiermem_cursor_release(&batch->cursor);
		finish_pair(batch, i);
		cond_resched();
	}
}

static void trade_base_pairs(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		trade_pair(batch, i);
	for (i = 0; i < 2 * batch->nr; i++)
		put_side(batch, batch->order[i]);
	tiermem_cursor_release(&batch->cursor);
	for (i = 0; i < batch->nr; i++)
		finish_pair(batch, i);
}

/* TLB */

static void flush_singly(struct batch *batch, struct tiermem_space *space)
{
	unsigned int shift = batch->huge ? PMD_SHIFT : PAGE_SHIFT, i;

	for (i = 0; i < 2 * batch->nr; i++) {
		const struct tiermem_side *side = &batch->sides[i];

		if (side->folio && side->space == space)
			static_call(tiermem_flush_tlb_mm_range)(space->mm, side->addr,
								side->addr + BIT(shift),
								shift, false);
	}
}

static void flush(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr_spaces; i++) {
		struct tiermem_space *space = &batch->spaces[i];

		if (space->taken > FLUSH_SINGLY)
			static_call(tiermem_flush_tlb_mm_range)(space->mm, 0, TLB_FLUSH_ALL,
								PAGE_SHIFT, false);
		else
			flush_singly(batch, space);
		batch->stats->flushes += space->taken > 0;
	}
}

/* A zap that comes upon our entries in between sees that it has to flush by itself. */
static void flush_pending(struct batch *batch, bool pending)
{
	unsigned int i;

	for (i = 0; i < batch->nr_spaces; i++) {
		if (pending)
			inc_tlb_flush_pending(batch->spaces[i].mm);
		else
			dec_tlb_flush_pending(batch->spaces[i].mm);
	}
}

/* MMU notifiers */

#ifdef TIERMEM_HAVE_NOTIFYING_FLUSH
/*
 * The range that the sides of one page table span, from place @first of the order
 * on; returns the place after. KVM zaps all that is in a range, so that it may
 * not be one for the whole batch.
 */
static unsigned int next_range(const struct batch *batch, unsigned int first,
			       struct mmu_notifier_range *range)
{
	const struct tiermem_side *side = &batch->sides[batch->order[first]];
	const unsigned long table = side->addr & PMD_MASK;
	unsigned int i;

	*range = (struct mmu_notifier_range) {
		.mm = side->space->mm, .event = MMU_NOTIFY_CLEAR,
		.flags = MMU_NOTIFIER_RANGE_BLOCKABLE, .start = ULONG_MAX,
	};
	for (i = first; i < 2 * batch->nr; i++) {
		side = &batch->sides[batch->order[i]];
		if ((side->addr & PMD_MASK) != table)
			break;
		range->start = min(range->start, side->addr);
		range->end = max(range->end, side->addr + tiermem_size(batch->huge));
	}
	return i;
}

/*
 * Whoever has the batch's pages in page tables of his own (KVM, a GPU) drops them
 * and waits until the end. TLBs of devices are told by flush().
 */
static void announce(struct batch *batch, bool begins)
{
	struct mmu_notifier_range range;
	unsigned int i;

	if (!mm_has_notifiers(batch->spaces->mm))
		return;
	for (i = 0; i < 2 * batch->nr; ) {
		i = next_range(batch, i, &range);
		if (begins)
			static_call(tiermem_invalidate_start)(&range);
		else
			static_call(tiermem_invalidate_end)(&range);
	}
}
#else
static void announce(struct batch *batch, bool begins)
{
}
#endif

/* Batches */

static void exchange_locked(struct batch *batch)
{
	announce(batch, true);
	flush_pending(batch, true);
	take_all(batch);
	flush(batch);
	flush_pending(batch, false);
	if (batch->huge)
		trade_huge_pairs(batch);
	else
		trade_base_pairs(batch);
	announce(batch, false);
}

static void refuse_all(struct batch *batch, enum tiermem_exchange_outcome outcome)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		if (!batch->pairs[i].outcome)
			batch->pairs[i].outcome = outcome;
}

/*
 * Two mmap locks have no order of their own: one is waited for, the other only
 * tried. If that fails it is the next one to be waited for.
 */
static bool lock_spaces(struct batch *batch)
{
	unsigned int attempt;

	for (attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
		struct mm_struct *first = batch->spaces[attempt % batch->nr_spaces].mm;

		if (!tiermem_lock_space(first, &batch->patience))
			return false;
		if (batch->nr_spaces == 1 ||
		    mmap_read_trylock(batch->spaces[!(attempt & 1)].mm))
			return true;
		mmap_read_unlock(first);
	}
	return false;
}

static void unlock_spaces(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr_spaces; i++)
		mmap_read_unlock(batch->spaces[i].mm);
}

static enum tiermem_exchange_outcome refuse_spaces(struct batch *batch)
{
	enum tiermem_exchange_outcome outcome = TIERMEM_EXCHANGED;
	unsigned int i;

	for (i = 0; i < batch->nr_spaces && !outcome; i++)
		outcome = tiermem_refuse_space(batch->spaces[i].mm, batch->nr_spaces == 1);
	return outcome;
}

static void exchange_batch(struct batch *batch)
{
	enum tiermem_exchange_outcome outcome;

	batch->stats->batches++;
	order_sides(batch);
	if (!lock_spaces(batch)) {
		refuse_all(batch, TIERMEM_REFUSED_SPACE_BUSY);
		return;
	}
	outcome = refuse_spaces(batch);
	if (outcome)
		refuse_all(batch, outcome);
	else
		exchange_locked(batch);
	unlock_spaces(batch);
}

/* The batch's entry for an address space; NULL if there is no room for one more. */
static struct tiermem_space *find_space(struct batch *batch, struct mm_struct *mm)
{
	struct tiermem_space *space = batch->spaces;

	for (; space < batch->spaces + batch->nr_spaces; space++)
		if (space->mm == mm)
			return space;
	if (batch->nr_spaces == MAX_SPACES)
		return NULL;
	*space = tiermem_new_space(mm);
	batch->nr_spaces++;
	return space;
}

/* The rest of the side is written when it is taken. */
static bool admit(struct batch *batch, struct tiermem_side *side,
		  const struct tiermem_place *place)
{
	side->space = find_space(batch, place->mm);
	side->addr = place->addr;
	side->folio = NULL;
	side->used = false;
	return side->space;
}

static enum tiermem_exchange_outcome check_pair(const struct tiermem_pair *pair)
{
	unsigned long mask = tiermem_size(pair->huge) - 1;

	if (!pair->hot.mm || !pair->cold.mm || ((pair->hot.addr | pair->cold.addr) & mask) ||
	    pair->hot.addr >= TASK_SIZE_MAX || pair->cold.addr >= TASK_SIZE_MAX)
		return TIERMEM_REFUSED_ARGUMENT;
#ifdef TIERMEM_HAVE_MM_ID
	/* A large folio knows which address spaces map it; that is not swapped. */
	if (pair->huge && pair->hot.mm != pair->cold.mm)
		return TIERMEM_REFUSED_UNAVAILABLE;
#endif
	return TIERMEM_EXCHANGED;
}

/* The next pair joins the batch if it is of its kind. */
static bool join(struct batch *batch, struct tiermem_pair *pair)
{
	struct tiermem_side *sides = &batch->sides[2 * batch->nr];
	unsigned int nr_spaces = batch->nr_spaces;

	if (!admit(batch, &sides[0], &pair->hot) || !admit(batch, &sides[1], &pair->cold)) {
		batch->nr_spaces = nr_spaces;
		return false;
	}
	pair->outcome = TIERMEM_EXCHANGED;
	batch->nr++;
	return true;
}

/* Carry out one batch from the beginning of @pairs, all of them checked. Returns its length. */
static unsigned int first_batch(struct batch *batch, struct tiermem_pair *pairs, unsigned int nr)
{
	unsigned int max;

	batch->pairs = pairs;
	batch->nr = 0;
	batch->nr_spaces = 0;
	batch->huge = pairs->huge;
	batch->cursor = (struct tiermem_cursor) { .huge = pairs->huge };
	max = min_t(unsigned int, nr, batch->huge ? TIERMEM_EXCHANGE_HUGE_BATCH :
						    TIERMEM_EXCHANGE_BATCH);
	while (batch->nr < max && pairs[batch->nr].huge == batch->huge &&
	       !check_pair(&pairs[batch->nr]) && join(batch, &pairs[batch->nr]))
		;
	exchange_batch(batch);
	return batch->nr;
}

static unsigned int count(const struct tiermem_pair *pairs, unsigned int nr,
			  struct tiermem_exchange_stats *stats)
{
	unsigned int exchanged = 0, i;

	for (i = 0; i < nr; i++) {
		stats->pairs[pairs[i].outcome]++;
		if (pairs[i].outcome == TIERMEM_EXCHANGED) {
			stats->huge += pairs[i].huge;
			exchanged++;
		}
	}
	return exchanged;
}

static void exchange_all(struct tiermem_pair *pairs, unsigned int nr,
			 struct tiermem_exchange_stats *stats)
{
	unsigned int done = 0;

	the_batch.stats = stats;
	the_batch.patience = TIERMEM_PATIENCE;
	while (done < nr) {
		struct tiermem_pair *next = pairs + done;

		next->outcome = check_pair(next);
		if (next->outcome)
			done++;
		else
			done += first_batch(&the_batch, next, nr - done);
		cond_resched();
	}
}

unsigned int tiermem_exchange(struct tiermem_pair *pairs, unsigned int nr,
			      struct tiermem_exchange_stats *stats)
{
	unsigned int i;

	might_sleep();
	if (tiermem_exchange_unavailable()) {
		for (i = 0; i < nr; i++)
			pairs[i].outcome = TIERMEM_REFUSED_UNAVAILABLE;
		return count(pairs, nr, stats);
	}
	mutex_lock(&exchange_lock);
	/* Pages on their way to the LRU lists have a reference more. */
	static_call(tiermem_lru_add_drain_all)();
	exchange_all(pairs, nr, stats);
	mutex_unlock(&exchange_lock);
	return count(pairs, nr, stats);
}

const char *tiermem_exchange_unavailable(void)
{
	return tiermem_missing_for_exchange();
}
