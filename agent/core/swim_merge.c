/* Claims come in: merge by maximum, refutation of what is claimed about ourselves, suspicion and its verdict. */
#include <assert.h>
#include <string.h>

#include "agent/core/swim_internal.h"

/* ---- rows to messages ---- */

static uint32_t age_s_of(const struct swim *swim, const struct member_row *row)
{
	int64_t age_us = swim->now.mono_us - row->member.rank_since_us;
	if (age_us < 0)
		return 0;
	int64_t age_s = age_us / SECOND_US;
	return age_s > UINT32_MAX ? UINT32_MAX : (uint32_t)age_s;
}

void swim_row_to_record(const struct swim *swim, const struct member_row *row,
			struct gossip_record *ret_record)
{
	*ret_record = (struct gossip_record){
		.id = row->member.id,
		.boot = row->claim.boot,
		.incarnation = row->claim.incarnation,
		.rank = (uint8_t)row->claim.rank,
		.is_restart = row->is_restart,
		.age_s = age_s_of(swim, row),
		.address = row->member.address,
		.flags = row->member.meta.flags,
		.slots = row->member.meta.slots,
		.cpu_count = row->member.meta.cpu_count,
	};
	static_assert(sizeof(ret_record->name) == sizeof(row->member.name), "names are copied whole");
	static_assert(sizeof(ret_record->version) == sizeof(row->member.meta.version), "versions too");
	memcpy(ret_record->name, row->member.name, sizeof(ret_record->name));
	memcpy(ret_record->version, row->member.meta.version, sizeof(ret_record->version));
	memcpy(ret_record->zone_version, row->member.meta.zone_version,
	       sizeof(ret_record->zone_version));
}

void swim_row_to_message(const struct swim *swim, const struct member_row *row,
			 struct gossip_message *ret_message)
{
	if (row->claim.rank == MEMBER_ALIVE) {
		ret_message->type = GOSSIP_ALIVE;
		swim_row_to_record(swim, row, &ret_message->alive);
		return;
	}
	*ret_message = (struct gossip_message){
		.claim = {.id = row->member.id,
			  .boot = row->claim.boot,
			  .incarnation = row->claim.incarnation,
			  .from = swim->id_short,
			  .is_restart = row->is_restart},
	};
	switch (row->claim.rank) {
	case MEMBER_ALIVE:
	case MEMBER_SUSPECT:
		if (row->is_restart) {
			ret_message->type = GOSSIP_LEFT;
			return;
		}
		ret_message->type = GOSSIP_SUSPECT;
		if (row->suspicion.observer_count > 0) {
			uint32_t last = row->suspicion.observer_count - 1u;
			ret_message->claim.from = row->suspicion.observers[last];
			if ((row->suspicion.refused_bits & (1u << last)) != 0)
				ret_message->claim.evidence = GOSSIP_EVIDENCE_REFUSED;
		}
		return;
	case MEMBER_DEAD:
		ret_message->type = GOSSIP_DEAD;
		return;
	case MEMBER_LEFT:
		ret_message->type = GOSSIP_LEFT;
		return;
	case MEMBER_EVICTED:
		ret_message->type = GOSSIP_EVICT;
		return;
	}
}

/* ---- ourselves ---- */

void swim_raise_own(struct swim *swim, uint32_t incarnation, enum rumor_class class)
{
	struct member_row *self = swim_self(swim);
	struct member_claim claim = {swim->boot, incarnation, MEMBER_ALIVE};
	member_table_set_claim(&swim->table, self, &claim, swim->now.mono_us);
	rumor_add(&swim->rumors, 0, class);
}

/* Only the owner answers a claim about its own boot, by an incarnation above it (SWIM 4.2). */
static void answer_claim(struct swim *swim, const struct member_claim *claim, struct effects *effects)
{
	struct member_row *self = swim_self(swim);
	if (swim->is_leaving)
		return;
	swim->is_accused |= claim->rank != MEMBER_ALIVE;
	if (claim->rank == MEMBER_EVICTED) {
		swim_refuse_self(swim, "this node was evicted from the cluster");
		return;
	}
	if (claim->boot > swim->boot) {
		swim_roll_back(swim, claim->boot);
		return;
	}
	if (member_claim_compare(claim, &self->claim) <= 0)
		return;
	if (claim->incarnation >= UINT32_MAX - 1) {
		swim_refuse_self(swim,
				 "a peer claims incarnation %u of this node, which leaves none to answer with: "
				 "restart the agent",
				 claim->incarnation);
		return;
	}
	effects_trace(effects, TRACE_INFO, "swim refute incarnation=%u rank=%d", claim->incarnation,
		      (int)claim->rank);
	swim_raise_own(swim, claim->incarnation + 1, RUMOR_REFUTE);
	swim_health_add(swim, 1);
}

/* ---- names ---- */

/* Of two with the same name the lower boot keeps it; the other runs on, but gets no work. */
static void update_conflict(struct swim *swim, struct member_row *row)
{
	bool is_conflict = false;
	if (row->claim.rank <= MEMBER_SUSPECT && row->member.name[0] != '\0') {
		const struct member_row *other = member_table_find_name(
			&swim->table, slice_str(row->member.name), MEMBER_SUSPECT, row);
		if (other != NULL)
			is_conflict = other->claim.boot != row->claim.boot
					      ? other->claim.boot < row->claim.boot
					      : id128_compare(other->member.id, row->member.id) < 0;
	}
	if (is_conflict == ((row->member.local_flags & MEMBER_FLAG_CONFLICT) != 0))
		return;
	member_table_touch(&swim->table, row);
	row->member.local_flags ^= MEMBER_FLAG_CONFLICT;
}

static void update_conflicts(struct swim *swim, struct member_row *row)
{
	update_conflict(swim, row);
	if (row->member.name[0] == '\0')
		return;
	struct member_row *other = member_table_find_name(&swim->table, slice_str(row->member.name),
							  MEMBER_SUSPECT, row);
	if (other != NULL)
		update_conflict(swim, other);
}

/* ---- merge ---- */

struct news {
	struct id128 id;
	struct member_claim claim;
	const struct gossip_record *record; /* NULL: only the claim */
	uint64_t observer;                  /* of a suspicion */
	bool is_refused;
	bool is_restart;
	int64_t since_us;
	enum swim_origin origin;
};

static bool boot_is_sane(struct swim *swim, uint64_t boot)
{
	uint64_t utc_ms = swim->now.utc_ms > 0 ? (uint64_t)swim->now.utc_ms : 0;
	if (boot > utc_ms + SWIM_BOOT_AHEAD_MS && boot > swim->boot_seen_max + SWIM_BOOT_AHEAD_MS) {
		swim->boot_refused_count++;
		return false;
	}
	if (boot > swim->boot_seen_max)
		swim->boot_seen_max = boot;
	return true;
}

static struct member_row *add_row(struct swim *swim, const struct news *news, struct effects *effects)
{
	struct member_row *row;
	enum err err = member_table_add(&swim->table, news->id, &row);
	if (err == ERR_OK) {
		swim_order_insert(swim, member_table_index(&swim->table, row));
		return row;
	}
	swim->table_full_count++;
	effects_trace(effects, TRACE_WARN, "swim record refused: %s",
		      err == ERR_FULL ? "the member table is full" : "its short id is another member's");
	return NULL;
}

static enum rumor_class class_of(enum member_rank rank)
{
	if (rank == MEMBER_ALIVE)
		return RUMOR_ALIVE;
	return rank == MEMBER_SUSPECT ? RUMOR_SUSPECT : RUMOR_GONE;
}

static void copy_facts(struct swim *swim, struct member_row *row, const struct gossip_record *record)
{
	member_table_touch(&swim->table, row);
	member_table_set_name(&swim->table, row, record->name);
	row->member.address = record->address;
	row->member.meta.flags = record->flags;
	row->member.meta.slots = record->slots;
	row->member.meta.cpu_count = record->cpu_count;
	memcpy(row->member.meta.version, record->version, sizeof(record->version));
	memcpy(row->member.meta.zone_version, record->zone_version, sizeof(record->zone_version));
}

static void update_suspicion(struct swim *swim, struct member_row *row)
{
	if (row->is_restart)
		row->suspicion.due_us = row->suspicion.start_us + SWIM_RESTART_HOLD_US;
	else if (!row->suspicion.is_last_look)
		suspicion_update(&row->suspicion, swim_present_count(swim), SWIM_PERIOD_US);
	/* A late refusal may shorten it to a moment that is past; that is no lateness of ours. */
	if (row->suspicion.due_us < swim->now.mono_us)
		row->suspicion.due_us = swim->now.mono_us;
	swim->suspicion_due_us = swim_min_us(swim->suspicion_due_us, row->suspicion.due_us);
}

/* A row takes a claim that is above its own. */
static void apply_claim(struct swim *swim, struct member_row *row, const struct news *news)
{
	bool is_new_boot = news->claim.boot != row->claim.boot;
	row->is_stored = false;
	row->is_restart = news->is_restart;
	member_table_set_claim(&swim->table, row, &news->claim, news->since_us);
	if (news->claim.rank >= MEMBER_DEAD && swim->now.mono_us - news->since_us > SWIM_HASHED_US)
		member_table_set_hashed(&swim->table, row, false);
	if (is_new_boot && news->origin != ORIGIN_OWNER)
		row->member.local_flags |= MEMBER_FLAG_UNVERIFIED;
	if (news->origin == ORIGIN_OWNER)
		row->member.local_flags &= ~MEMBER_FLAG_UNVERIFIED;
	if (is_new_boot) {
		/* Another process, perhaps elsewhere: what was measured is of the old one. */
		row->member.round_trip_us = 0;
		row->hint_us = 0;
	}
	if (news->claim.rank == MEMBER_SUSPECT) {
		suspicion_start(&row->suspicion, swim->now.mono_us);
		if (!news->is_restart)
			(void)suspicion_add(&row->suspicion, news->observer, news->is_refused);
		update_suspicion(swim, row);
	} else {
		suspicion_clear(&row->suspicion);
	}
	if (news->claim.rank == MEMBER_DEAD)
		swim_failed_ping_plan(swim);
	if (news->claim.rank > MEMBER_SUSPECT) {
		row->member.has_clock_offset = false;
		swim->is_clock_stale = true;
	}
	if (news->origin != ORIGIN_TOLD)
		rumor_add(&swim->rumors, member_table_index(&swim->table, row),
			  class_of(news->claim.rank));
	update_conflicts(swim, row);
}

/* The same claim again: a confirmation if it is a suspicion, else feedback. */
static void hear_again(struct swim *swim, struct member_row *row, const struct news *news)
{
	uint32_t index = member_table_index(&swim->table, row);
	if (row->is_stored && news->claim.rank == MEMBER_ALIVE)
		member_table_set_stored(&swim->table, row, false);
	if (news->record != NULL && row->member.name[0] == '\0' && news->record->name[0] != '\0')
		copy_facts(swim, row, news->record);
	if (news->claim.rank == MEMBER_SUSPECT && !row->is_restart && !news->is_restart &&
	    suspicion_add(&row->suspicion, news->observer, news->is_refused)) {
		update_suspicion(swim, row);
		rumor_add(&swim->rumors, index, RUMOR_SUSPECT);
		return;
	}
	rumor_heard(&swim->rumors, index, rumor_sends_max(swim_present_count(swim)));
}

static void merge(struct swim *swim, const struct news *news, struct effects *effects)
{
	if (id128_equal(news->id, swim->id)) {
		answer_claim(swim, &news->claim, effects);
		return;
	}
	if (!boot_is_sane(swim, news->claim.boot))
		return;
	struct member_row *row = member_table_find(&swim->table, news->id);
	if (row == NULL) {
		/* A suspicion of somebody unknown says nothing yet; a tombstone must be kept, or a late ALIVE revives it. */
		if (news->record == NULL && news->claim.rank <= MEMBER_SUSPECT)
			return;
		row = add_row(swim, news, effects);
		if (row == NULL)
			return;
	} else {
		int order = member_claim_compare(&news->claim, &row->claim);
		if (order < 0)
			return;
		if (order == 0) {
			hear_again(swim, row, news);
			return;
		}
	}
	if (news->record != NULL && news->record->name[0] != '\0')
		copy_facts(swim, row, news->record);
	apply_claim(swim, row, news);
}

void swim_merge_record(struct swim *swim, const struct gossip_record *record, uint64_t sender,
		       enum swim_origin origin, struct effects *effects)
{
	struct news news = {
		.id = record->id,
		.claim = {record->boot, record->incarnation, (enum member_rank)record->rank},
		.record = record,
		.observer = sender,
		.is_restart = record->rank == MEMBER_SUSPECT && record->is_restart,
		.since_us = swim->now.mono_us - (int64_t)record->age_s * SECOND_US,
		.origin = id128_short(record->id) == sender ? ORIGIN_OWNER : origin,
	};
	merge(swim, &news, effects);
}

void swim_merge_claim(struct swim *swim, const struct gossip_message *message, uint64_t sender,
		      struct effects *effects)
{
	struct news news = {
		.id = message->claim.id,
		.claim = {.boot = message->claim.boot, .incarnation = message->claim.incarnation},
		.observer = message->claim.from,
		.since_us = swim->now.mono_us,
		.origin = id128_short(message->claim.id) == sender ? ORIGIN_OWNER : ORIGIN_GOSSIP,
	};
	if (message->type == GOSSIP_SUSPECT) {
		news.claim.rank = MEMBER_SUSPECT;
		news.is_refused = message->claim.evidence == GOSSIP_EVIDENCE_REFUSED;
	} else if (message->type == GOSSIP_DEAD) {
		news.claim.rank = MEMBER_DEAD;
	} else if (message->type == GOSSIP_LEFT) {
		/* Away for a restart: held as suspect, so that the place is kept. */
		news.claim.rank = message->claim.is_restart ? MEMBER_SUSPECT : MEMBER_LEFT;
		news.is_restart = message->claim.is_restart;
	} else {
		assert(message->type == GOSSIP_EVICT);
		news.claim.rank = MEMBER_EVICTED;
	}
	merge(swim, &news, effects);
}

/* ---- hearing, suspecting, verdicts ---- */

void swim_heard(struct swim *swim, uint64_t sender_short, uint64_t boot)
{
	swim->heard_us = swim->now.mono_us;
	struct member_row *row = member_table_find_short(&swim->table, sender_short);
	if (row == NULL || row->claim.boot != boot || row == swim_self(swim))
		return;
	row->member.heard_us = swim->now.mono_us;
	member_table_set_stored(&swim->table, row, false);
	if ((row->member.local_flags & MEMBER_FLAG_UNVERIFIED) != 0) {
		member_table_touch(&swim->table, row);
		row->member.local_flags &= ~MEMBER_FLAG_UNVERIFIED;
	}
}

/* New suspicions of one period are bounded: who suspects half of the cluster had better doubt itself. */
static bool may_suspect_more(struct swim *swim)
{
	uint32_t limit = swim_present_count(swim) / 50;
	if (limit < SWIM_SUSPICIONS_MIN)
		limit = SWIM_SUSPICIONS_MIN;
	if (swim->now.mono_us - swim->suspicion_window_us >= SWIM_PERIOD_US) {
		swim->suspicion_window_us = swim->now.mono_us;
		swim->suspicion_count = 0;
	}
	if (swim->suspicion_count >= limit)
		return false;
	swim->suspicion_count++;
	return true;
}

void swim_suspect(struct swim *swim, struct member_row *row, bool is_refused,
		  const struct swim_probe *probe, struct effects *effects)
{
	bool is_new = row->claim.rank == MEMBER_ALIVE;
	if (is_new && !may_suspect_more(swim))
		return;
	bool is_news = is_new;
	if (is_new) {
		struct member_claim claim = {row->claim.boot, row->claim.incarnation, MEMBER_SUSPECT};
		row->is_stored = false;
		member_table_set_claim(&swim->table, row, &claim, swim->now.mono_us);
		suspicion_start(&row->suspicion, swim->now.mono_us);
	}
	for (uint32_t i = 0; i < probe->helper_count; i++)
		if ((probe->refused_bits & (1u << i)) != 0)
			(void)suspicion_add(&row->suspicion, probe->helpers[i], true);
	is_news |= suspicion_add(&row->suspicion, swim->id_short, is_refused);
	if (!is_news)
		return;
	update_suspicion(swim, row);
	rumor_add(&swim->rumors, member_table_index(&swim->table, row), RUMOR_SUSPECT);
	effects_trace(effects, TRACE_INFO, "swim suspect name=%s evidence=%s", row->member.name,
		      is_refused ? "refused" : "timeout");
	if (!is_refused) {
		/* The subject may only be slow: it should hear of it first (Lifeguard, Buddy System). */
		struct swim_packet packet;
		swim_packet_init(&packet);
		swim_packet_fill(swim, &packet, row);
		effects_datagram(effects, &row->member.address, buf_slice(&packet.buf));
	}
}

void swim_declare_dead(struct swim *swim, struct member_row *row, struct effects *effects)
{
	struct news news = {
		.id = row->member.id,
		.claim = {row->claim.boot, row->claim.incarnation, MEMBER_DEAD},
		.since_us = swim->now.mono_us,
		.origin = ORIGIN_GOSSIP,
	};
	if (member_claim_compare(&news.claim, &row->claim) <= 0)
		return;
	effects_trace(effects, TRACE_WARN, "swim failed name=%s silent_ms=%lld", row->member.name,
		      row->member.heard_us == 0
			      ? -1LL
			      : (long long)(swim->now.mono_us - row->member.heard_us) / 1000);
	apply_claim(swim, row, &news);
}

static void suspicion_end(struct swim *swim, struct member_row *row, struct effects *effects)
{
	bool is_sure = row->is_restart ||
		       suspicion_is_refused(&row->suspicion, swim_present_count(swim));
	if (swim->is_isolated) {
		/* Nobody is heard: the fault is more likely ours. */
		row->suspicion.due_us = swim->now.mono_us + SWIM_PERIOD_US;
		return;
	}
	if (is_sure || row->suspicion.is_last_look) {
		swim_declare_dead(swim, row, effects);
		return;
	}
	/* A pause of exactly the suspicion's length must not end in a verdict: ask once more. */
	row->suspicion.is_last_look = true;
	row->suspicion.due_us = swim->now.mono_us + SWIM_DIRECT_US_MAX * (1 + swim->health);
	swim_ping(swim, ++swim->seq, id128_short(row->member.id), &row->member.address, row, effects);
}

void swim_suspicions_run(struct swim *swim, struct effects *effects)
{
	if (swim->now.mono_us < swim->suspicion_due_us)
		return;
	int64_t due_us = NEVER_US;
	for (uint32_t i = 1; i < swim->table.count; i++) {
		struct member_row *row = &swim->table.rows[i];
		if (row->claim.rank != MEMBER_SUSPECT)
			continue;
		if (swim->now.mono_us >= row->suspicion.due_us)
			suspicion_end(swim, row, effects);
		if (row->claim.rank == MEMBER_SUSPECT)
			due_us = swim_min_us(due_us, row->suspicion.due_us);
	}
	swim->suspicion_due_us = due_us;
}

void swim_suspicions_extend(struct swim *swim, int64_t by_us)
{
	int64_t due_us = NEVER_US;
	for (uint32_t i = 1; i < swim->table.count; i++) {
		struct member_row *row = &swim->table.rows[i];
		if (row->claim.rank != MEMBER_SUSPECT)
			continue;
		row->suspicion.start_us += by_us;
		row->suspicion.due_us += by_us;
		due_us = swim_min_us(due_us, row->suspicion.due_us);
	}
	swim->suspicion_due_us = due_us;
}

/* ---- tombstones ---- */

static void remove_row(struct swim *swim, struct member_row *row)
{
	uint32_t index = member_table_index(&swim->table, row);
	uint32_t last = swim->table.count - 1;
	swim_snapshot_remove(swim, row->member.id);
	rumor_drop(&swim->rumors, index);
	if (index != last)
		rumor_renumber(&swim->rumors, last, index);
	member_table_remove(&swim->table, row);
	swim_order_shuffle(swim);
}

void swim_sweep(struct swim *swim)
{
	if (swim->now.mono_us < swim->sweep_due_us)
		return;
	/* On the minute of the common clock, so that all take a tombstone out of their digest at the same time. */
	int64_t common_us = (swim->now.utc_ms + swim->clock_offset_ms) * 1000;
	int64_t into_us = common_us % SWIM_SWEEP_US;
	swim->sweep_due_us = swim->now.mono_us + SWIM_SWEEP_US - (into_us < 0 ? 0 : into_us);
	for (uint32_t i = swim->table.count; i-- > 1;) {
		struct member_row *row = &swim->table.rows[i];
		int64_t age_us = swim->now.mono_us - row->member.rank_since_us;
		if (row->claim.rank < MEMBER_DEAD)
			continue;
		if (age_us > SWIM_HASHED_US)
			member_table_set_hashed(&swim->table, row, false);
		bool is_over = (row->claim.rank == MEMBER_DEAD && age_us > SWIM_FAILED_KEEP_US) ||
			       (row->claim.rank == MEMBER_LEFT && age_us > SWIM_LEFT_KEEP_US);
		/* The owner must hear of the last change before the row goes. */
		if (is_over && !row->is_changed)
			remove_row(swim, row);
	}
}
