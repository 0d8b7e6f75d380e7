/* Token ids as the tokenizer of a folder gives them, for the golden tests.
 *   text_probe FOLDER LOWER MAX_TOKENS MAX_LEN   texts from stdin, each ended by NUL; a line of ids each */
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>

static int fail(const struct err *err)
{
    fprintf(stderr, "%s %s: %s\n", err_code_name(err->code), err->reason, err->text);
    return 1;
}

static void print_ids(const struct tokenizer *tokenizer, const char *text, int max_len)
{
    struct err err = ERR_INIT;
    struct arena *arena = arena_new();
    int *ids, count;
    bool ok = tokenizer_encode(tokenizer, text, max_len, arena, &ids, &count, &err);
    for (int i = 0; ok && i < count; i++)
        printf("%d%c", ids[i], i + 1 < count ? ' ' : '\n');
    if (!ok)
        printf("%s %s\n", err_code_name(err.code), err.reason);
    arena_free(arena);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc != 5)
        return 2;
    struct tokenizer *tokenizer = tokenizer_open(argv[1], atoi(argv[2]), atoi(argv[3]), &err);
    if (!tokenizer)
        return fail(&err);
    char *text = NULL;
    size_t room = 0;
    while (getdelim(&text, &room, '\0', stdin) > 0)
        print_ids(tokenizer, text, atoi(argv[4]));
    free(text);
    tokenizer_close(tokenizer);
    return 0;
}
