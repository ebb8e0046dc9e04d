/* After a start: what the jobs' rows show of the past, read from the newest records on. */
#include "agent/core/query.h"

/* How far back the rows are filled. */
#define LOOK_BACK_MAX 4000u

static void ledger_recall(struct node *node, const struct run_key *key)
{
	uint32_t slot = job_find(&node->jobs, key->job);
	struct run_record record;
	if (slot == JOB_NONE || runs_read(node, key, &record) != ERR_OK || !run_state_is_final(record.state))
		return;
	struct job *job = &node->jobs.jobs[slot];
	int place = (int)JOB_HISTORY - 1;
	while (place >= 0 && job->history[place] != VERDICT_NONE)
		place--;
	if (place >= 0)
		job->history[place] = (uint8_t)record.verdict;
	job_note_last(job, &record);
}

void ledger_on_start(struct node *node)
{
	uint8_t memory[64];
	struct buf place;
	buf_init(&place, memory, sizeof(memory));
	struct run_key key;
	for (uint32_t i = 0; i < LOOK_BACK_MAX && runs_next_stored(node, &place, &key); i++)
		ledger_recall(node, &key);
}
