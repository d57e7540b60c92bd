// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Carrying out a plan; see relocate.h.
 *
 * Steps are taken in runs of one kind (two sides or one, base pages or huge
 * ones) that fit into one batch of pairs. A pair with one side only has no mm on
 * the other.
 */
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>

#include "exchange_side.h"
#include "idle_folios.h"
#include "node_room.h"
#include "relocate.h"
#include "residency.h"
#include "trace.h"

/* ---- Which steps go together ---- */

static bool has_hot(const struct tm_move *move)
{
	return move->promote_space != TM_SPACE_NONE;
}

static bool has_cold(const struct tm_move *move)
{
	return move->demote_space != TM_SPACE_NONE;
}

static bool same_kind(const struct tm_move *a, const struct tm_move *b)
{
	return has_hot(a) == has_hot(b) && has_cold(a) == has_cold(b) &&
	       !a->huge == !b->huge;
}

static bool is_sane_side(const struct tm_move *move, u64 addr)
{
	return IS_ALIGNED(addr, move->huge ? HPAGE_PMD_SIZE : PAGE_SIZE) &&
	       addr < TASK_SIZE_MAX - ((u64)(move->pages - 1) << PAGE_SHIFT);
}

/* The plan comes from the core; a wrong one must not index beyond anything. */
static bool is_sane(const struct tm_move *move)
{
	if (!move->pages || move->pages > TM_WINDOW_PAGES ||
	    (move->huge && move->pages != TM_WINDOW_PAGES))
		return false;
	return (has_hot(move) || has_cold(move)) &&
	       (!has_hot(move) || is_sane_side(move, move->promote_addr)) &&
	       (!has_cold(move) || is_sane_side(move, move->demote_addr));
}

static unsigned int pairs_of(const struct tm_move *move)
{
	return move->huge ? 1 : move->pages;
}

static struct mm_struct *get_side(struct tiermem_relocation *r, bool wanted, u64 space)
{
	return wanted ? tiermem_spaces_get(r->spaces, space) : NULL;
}

static void add_pairs(struct tiermem_relocation *r, unsigned int step)
{
	const struct tm_move *move = &r->moves[step];
	unsigned int i;

	for (i = 0; i < pairs_of(move); i++) {
		r->step_of[r->nr_pairs] = step;
		r->page_of[r->nr_pairs] = i;
		r->pairs[r->nr_pairs++] = (struct tiermem_pair) {
			.hot = { r->hot_mm[step], move->promote_addr + i * PAGE_SIZE },
			.cold = { r->cold_mm[step], move->demote_addr + i * PAGE_SIZE },
			.huge = move->huge,
		};
	}
}

/* A step of which one side has gone is not carried out at all. */
static void add_step(struct tiermem_relocation *r, const struct tm_move *move)
{
	unsigned int step = r->nr_moves++;
	bool sane = is_sane(move);

	r->outcomes[step] = (struct tm_outcome) {};
	r->hot_mm[step] = get_side(r, sane && has_hot(move), move->promote_space);
	r->cold_mm[step] = get_side(r, sane && has_cold(move), move->demote_space);
	if (sane && !has_hot(move) == !r->hot_mm[step] &&
	    !has_cold(move) == !r->cold_mm[step])
		add_pairs(r, step);
}

/* The next run of steps; at least one. */
static void gather(struct tiermem_relocation *r, const struct tm_move *moves, unsigned int nr)
{
	r->moves = moves;
	r->nr_moves = 0;
	r->nr_pairs = 0;
	do {
		const struct tm_move *move = &moves[r->nr_moves];

		if (r->nr_moves &&
		    (!same_kind(moves, move) || move->pages > TM_WINDOW_PAGES ||
		     r->nr_pairs + pairs_of(move) > TIERMEM_RELOCATE_PAIRS))
			return;
		add_step(r, move);
	} while (r->nr_moves < nr && r->nr_moves < TIERMEM_RELOCATE_PAIRS);
}

static void release(struct tiermem_relocation *r)
{
	unsigned int i;

	for (i = 0; i < r->nr_moves; i++) {
		if (r->hot_mm[i])
			mmput_async(r->hot_mm[i]);
		if (r->cold_mm[i])
			mmput_async(r->cold_mm[i]);
	}
}

/* ---- Outcomes ---- */

/* Set the bits of a pair in one of the maps of its step's outcome. */
static void mark(struct tiermem_relocation *r, unsigned int pair, u64 *map)
{
	if (r->pairs[pair].huge)
		memset(map, 0xff, sizeof(r->outcomes->done));
	else
		map[r->page_of[pair] / 64] |= BIT_ULL(r->page_of[pair] % 64);
}

static struct tm_outcome *outcome_of(struct tiermem_relocation *r, unsigned int pair)
{
	return &r->outcomes[r->step_of[pair]];
}

static unsigned int pages_of(const struct tiermem_pair *pair)
{
	return pair->huge ? HPAGE_PMD_NR : 1;
}

static void refuse(struct tiermem_relocation *r, unsigned int pair, bool cold)
{
	struct tm_outcome *outcome = outcome_of(r, pair);

	mark(r, pair, cold ? outcome->refused_demote : outcome->refused_promote);
}

/* ---- Exchanging ---- */

/* The kernel's migration knows how to move these, or how to account for them. */
static bool migration_may_help(enum tiermem_exchange_outcome outcome)
{
	switch (outcome) {
	case TIERMEM_REFUSED_MAPPING:
	case TIERMEM_REFUSED_SIZE:
	case TIERMEM_REFUSED_SHARED:
	case TIERMEM_REFUSED_CGROUP:
	case TIERMEM_REFUSED_NOTIFIER:
	case TIERMEM_REFUSED_UNAVAILABLE:
		return true;
	default:
		return false;
	}
}

/* Over by the next epoch, as a rule. */
static bool passes(enum tiermem_exchange_outcome outcome)
{
	switch (outcome) {
	case TIERMEM_REFUSED_SPACE_BUSY:
	case TIERMEM_REFUSED_PAGE_BUSY:
	case TIERMEM_REFUSED_WRITEBACK:
	case TIERMEM_REFUSED_REFERENCED:
	case TIERMEM_REFUSED_LATE:
		return true;
	default:
		return false;
	}
}

static void settle_exchanged(struct tiermem_relocation *r, unsigned int pair)
{
	const unsigned int pages = pages_of(&r->pairs[pair]);

	mark(r, pair, outcome_of(r, pair)->done);
	r->stats.promoted += pages;
	r->stats.demoted += pages;
}

static void exchange(struct tiermem_relocation *r)
{
	unsigned int i;

	tiermem_exchange(r->pairs, r->nr_pairs, &r->stats.exchange);
	for (i = 0; i < r->nr_pairs; i++) {
		const struct tiermem_pair *pair = &r->pairs[i];

		if (pair->outcome == TIERMEM_EXCHANGED)
			settle_exchanged(r, i);
		else if (migration_may_help(pair->outcome))
			r->left[r->nr_left++] = i;
		else if (!passes(pair->outcome))
			refuse(r, i, pair->cold_refused);
	}
}

/* ---- With a loose folio ---- */

static int nid_of(const struct tiermem_relocation *r, u8 tier)
{
	return r->tm->tiers[tier].nid;
}

static void count_idle(struct tiermem_relocation *r, unsigned long pages)
{
	/* Room made before room taken, so that the policy counts right. */
	tm_policy_idle_moved(r->policy, pages);
	r->stats.idle += pages;
	r->stats.demoted += pages;
	r->idle_left -= min(pages, r->idle_left);
}

/* Page cache for pages that are promoted, from the first on; returns for how many. */
static unsigned int find_idle(struct tiermem_relocation *r)
{
	const unsigned int nr = min_t(unsigned long, r->nr_pairs, r->idle_left);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		r->pairs[i].loose = tiermem_idle_take(r->idle);
		if (!r->pairs[i].loose)
			break;
	}
	return i;
}

/* Free pages for those from @i on; returns where there are no more. */
static unsigned int find_free(struct tiermem_relocation *r, unsigned int i, u8 tier)
{
	for (; i < r->nr_pairs; i++) {
		r->pairs[i].loose = tiermem_migrate_target(nid_of(r, tier));
		if (!r->pairs[i].loose)
			break;
	}
	return i;
}

static void settle_loose(struct tiermem_relocation *r, unsigned int pair, bool hot, bool idle)
{
	if (idle)
		count_idle(r, 1);
	if (hot)
		r->stats.promoted++;
	else
		r->stats.demoted++;
	mark(r, pair, outcome_of(r, pair)->done);
}

/* Pages of one tier trade with page cache that nobody uses, or with free pages. */
static void exchange_loose(struct tiermem_relocation *r, bool hot)
{
	const unsigned int nr_idle = hot && r->idle ? find_idle(r) : 0;
	const unsigned int nr = find_free(r, nr_idle, hot ? TM_TIER_FAST : TM_TIER_SLOW);
	unsigned int i;

	tiermem_exchange(r->pairs, nr, &r->stats.exchange);
	for (i = 0; i < r->nr_pairs; i++) {
		const struct tiermem_pair *pair = &r->pairs[i];

		if (i >= nr) {
			r->left[r->nr_left++] = i;
			continue;
		}
		folio_put(pair->loose);
		if (pair->outcome == TIERMEM_EXCHANGED)
			settle_loose(r, i, hot, i < nr_idle);
		else if (pair->cold_refused == hot || migration_may_help(pair->outcome))
			r->left[r->nr_left++] = i;
		else if (!passes(pair->outcome))
			refuse(r, i, !hot);
	}
}

/* ---- Migrating ---- */

static const struct tiermem_place *side(const struct tiermem_pair *pair, bool cold)
{
	return cold ? &pair->cold : &pair->hot;
}

/* All places of one address space from @i on; returns where the next one's begin. */
static unsigned int look_where_in_space(struct tiermem_relocation *r, unsigned int i,
					u8 tier, unsigned int *patience)
{
	struct mm_struct *mm = r->places[i].mm;
	bool locked = tiermem_lock_space(mm, patience);

	for (; i < r->nr_left && r->places[i].mm == mm; i++) {
		r->arrived[i] = locked &&
			tiermem_residency_tier(r->tm, mm, r->places[i].addr) == tier;
		/* Maybe because it was there already. */
		r->refused[i] &= locked;
	}
	if (locked)
		mmap_read_unlock(mm);
	return i;
}

/* Which pages are where they should be. One mmap lock at a time. */
static void look_where(struct tiermem_relocation *r, u8 tier)
{
	unsigned int patience = TIERMEM_PATIENCE, i = 0;

	while (i < r->nr_left)
		i = look_where_in_space(r, i, tier, &patience);
}

static void count_migrated(struct tiermem_relocation *r, unsigned int pages, bool cold)
{
	r->stats.migrated += pages;
	if (cold)
		r->stats.demoted += pages;
	else
		r->stats.promoted += pages;
}

/*
 * One side of all pairs that are left; those that did not arrive are left out. What
 * was there already has arrived, what could not even be put on its way is refused. So is
 * a folio of 2 MiB for which there is no room: there will hardly be any in the next epoch,
 * and pages of 4 KiB would be demoted for it each time.
 */
static void migrate_side(struct tiermem_relocation *r, bool cold)
{
	const u8 tier = cold ? TM_TIER_SLOW : TM_TIER_FAST;
	const struct tiermem_migration migration = {
		.nid = nid_of(r, tier),
		.huge = r->pairs[r->left[0]].huge,
		.sharers = cold ? r->spaces : NULL,
		.refusals = r->stats.unmoved,
	};
	unsigned int i, nr = 0, pages;
	bool no_room;

	for (i = 0; i < r->nr_left; i++)
		r->places[i] = *side(&r->pairs[r->left[i]], cold);
	pages = tiermem_migrate(r->places, r->nr_left, &migration, r->refused);
	count_migrated(r, pages, cold);
	no_room = migration.huge && (tiermem_node_huge(migration.nid) < HPAGE_PMD_NR ||
				     tiermem_node_gives(migration.nid) < HPAGE_PMD_NR);
	look_where(r, tier);
	for (i = 0; i < r->nr_left; i++) {
		if (r->arrived[i]) {
			r->left[nr++] = r->left[i];
			continue;
		}
		if (r->refused[i] || no_room)
			refuse(r, r->left[i], cold);
		r->stats.unmoved[TIERMEM_UNMOVED_LATER] += !r->refused[i];
	}
	r->nr_left = nr;
}

unsigned long tiermem_relocate_idle(struct tiermem_relocation *r, unsigned long pages,
				    u64 most_ns, const bool *stop)
{
	const unsigned long moved = tiermem_idle_move(r->idle, pages, nid_of(r, TM_TIER_SLOW),
						      most_ns, stop);

	count_idle(r, moved);
	r->stats.migrated += moved;
	return moved;
}

/* What no page cache was found for, or not of its kind, gets the room of some. */
static void make_room(struct tiermem_relocation *r, const bool *stop)
{
	const unsigned long pages = min_t(unsigned long, r->nr_left, r->idle_left);

	if (r->idle && pages)
		tiermem_relocate_idle(r, pages, U64_MAX, stop);
}

/* What is left has been moved, as a whole or as far as it was to be demoted. */
static void mark_left(struct tiermem_relocation *r, bool done)
{
	unsigned int i;

	for (i = 0; i < r->nr_left; i++) {
		struct tm_outcome *outcome = outcome_of(r, r->left[i]);

		mark(r, r->left[i], done ? outcome->done : outcome->demoted);
	}
}

/* Demote first, so that there is room to promote. */
static void migrate(struct tiermem_relocation *r, bool hot, bool cold)
{
	if (cold && r->nr_left)
		migrate_side(r, true);
	if (cold)
		mark_left(r, false);
	if (hot && r->nr_left)
		migrate_side(r, false);
	mark_left(r, true);
}

/* ---- The plan ---- */

static void carry_out(struct tiermem_relocation *r, const bool *stop)
{
	const bool hot = has_hot(r->moves), cold = has_cold(r->moves);
	unsigned int i;

	r->nr_left = 0;
	if (hot && cold) {
		exchange(r);
	} else if (!r->moves->huge) {
		exchange_loose(r, hot);
	} else {
		for (i = 0; i < r->nr_pairs; i++)
			r->left[r->nr_left++] = i;
	}
	if (hot && !cold)
		make_room(r, stop);
	migrate(r, hot, cold);
	for (i = 0; i < r->nr_moves; i++) {
		trace_tiermem_move(&r->moves[i], &r->outcomes[i]);
		tm_policy_moved(r->policy, &r->moves[i], &r->outcomes[i]);
	}
}

unsigned int tiermem_relocate(struct tiermem_relocation *r, const struct tm_move *moves,
			      unsigned int nr, const bool *stop)
{
	unsigned int done = 0;

	while (done < nr && !READ_ONCE(*stop)) {
		gather(r, moves + done, nr - done);
		carry_out(r, stop);
		release(r);
		done += r->nr_moves;
		cond_resched();
	}
	return done;
}
