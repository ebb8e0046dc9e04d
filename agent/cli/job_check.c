/* What the command line checks of a definition before it asks an agent. */
#include "agent/cli/job_check.h"

#include "agent/core/schedule.h"
#include "proto/limits.h"

static enum err check_zone(struct slice name, struct zonefile *zonefile, struct problem *problem)
{
	const struct zone *zone;
	if (name.bytes == 0)
		return ERR_OK;
	enum err err = zonefile_load(zonefile, name, &zone, problem);
	/* A name that there is not is bad input, not a thing that was asked for. */
	if (err == ERR_NOT_FOUND) {
		problem->code = ERR_INVALID;
		err = ERR_INVALID;
	}
	return err;
}

static enum err check_cron(const struct definition *definition, struct problem *problem)
{
	struct schedule schedule;
	if (definition->cron.bytes == 0)
		return ERR_OK;
	enum err err = schedule_parse_cron(definition->cron, &schedule, problem);
	if (err != ERR_OK)
		return err;
	uint32_t fires = schedule_fires_per_day_max(&schedule);
	if (fires <= FIRES_PER_DAY_MAX || definition->is_often)
		return ERR_OK;
	err = problem_set(problem, ERR_FULL, "cron: %u fires a day are above %u", fires,
			  FIRES_PER_DAY_MAX);
	problem_hint(problem, "if they are meant: --yes-often, in files often: true");
	return err;
}

enum err job_check(struct slice bytes, struct zonefile *zonefile, const char **ret_path,
		   struct problem *problem)
{
	struct definition definition;
	*ret_path = "";
	enum err err = definition_decode(bytes, &definition, problem);
	if (err != ERR_OK)
		return err;
	*ret_path = "cron";
	err = check_cron(&definition, problem);
	if (err != ERR_OK)
		return err;
	*ret_path = "tz";
	err = check_zone(definition.tz, zonefile, problem);
	if (err != ERR_OK)
		problem_context(problem, "tz");
	else
		*ret_path = "";
	return err;
}
