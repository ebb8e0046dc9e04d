/* Between change.c, which makes changes, and change_answer.c, which tells what came of them. */
#ifndef AGENT_CORE_CHANGE_H
#define AGENT_CORE_CHANGE_H

#include "agent/core/state.h"

/* Answers the change's asker: name, version, whether anything changed, the next fires, what may still start. */
void change_answer(struct node *node, const struct change *change, bool is_changed);

#endif
