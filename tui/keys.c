/* The table of keys. Keys of the key map that this version does not build are in it too, and say so. */
#include "tui/keys.h"

#define CTRL KEY_CODE_CTRL

const struct key_entry key_table[] = {
	{{'j', KEY_CODE_DOWN}, ACTION_DOWN, KEY_SECTION_MOVE, "j Down", "next row"},
	{{'k', KEY_CODE_UP}, ACTION_UP, KEY_SECTION_MOVE, "k Up", "row before"},
	{{'g', KEY_CODE_HOME}, ACTION_FIRST, KEY_SECTION_MOVE, "g Home", "first row"},
	{{'G', KEY_CODE_END}, ACTION_LAST, KEY_SECTION_MOVE, "G End", "last row"},
	{{KEY_CODE_PAGE_DOWN}, ACTION_PAGE_DOWN, KEY_SECTION_MOVE, "PgDn", "page down"},
	{{KEY_CODE_PAGE_UP}, ACTION_PAGE_UP, KEY_SECTION_MOVE, "PgUp", "page up"},
	{{CTRL('D')}, ACTION_HALF_DOWN, KEY_SECTION_MOVE, "^D", "half a page down"},
	{{CTRL('U')}, ACTION_HALF_UP, KEY_SECTION_MOVE, "^U", "half a page up"},
	{{KEY_CODE_LEFT}, ACTION_LEFT, KEY_SECTION_MOVE, "Left", "columns left, fold"},
	{{KEY_CODE_RIGHT}, ACTION_RIGHT, KEY_SECTION_MOVE, "Right", "columns right, open"},
	{{'{'}, ACTION_PROBLEM_PREVIOUS, KEY_SECTION_MOVE, "{", "problem before"},
	{{'}'}, ACTION_PROBLEM_NEXT, KEY_SECTION_MOVE, "}", "next problem"},

	{{'/', KEY_CODE_F3}, ACTION_SEARCH, KEY_SECTION_FIND, "/ F3", "search"},
	{{'n'}, ACTION_SEARCH_NEXT, KEY_SECTION_FIND, "n", "next hit"},
	{{'N'}, ACTION_SEARCH_PREVIOUS, KEY_SECTION_FIND, "N", "hit before"},
	{{'F'}, ACTION_FOLLOW, KEY_SECTION_FIND, "F", "log: follow the end"},
	{{'w'}, ACTION_WRAP, KEY_SECTION_FIND, "w", "log: wrap lines"},

	{{'1'}, ACTION_VIEW_JOBS, KEY_SECTION_VIEW, "1", "jobs"},
	{{'2'}, ACTION_VIEW_NODES, KEY_SECTION_VIEW, "2", "nodes"},
	{{'3'}, ACTION_VIEW_SNAPSHOT, KEY_SECTION_VIEW, "3", "snapshot: runs in flight"},
	{{'4'}, ACTION_VIEW_LOGS, KEY_SECTION_VIEW, "4", "logs"},
	{{KEY_CODE_TAB}, ACTION_VIEW_NEXT, KEY_SECTION_VIEW, "Tab", "next view"},
	{{KEY_CODE_BACK_TAB}, ACTION_VIEW_PREVIOUS, KEY_SECTION_VIEW, "S-Tab", "view before"},
	{{'-'}, ACTION_VIEW_LAST, KEY_SECTION_VIEW, "-", "last view"},
	{{KEY_CODE_ENTER, '\n', 'd'}, ACTION_DETAIL, KEY_SECTION_VIEW, "Enter d", "detail of the row"},
	{{'l'}, ACTION_LOG, KEY_SECTION_VIEW, "l", "log of the row"},
	{{KEY_CODE_ESCAPE}, ACTION_BACK, KEY_SECTION_VIEW, "Esc", "back"},
	{{'q'}, ACTION_BACK_OR_QUIT, KEY_SECTION_VIEW, "q", "back; on a view: quit"},
	{{'#'}, ACTION_HEADER, KEY_SECTION_VIEW, "#", "header on, off"},

	{{'r'}, ACTION_RUN, KEY_SECTION_ACT, "r", "run now (asks)"},
	{{'p'}, ACTION_PAUSE, KEY_SECTION_ACT, "p", "pause, resume"},
	{{'x'}, ACTION_STOP, KEY_SECTION_ACT, "x", "kill or cancel (asks)"},
	{{'u'}, ACTION_UNDO, KEY_SECTION_ACT, "u", "undo my last pause"},

	{{'?', KEY_CODE_F1}, ACTION_HELP, KEY_SECTION_SCREEN, "? F1", "this help"},
	{{CTRL('L')}, ACTION_REDRAW, KEY_SECTION_SCREEN, "^L", "redraw"},
	{{CTRL('Z')}, ACTION_SUSPEND, KEY_SECTION_SCREEN, "^Z", "suspend"},
	{{CTRL('C')}, ACTION_CANCEL, KEY_SECTION_SCREEN, "^C", "cancel; twice: quit"},
	{{'Q', KEY_CODE_F10}, ACTION_QUIT, KEY_SECTION_SCREEN, "Q F10", "quit"},

	{{'5'}, ACTION_VIEW_LATER, KEY_SECTION_LATER, "5", "Plan"},
	{{'6'}, ACTION_VIEW_LATER, KEY_SECTION_LATER, "6", "Commands"},
	{{'7'}, ACTION_VIEW_LATER, KEY_SECTION_LATER, "7", "Alerts"},
	{{'8'}, ACTION_VIEW_LATER, KEY_SECTION_LATER, "8", "Performance"},
	{{'\\', '&', KEY_CODE_F4}, ACTION_LATER, KEY_SECTION_LATER, "\\ & F4", "filter"},
	{{'*'}, ACTION_LATER, KEY_SECTION_LATER, "*", "only marked rows"},
	{{'@'}, ACTION_LATER, KEY_SECTION_LATER, "@", "saved filters"},
	{{':'}, ACTION_LATER, KEY_SECTION_LATER, ":", "command line"},
	{{'<', '>'}, ACTION_LATER, KEY_SECTION_LATER, "< >", "sort column"},
	{{'I'}, ACTION_LATER, KEY_SECTION_LATER, "I", "invert the sort"},
	{{'s', KEY_CODE_F6}, ACTION_LATER, KEY_SECTION_LATER, "s F6", "sort list"},
	{{'C'}, ACTION_LATER, KEY_SECTION_LATER, "C", "choose columns"},
	{{'z'}, ACTION_LATER, KEY_SECTION_LATER, "z", "full screen"},
	{{'t'}, ACTION_LATER, KEY_SECTION_LATER, "t", "group, time form"},
	{{' '}, ACTION_LATER, KEY_SECTION_LATER, "SPC", "mark"},
	{{'v'}, ACTION_LATER, KEY_SECTION_LATER, "v", "mark a range"},
	{{'M', 'U'}, ACTION_LATER, KEY_SECTION_LATER, "M U", "mark all, none"},
	{{'Z', ',', '.'}, ACTION_LATER, KEY_SECTION_LATER, "Z , .", "freeze, step"},
	{{'T'}, ACTION_LATER, KEY_SECTION_LATER, "T", "go to time"},
	{{'V'}, ACTION_LATER, KEY_SECTION_LATER, "V", "another agent's view"},
	{{'o'}, ACTION_LATER, KEY_SECTION_LATER, "o", "plan of the row"},
	{{'y'}, ACTION_LATER, KEY_SECTION_LATER, "y", "copy cell"},
	{{'Y'}, ACTION_LATER, KEY_SECTION_LATER, "Y", "copy as schedctl line"},
	{{'S'}, ACTION_LATER, KEY_SECTION_LATER, "S", "save table"},
	{{'R'}, ACTION_LATER, KEY_SECTION_LATER, "R", "re-run"},
	{{'K'}, ACTION_LATER, KEY_SECTION_LATER, "K", "skip next fire"},
	{{'E', '+'}, ACTION_LATER, KEY_SECTION_LATER, "E +", "edit, new job"},
	{{'X'}, ACTION_LATER, KEY_SECTION_LATER, "X", "delete"},
	{{'A'}, ACTION_LATER, KEY_SECTION_LATER, "A", "acknowledge"},
	{{'D'}, ACTION_LATER, KEY_SECTION_LATER, "D", "diff of versions"},
	{{'(', ')', 'm'}, ACTION_LATER, KEY_SECTION_LATER, "( ) m", "plan: zoom, missed"},
	{{'[', ']'}, ACTION_LATER, KEY_SECTION_LATER, "[ ]", "history"},
	{{'a'}, ACTION_LATER, KEY_SECTION_LATER, "a", "action menu"},
	{{'!'}, ACTION_LATER, KEY_SECTION_LATER, "!", "messages"},
	{{'~'}, ACTION_LATER, KEY_SECTION_LATER, "~", "hide lines"},
	{{KEY_CODE_F2}, ACTION_LATER, KEY_SECTION_LATER, "F2", "settings"},
};

const size_t key_count = sizeof(key_table) / sizeof(key_table[0]);

const struct key_entry *key_find(uint32_t code)
{
	if (code == 0)
		return NULL;
	for (size_t i = 0; i < key_count; i++) {
		for (int j = 0; j < KEY_CODES_MAX; j++) {
			if (key_table[i].codes[j] == code)
				return &key_table[i];
		}
	}
	return NULL;
}

const char *key_section_title(enum key_section section)
{
	switch (section) {
	case KEY_SECTION_MOVE:
		return "MOVE";
	case KEY_SECTION_FIND:
		return "FIND, LOG";
	case KEY_SECTION_VIEW:
		return "VIEW";
	case KEY_SECTION_ACT:
		return "ACT";
	case KEY_SECTION_SCREEN:
		return "SCREEN";
	case KEY_SECTION_LATER:
		return "NOT IN THIS VERSION";
	case KEY_SECTION_COUNT:
		break;
	}
	return "";
}
