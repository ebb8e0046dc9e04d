/* The keys: one table makes both what they do and the help overlay, so that these cannot differ. */
#ifndef TUI_KEYS_H
#define TUI_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key is a code point (controls below 32 included), or one of these beyond Unicode. */
enum key_special {
	KEY_CODE_UP = 0x110000,
	KEY_CODE_DOWN,
	KEY_CODE_LEFT,
	KEY_CODE_RIGHT,
	KEY_CODE_HOME,
	KEY_CODE_END,
	KEY_CODE_PAGE_UP,
	KEY_CODE_PAGE_DOWN,
	KEY_CODE_BACKSPACE,
	KEY_CODE_DELETE,
	KEY_CODE_BACK_TAB,
	KEY_CODE_F1,
	KEY_CODE_F2,
	KEY_CODE_F3,
	KEY_CODE_F4,
	KEY_CODE_F6,
	KEY_CODE_F10,
	KEY_CODE_OTHER, /* a key of the terminal that has no meaning here */
};

#define KEY_CODE_CTRL(letter) ((uint32_t)(letter)&0x1fu)
#define KEY_CODE_ENTER 13u
#define KEY_CODE_ESCAPE 27u
#define KEY_CODE_TAB 9u

enum action {
	ACTION_NONE,  /* not a key of ours */
	ACTION_LATER, /* in the key map, but not in this version */
	ACTION_DOWN,
	ACTION_UP,
	ACTION_FIRST,
	ACTION_LAST,
	ACTION_PAGE_DOWN,
	ACTION_PAGE_UP,
	ACTION_HALF_DOWN,
	ACTION_HALF_UP,
	ACTION_LEFT,
	ACTION_RIGHT,
	ACTION_PROBLEM_PREVIOUS,
	ACTION_PROBLEM_NEXT,
	ACTION_DETAIL,
	ACTION_BACK,
	ACTION_BACK_OR_QUIT,
	ACTION_QUIT,
	ACTION_VIEW_JOBS,
	ACTION_VIEW_NODES,
	ACTION_VIEW_SNAPSHOT,
	ACTION_VIEW_LOGS,
	ACTION_VIEW_LATER,
	ACTION_VIEW_NEXT,
	ACTION_VIEW_PREVIOUS,
	ACTION_VIEW_LAST,
	ACTION_SEARCH,
	ACTION_SEARCH_NEXT,
	ACTION_SEARCH_PREVIOUS,
	ACTION_HEADER,
	ACTION_FOLLOW,
	ACTION_WRAP,
	ACTION_LOG,
	ACTION_RUN,
	ACTION_PAUSE,
	ACTION_STOP,
	ACTION_UNDO,
	ACTION_HELP,
	ACTION_REDRAW,
	ACTION_SUSPEND,
	ACTION_CANCEL,
};

enum key_section {
	KEY_SECTION_MOVE,
	KEY_SECTION_FIND,
	KEY_SECTION_VIEW,
	KEY_SECTION_ACT,
	KEY_SECTION_SCREEN,
	KEY_SECTION_LATER,
	KEY_SECTION_COUNT,
};

#define KEY_CODES_MAX 4

struct key_entry {
	uint32_t codes[KEY_CODES_MAX]; /* 0: no more */
	enum action action;
	enum key_section section;
	const char *shown; /* "j Down" */
	const char *help;
};

extern const struct key_entry key_table[];
extern const size_t key_count;

const struct key_entry *key_find(uint32_t code); /* NULL: not a key of ours */
const char *key_section_title(enum key_section section);

#endif
