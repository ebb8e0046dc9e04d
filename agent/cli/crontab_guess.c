/* What a crontab does not say: its form, names for its jobs, and which comments are about the columns. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "agent/cli/crontab.h"
#include "proto/buf.h"
#include "proto/limits.h"

#define WORD_BYTES_MAX 256u
#define WORDS_MAX 64u
#define LEGEND_BYTES_MAX 256u

/* ---- legends ---- */

/* Lower case, one blank between words: "m h dom mon dow user command". */
static void fold_line(struct slice line, char ret_text[LEGEND_BYTES_MAX])
{
	size_t used = 0;
	bool was_blank = true;
	for (size_t i = 0; i < line.bytes && used + 1 < LEGEND_BYTES_MAX; i++) {
		uint8_t byte = line.data[i];
		bool is_blank = isspace(byte) != 0;
		if (!is_blank || !was_blank)
			ret_text[used++] = is_blank ? ' ' : (char)tolower(byte);
		was_blank = is_blank;
	}
	while (used > 0 && ret_text[used - 1] == ' ')
		used--;
	ret_text[used] = '\0';
}

/* Five words that could be fields of time: an entry that is switched off. */
static bool is_entry_like(const char *folded)
{
	if (folded[0] == '@')
		return true;
	for (size_t i = 0; i < 5; i++) {
		size_t bytes = strcspn(folded, " ");
		if (bytes == 0 || folded[bytes] != ' ')
			return false;
		bool has_digit_or_star = strpbrk(folded, "0123456789*") != NULL &&
					 strcspn(folded, "0123456789*") < bytes;
		bool is_name = bytes == 3 && i >= 3;
		if (strspn(folded, "0123456789*/,-abcdefghijklmnopqrstuvwxyz") < bytes ||
		    (!has_digit_or_star && !is_name))
			return false;
		folded += bytes + 1;
	}
	return true;
}

bool crontab_is_legend(struct slice comment_line)
{
	static const char *const marks[] = {"dom mon dow", "day of week",  "m h d",      "min hour",
					    "user-name",   "user command", "minute hour"};
	char folded[LEGEND_BYTES_MAX];
	fold_line(comment_line, folded);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (strstr(folded, marks[i]) != NULL)
			return true;
	}
	return is_entry_like(folded);
}

/* ---- the form ---- */

struct form_guess {
	bool (*is_account)(const char *name);
	bool (*is_command)(const char *name);
	size_t entry_count;
	size_t account_count; /* entries whose sixth field names an account, and that have a seventh */
	size_t command_count; /* of these, names that could be run */
	bool has_root;
	bool has_legend; /* a comment says that there is a user column */
};

static void on_guess_entry(void *context, const struct crontab_entry *entry)
{
	struct form_guess *guess = context;
	char word[WORD_BYTES_MAX] = "";
	size_t bytes = 0;
	while (bytes < entry->command.bytes && !isspace(entry->command.data[bytes]))
		bytes++;
	guess->entry_count++;
	char lines[LEGEND_BYTES_MAX];
	fold_line(entry->comment, lines);
	if (strstr(lines, "dow user") != NULL || strstr(lines, "user-name") != NULL ||
	    strstr(lines, "user command") != NULL)
		guess->has_legend = true;
	if (bytes == 0 || bytes >= sizeof(word) || bytes == entry->command.bytes)
		return;
	memcpy(word, entry->command.data, bytes);
	if (strchr(word, '/') != NULL || !guess->is_account(word))
		return;
	guess->account_count++;
	if (strcmp(word, "root") == 0)
		guess->has_root = true;
	else if (guess->is_command(word))
		guess->command_count++;
}

static void on_guess_bad_line(void *context, uint32_t line, uint32_t column, struct slice whole,
			      const char *reason)
{
	(void)context;
	(void)line;
	(void)column;
	(void)whole;
	(void)reason;
}

enum crontab_form crontab_guess_form(struct slice text, bool (*is_account)(const char *name),
				     bool (*is_command)(const char *name))
{
	struct form_guess guess = {.is_account = is_account, .is_command = is_command};
	struct crontab_reader reader = {
		.form = CRONTAB_USER,
		.context = &guess,
		.on_entry = on_guess_entry,
		.on_bad_line = on_guess_bad_line,
	};
	if (crontab_read(text, &reader, NULL) != ERR_OK || guess.entry_count == 0)
		return CRONTAB_USER;
	if (guess.has_legend)
		return CRONTAB_SYSTEM;
	bool all_accounts = guess.account_count == guess.entry_count;
	return all_accounts && (guess.has_root || guess.command_count == 0) ? CRONTAB_SYSTEM
									    : CRONTAB_USER;
}

/* ---- names ---- */

struct words {
	char text[WORDS_MAX][WORD_BYTES_MAX];
	size_t count;
};

static bool is_separator(const char *word)
{
	return strcmp(word, "&&") == 0 || strcmp(word, "||") == 0 || strcmp(word, ";") == 0 ||
	       strcmp(word, "|") == 0 || strcmp(word, "then") == 0 || strcmp(word, "else") == 0;
}

static bool is_mark(char byte)
{
	return strchr(";|&(){}", byte) != NULL && byte != '\0';
}

/* The separator that begins at `at`; *ret_bytes is how long it is. */
static const char *separator_at(struct slice command, size_t at, size_t *ret_bytes)
{
	char byte = (char)command.data[at];
	bool is_double = at + 1 < command.bytes && (char)command.data[at + 1] == byte &&
			 (byte == '&' || byte == '|');
	*ret_bytes = is_double ? 2 : 1;
	if (byte == '|')
		return is_double ? "||" : "|";
	return is_double ? "&&" : ";";
}

/* What keeps blanks and separators from parting words: a quote, or $( and ) around them. */
struct nesting {
	char quote;     /* 0: none */
	unsigned depth; /* of $( */
};

/* True if the byte at `at` belongs to the word whatever it is. */
static bool is_nested(struct nesting *nesting, struct slice command, size_t at)
{
	char byte = (char)command.data[at];
	bool was_nested = nesting->quote != 0 || nesting->depth > 0;
	bool is_quote = byte == '"' || byte == '\'' || byte == '`';
	if (nesting->quote != 0) {
		if (byte == nesting->quote)
			nesting->quote = 0;
	} else if (is_quote) {
		nesting->quote = byte;
	} else if (byte == '(' && (nesting->depth > 0 || (at > 0 && command.data[at - 1] == '$'))) {
		nesting->depth++;
		return true;
	} else if (byte == ')' && nesting->depth > 0) {
		nesting->depth--;
	}
	return was_nested;
}

static void end_word(struct words *words, size_t *used)
{
	if (*used == 0)
		return;
	words->text[words->count++][*used] = '\0';
	*used = 0;
}

/* Words as a shell would roughly see them: blanks part, quotes go, separators stand alone. */
static void split_words(struct slice command, struct words *ret_words)
{
	struct nesting nesting = {0};
	size_t used = 0;
	ret_words->count = 0;
	for (size_t i = 0; i < command.bytes && ret_words->count < WORDS_MAX - 2; i++) {
		char byte = (char)command.data[i];
		bool is_redirection = byte == '&' && i > 0 && command.data[i - 1] == '>';
		if (is_nested(&nesting, command, i) ||
		    (!isspace((unsigned char)byte) && (!is_mark(byte) || is_redirection))) {
			bool is_quote = byte == '"' || byte == '\'' || byte == '`';
			if (!is_quote && used + 1 < WORD_BYTES_MAX)
				ret_words->text[ret_words->count][used++] = byte;
			continue;
		}
		end_word(ret_words, &used);
		if (!is_mark(byte))
			continue;
		size_t bytes;
		const char *separator = separator_at(command, i, &bytes);
		(void)snprintf(ret_words->text[ret_words->count++], WORD_BYTES_MAX, "%s", separator);
		i += bytes - 1;
	}
	end_word(ret_words, &used);
}

static const char *base_of(const char *word)
{
	/* Of a whole command line in quotes (sh -c "...") its first word counts. */
	size_t bytes = strcspn(word, " \t");
	const char *base = word;
	for (size_t i = 0; i + 1 < bytes; i++) {
		if (word[i] == '/')
			base = word + i + 1;
	}
	return base;
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (size_t i = 0; list[i] != NULL; i++) {
		if (strcmp(word, list[i]) == 0)
			return true;
	}
	return false;
}

/* Words that only test, move about or wrap: what follows them, or the next command, is meant. */
static const char *const passed[] = {
	"cd",     "test", "[",    "[[",    "command", "true",   "exit", "if", "umask", "export",
	"source", ".",    "echo", "sleep", "set",     "ulimit", "!",    "fi", NULL};
static const char *const wrappers[] = {
	"nice",    "ionice",      "chronic", "exec",   "env",  "nohup", "time",
	"timeout", "flock",       "sudo",    "setsid", "sh",   "bash",  "dash",
	"python",  "python3",     "perl",    "php",    "ruby", "node",  "su",
	"runuser", "systemd-cat", "chrt",    "logger", NULL};

/* From `first` on: the program of this simple command, its wrappers skipped; NULL: nothing that names it. */
static const char *program_of(const struct words *words, size_t first, size_t end)
{
	bool was_wrapped = false;
	const char *wrapper = NULL;
	for (size_t i = first; i < end; i++) {
		const char *word = words->text[i];
		const char *base = base_of(word);
		bool is_assignment = strchr(word, '=') != NULL && isalpha((unsigned char)word[0]) &&
				     strchr(word, '/') == NULL;
		bool is_number = strspn(word, "0123456789smhdKMG.") == strlen(word);
		bool is_redirection = word[0] == '>' || word[0] == '<' ||
				      strstr(word, ">/") != NULL || strncmp(word, "2>", 2) == 0;
		if (is_redirection)
			return wrapper;
		/* perl -e '...': what is run has no name. */
		if (wrapper != NULL && (strcmp(word, "-e") == 0 || strcmp(word, "-r") == 0))
			return NULL;
		if (is_assignment || (was_wrapped && (word[0] == '-' || is_number)))
			continue;
		/* A lock file stands between flock and what it wraps. */
		if (wrapper != NULL && strcmp(wrapper, "flock") == 0 && strstr(word, "lock") != NULL)
			continue;
		if (strcmp(base, "run-parts") == 0 && end > i + 1)
			return base_of(words->text[end - 1]);
		if (is_one_of(base, passed))
			return NULL;
		if (!is_one_of(base, wrappers))
			return base;
		was_wrapped = true;
		wrapper = base;
	}
	return wrapper;
}

/* Letters that a name may have; the ending of a script goes. */
static void clean_name(const char *word, char *ret_name, size_t name_bytes)
{
	static const char *const endings[] = {".sh", ".py", ".pl", ".php", ".rb", ".bash", NULL};
	size_t bytes = strcspn(word, " \t");
	for (size_t i = 0; endings[i] != NULL; i++) {
		size_t ending = strlen(endings[i]);
		if (bytes > ending && memcmp(word + bytes - ending, endings[i], ending) == 0)
			bytes -= ending;
	}
	size_t used = 0;
	for (size_t i = 0; i < bytes && used + 1 < name_bytes && used < NAME_PART_BYTES_MAX; i++) {
		unsigned char byte = (unsigned char)word[i];
		bool is_plain = byte < 0x80 && isalnum(byte);
		bool is_inner = byte == '.' || byte == '_' || byte == '-';
		if (is_plain || (is_inner && used > 0))
			ret_name[used++] = (char)byte;
		else if (used > 0 && ret_name[used - 1] != '-')
			ret_name[used++] = '-';
	}
	while (used > 0 && !isalnum((unsigned char)ret_name[used - 1]))
		used--;
	ret_name[used] = '\0';
}

void crontab_name_of(struct slice command, char *ret_name, size_t name_bytes)
{
	static const char fallback[] = "job";
	struct words *words = growing_resize(NULL, sizeof(*words));
	split_words(command, words);
	const char *found = NULL;
	for (size_t first = 0; first < words->count && found == NULL;) {
		size_t end = first;
		while (end < words->count && !is_separator(words->text[end]))
			end++;
		found = program_of(words, first, end);
		first = end + 1;
	}
	/* Nothing but tests and echoes: then the first word names it. */
	if (found == NULL && words->count > 0)
		found = base_of(words->text[0]);
	clean_name(found == NULL ? fallback : found, ret_name, name_bytes);
	if (ret_name[0] == '\0')
		(void)snprintf(ret_name, name_bytes, "%s", fallback);
	(void)growing_resize(words, 0);
}
