/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.h - the C face of the policy core: where is the heat, and which pages
 * should trade places.
 *
 * The caller (the driver's tiering thread, the simulator, a test) does this:
 *
 *   tm_policy_create()                      once
 *   tm_policy_space_add()/_remove()         as address spaces come and go
 *   loop, about every 500 ms:
 *     tm_policy_samples()                   any number of times, and
 *     tm_policy_period_now()                whether there are too many
 *     tm_policy_epoch()                     classify, rank, plan
 *     ... carry out the moves ...
 *     tm_policy_moved()                     say what became of each of them
 *   tm_policy_destroy()
 *
 * Units: addresses and lengths are bytes, pages are 4 KiB, times nanoseconds,
 * heat is accesses per epoch. A "sample" stands for `weight` accesses.
 *
 * Locks: none is taken. All calls on one policy must be serialized by the
 * caller. No call sleeps except _create, _space_add (they allocate) and what
 * the caller's own walk callback does. No call allocates besides those two.
 *
 * Errors: negative errno values (TM_ERR_*). A call that fails changed nothing.
 */
#ifndef TIERMEM_POLICY_H
#define TIERMEM_POLICY_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Errno values, so that the driver can pass them on. */
#define TM_ERR_ABSENT (-2)    /* ENOENT: no such address space */
#define TM_ERR_MEMORY (-12)   /* ENOMEM: tm_host_alloc() gave nothing */
#define TM_ERR_EXISTS (-17)   /* EEXIST: this address space is known already */
#define TM_ERR_ARGUMENT (-22) /* EINVAL: an argument is out of its range */
#define TM_ERR_LIMIT (-28)    /* ENOSPC: config.max_spaces are in use */

#define TM_PAGE_SHIFT 12
#define TM_WINDOW_SHIFT 21      /* 2 MiB: what one walk callback describes */
#define TM_WINDOW_PAGES 512
#define TM_TIER_FAST 0
#define TM_TIER_SLOW 1
#define TM_TIER_UNKNOWN 0xff
#define TM_CURVE_POINTS 32
#define TM_SPACE_NONE (~(uint64_t)0) /* an empty side of a move */

struct tm_policy;

/* One sampled access. */
struct tm_sample {
	uint64_t space;  /* id given to tm_policy_space_add() */
	uint64_t addr;   /* virtual address, any alignment */
	uint32_t weight; /* accesses this sample stands for (the period) */
	uint8_t tier;    /* TM_TIER_*: who served it, if the source can tell */
	uint8_t reserved[3];
};

/* Fixed for the life of a policy. tm_policy_config_default() or _guest() fills it. */
struct tm_policy_config {
	uint32_t tiers;           /* 2; anything else is refused */
	uint32_t max_spaces;      /* 1..65536 address spaces at a time */
	uint32_t space_bytes;     /* memory per address space, 16 KiB..64 MiB */
	uint32_t address_bits;    /* 47 or 57 */
	uint32_t epoch_ms;        /* nominal epoch, 10..60000 */
	uint32_t period_min;      /* smallest sampling period asked for, >= 1 */
	uint32_t period_max;      /* largest, >= period_min */
	uint32_t sample_cost_ns;  /* CPU time of one sample, source included */
	uint32_t move_cost_ns;    /* CPU time to move one page, half an exchange, 1..1e9 */
	uint32_t access_gain_ns;  /* saved by an access served fast, 1..1e6 */
	uint32_t horizon_ms;      /* a move must be repaid within this at most */
	uint32_t walk_windows;    /* walk callbacks per epoch, >= 16 */
	uint32_t doubt_milli;     /* the whole CPU budget goes into samples while so many
				     1/1000 of the heat could be placed better; >= 1 */
	uint32_t calm_doubt_milli; /* the same while nothing is promoted; >= 1 */
	uint64_t seed;            /* of the rounding of counters */
};

/* The service class set by the host (QMP tiermem-set-qos). */
enum tm_qos_class {
	TM_CLASS_GUARANTEED = 0,
	TM_CLASS_BURSTABLE = 1,
	TM_CLASS_BEST_EFFORT = 2, /* half of both budgets below */
};

/* What holds for one epoch; every field may change from epoch to epoch. */
struct tm_epoch_input {
	uint64_t now_ns;       /* monotonic; must be after the last epoch's */
	uint64_t fast_quota;   /* bytes of tier 0 that user pages may use */
	uint64_t fast_free;    /* bytes of tier 0 a promotion could take now ... */
	uint64_t fast_free_huge; /* ... and those of them that are whole 2 MiB */
	uint64_t fast_waiting; /* bytes that are free, but that a promotion may not get:
				  they count for the reserve only */
	uint64_t fast_idle;    /* bytes of tier 0 in use by nobody's address space and not
				* used of late, which the caller could move to tier 1 */
	uint64_t fast_reserve; /* bytes of what is free to keep for new pages;
				* more is kept while more is being taken */
	uint64_t new_bytes;    /* user memory that came into being since the last
				* epoch, on any tier; 0 where not known */
	uint64_t bandwidth;    /* bytes/s of page copies; 0 = plan nothing */
	uint64_t lost_samples; /* samples the source dropped since last epoch */
	uint32_t move_cost_ns; /* what moving a page takes now, up to 1e9; 0: as configured */
	uint32_t cpu_permille; /* of one CPU for sampling, 0..1000 */
	uint32_t qos_class;    /* enum tm_qos_class */
	uint32_t shrinking;    /* 1: pages of tier 0 were taken from the guest since the last
				* epoch, or are to be: what is missing is not new memory */
};

/*
 * One 2 MiB-aligned window of an address space as the page tables show it.
 * Bit i of word i/64 is page i. fast is a subset of present.
 */
struct tm_window {
	uint64_t start;      /* multiple of 2 MiB */
	uint64_t present[8]; /* pages that are mapped and could be moved */
	uint64_t fast[8];    /* of these, those on tier 0 */
	uint32_t huge;       /* 1: one 2 MiB folio, moved whole or not at all */
	uint32_t reserved;
};

/*
 * Walk callback: describe the first window that has a present page, starting
 * at or after @start and before @end (both 2 MiB-aligned).
 * Returns 1 and fills @window; 0 if there is none; negative when it cannot tell
 * (space gone, lock not taken): the core asks again next epoch. A caller that has
 * searched for long enough may return 1 and the last window that it has looked at,
 * with no page present: the core goes on from there.
 */
typedef int (*tm_walk_fn)(void *context, uint64_t space, uint64_t start,
			  uint64_t end, struct tm_window *window);

/*
 * One step of a plan: @pages pages from promote_addr go to tier 0 and, in
 * exchange, as many from demote_addr to tier 1. Either side may be empty
 * (its space is TM_SPACE_NONE): a promotion into free fast memory, or a
 * demotion that makes room. Neither side crosses a 2 MiB boundary.
 * Steps are in the order in which they should be done.
 */
struct tm_move {
	uint64_t promote_space;
	uint64_t promote_addr;
	uint64_t demote_space;
	uint64_t demote_addr;
	uint32_t pages; /* 1..512; 512 with huge != 0 */
	uint32_t huge;  /* 1: each side is one 2 MiB folio */
	uint32_t gain;  /* accesses per epoch and page served fast by this step */
	uint32_t reserved;
};

/* What an epoch found out. */
struct tm_epoch_result {
	uint32_t moves;           /* steps written */
	uint32_t period;          /* sampling period wanted from now on */
	uint64_t idle_pages;      /* of fast_idle: to be moved to tier 1 before the steps */
	uint64_t idle_trades;     /* of fast_idle: the first steps that only promote take the
				   * place of so many, as far as these fit */
	uint64_t promote_pages;   /* pages on the promoting side of the plan */
	uint64_t demote_pages;
	uint64_t cut_heat_milli;  /* heat of a page at the cut, 1/1000 accesses */
	uint32_t uncertain_milli; /* share of heat whose tier is not yet certain */
	uint32_t fast_milli;      /* share of samples served fast, if known */
	uint32_t samples;         /* taken since the last epoch */
	uint32_t changes;         /* ranges whose heat changed significantly */
	uint32_t walks;           /* walk callbacks used */
	uint32_t reserved;
};

/* A point of the hotness curve, by descending heat. */
struct tm_curve_point {
	uint64_t bytes;    /* this many of the hottest bytes ... */
	uint64_t accesses; /* ... get this many accesses per epoch, by the pace
			    * of the last few epochs */
};

/* A range as shown in dumps and heat maps. */
struct tm_range {
	uint64_t start, end; /* virtual addresses, bytes */
	uint64_t heat;       /* accesses per epoch over the whole range */
	uint32_t fast_pages; /* of present_pages; best knowledge */
	uint32_t present_pages;
	uint16_t age;        /* epochs since its heat last changed */
	uint8_t detail;      /* 1: counted page by page */
	uint8_t reserved[5];
};

struct tm_policy_stats {
	uint64_t samples;          /* accepted */
	uint64_t samples_unknown;  /* no such address space */
	uint64_t samples_rejected; /* address out of the address space, weight 0 */
	uint64_t splits, merges;
	uint64_t details_made, details_dropped, details_refused;
	uint64_t forgotten;        /* page patterns dropped as no longer true */
	uint64_t walks;
	uint64_t moves_done, moves_failed; /* pages */
	uint64_t bytes;            /* memory held, all spaces included */
	uint32_t spaces, ranges, details;
	uint32_t reserved;
};

/* Fill @config with the defaults that the documentation names. */
void tm_policy_config_default(struct tm_policy_config *config);

/*
 * The same as the guest's driver uses it: samples that cost more, fewer walks, and
 * less doubt that is worth the whole budget, as that is ten times the simulator's.
 * Epochs, periods and seed are left to the caller.
 */
void tm_policy_config_guest(struct tm_policy_config *config);

/* 0 and *@policy, or TM_ERR_ARGUMENT, TM_ERR_MEMORY. May sleep. */
int tm_policy_create(const struct tm_policy_config *config,
		     struct tm_policy **policy);

/* Free the policy and its address spaces; NULL is ignored. */
void tm_policy_destroy(struct tm_policy *policy);

/*
 * Start to manage address space @space (any id but TM_SPACE_NONE), with @bytes
 * of memory, 0 for config.space_bytes. All memory it will ever use is allocated
 * here. May sleep. TM_ERR_EXISTS, _LIMIT, _MEMORY, _ARGUMENT.
 */
int tm_policy_space_add(struct tm_policy *policy, uint64_t space,
			uint32_t bytes);

/* Forget it and free its memory. TM_ERR_ABSENT. */
int tm_policy_space_remove(struct tm_policy *policy, uint64_t space);

/*
 * @weight multiplies this space's heat in the ranking: 16 is neutral, 1..4096.
 * @min_fast bytes of it are not demoted for the sake of others.
 */
int tm_policy_space_qos(struct tm_policy *policy, uint64_t space,
			uint32_t weight, uint64_t min_fast);

/* [@start, @end) was unmapped: forget its heat. Rounded inwards to 2 MiB. */
int tm_policy_unmap(struct tm_policy *policy, uint64_t space, uint64_t start,
		    uint64_t end);

/* Count @count samples; bad ones are dropped and counted. Returns how many were taken. */
uint32_t tm_policy_samples(struct tm_policy *policy,
			   const struct tm_sample *samples, uint32_t count);

/*
 * The period wanted before the epoch ends, asked after samples were counted: that of
 * the last epoch's result, or longer when far more samples have come than an epoch's
 * part of the CPU budget pays for, as on many CPUs that become busy at once.
 */
uint32_t tm_policy_period_now(struct tm_policy *policy);

/*
 * End an epoch: classify, rank all spaces, and plan at most @max_moves steps
 * into @moves. @walk (with @context) is called at most config.walk_windows
 * times; NULL: residency stays what samples and moves told.
 * TM_ERR_ARGUMENT when time did not advance or a field is out of range.
 */
int tm_policy_epoch(struct tm_policy *policy,
		    const struct tm_epoch_input *input, tm_walk_fn walk,
		    void *context, struct tm_move *moves, uint32_t max_moves,
		    struct tm_epoch_result *result);

/*
 * Plan demotions only, coldest pages first, for a shrink of tier 0 by @bytes.
 * Ranks all spaces anew; may be called repeatedly after tm_policy_moved(). Calls
 * @walk up to 64 times as often as an epoch does, as long as nothing is found.
 * Returns the number of steps; 0: there is nothing, or it cannot be told.
 */
int tm_policy_shrink(struct tm_policy *policy, uint64_t bytes, tm_walk_fn walk,
		     void *context, struct tm_move *moves, uint32_t max_moves);

/*
 * Of tm_epoch_result.idle_pages and idle_trades so many pages were moved; before the steps
 * that took their place are reported.
 */
void tm_policy_idle_moved(struct tm_policy *policy, uint64_t pages);

/*
 * What became of a step. Bit i of word i/64 is page i of both sides.
 * A page that is neither done nor refused stays a candidate.
 */
struct tm_outcome {
	uint64_t done[8];            /* page i was moved (both, if a pair) */
	uint64_t refused_promote[8]; /* page i of this side cannot be moved: */
	uint64_t refused_demote[8];  /* not proposed again until walked anew */
	uint64_t demoted[8];         /* page i to be demoted was moved, whether or not the other was */
};

/* Report a step; @outcome NULL: all of it was done. */
void tm_policy_moved(struct tm_policy *policy, const struct tm_move *move,
		     const struct tm_outcome *outcome);

/* The curve as of the last epoch; @points has TM_CURVE_POINTS. Returns how many were filled. */
uint32_t tm_policy_curve(const struct tm_policy *policy,
			 struct tm_curve_point *points);

/*
 * Ranges of @space in address order from @from on, at most @max. Returns how
 * many, or TM_ERR_ABSENT.
 */
int tm_policy_ranges(const struct tm_policy *policy, uint64_t space,
		     uint64_t from, struct tm_range *ranges, uint32_t max);

/*
 * Heat of one page in 1/1000 accesses per epoch as the ranking sees it, and
 * whether it lies above the cut (1) or not (0); TM_ERR_ABSENT.
 */
int tm_policy_page_heat(const struct tm_policy *policy, uint64_t space,
			uint64_t addr, uint64_t *heat_milli);

/*
 * Whether a page is certainly hotter than what the last plan, of an epoch or a shrink,
 * gives up (1) or not (0); TM_ERR_ABSENT; TM_ERR_ARGUMENT: no such address. For memory
 * that another space proposes to demote.
 */
int tm_policy_keeps(const struct tm_policy *policy, uint64_t space, uint64_t addr);

void tm_policy_get_stats(const struct tm_policy *policy,
			 struct tm_policy_stats *stats);

/*
 * Check every invariant of every structure. Returns 0, or the number of the
 * invariant that is broken (see validate.cpp). Linear in the memory held.
 */
int tm_policy_validate(const struct tm_policy *policy);

#ifdef __cplusplus
}
#endif

#endif /* TIERMEM_POLICY_H */
