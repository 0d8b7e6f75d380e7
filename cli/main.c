/* cardioscribe: the operator's and the developer's window. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// clang-format off
static const struct command {
    const char *name, *arguments, *help;
    cli_run run;
} commands[] = {
    {"encode",   "--model DIR [--series N|UID] [--series-rules FILE] [--dump-input OUT | --picture OUT.png] [--json] [--stats] [--threads N] [--precision P] [--isa ISA] [--timeout S] PATH...",
                 "one study's files or folders in, embedding and findings out", local_encode},
    {"encode",   "--model DIR --tensor FILE.safetensors [--json] [--stats] [--threads N] [--precision P] [--isa ISA] [--timeout S]",
                 "the same from a preprocessed tensor named \"input\"", local_encode},
    {"text",     "--model DIR [--json] TEXT...", "embeddings of texts", local_text},
    {"tokenize", "--model DIR [--json] TEXT", "token ids of a text", local_tokenize},
    {"model",    "check [--json] PATH", "check a model folder or one .safetensors file", local_model},
    {"model",    "measure --precision bf16|int8 [--series N|UID] [--series-rules FILE] [--json] [--threads N] [--isa ISA] [--timeout S] DIR STUDY...",
                 "how far the model in fewer bits is from fp32; writes DIR/precision.json", local_model},
    {"volume",   "PATH... --nifti OUT.nii [--series N|UID] [--series-rules FILE] [--json]", "the chosen series as it lies in space", local_volume},
    {"pixels",   "FILE [--frame N] --raw OUT [--json] [--threads N] [--timeout S]",
                 "stored values of one frame (from 1) or all, decoded", local_pixels},
    {"token",    "[--out FILE]", "a new token for REST, and its digest for the configuration", local_token},
    {"status",   "[REMOTE]", "is the daemon ready, and what is wrong if not", remote_status},
    {"studies",  "[REMOTE] [--accession A] [--patient-id P] [--study-uid U] [--state S] [--since T]",
                 "what was received, where it is, and why", remote_studies},
    {"study",    "[REMOTE] ID", "one study: where it is and why, findings, deliveries", remote_study},
    {"report",   "[REMOTE] ID [--out FILE]", "a study's report as text, or the DICOM file", remote_report},
    {"events",   "[REMOTE] ID", "what happened to a study", remote_events},
    {"force",    "[REMOTE] ID", "analyse a study now, without waiting for more", remote_force},
    {"route",    "[REMOTE] --explain ID", "where the rules that run now send a study, and why; sends nothing", remote_route},
    {"parked",   "[REMOTE] [--destination NAME]", "deliveries that were given up, and why", remote_parked},
    {"retry",    "[REMOTE] DELIVERY | --all DESTINATION", "send again what was given up: one, or all of a destination", remote_retry},
    {"purge",    "[REMOTE] ID [--reason TEXT]", "withdraw a study: its objects and results go, a trace stays", remote_purge},
    {"refusals", "[REMOTE]", "what was not accepted, and why", remote_refusals},
    {"peers",    "[REMOTE]", "whom the daemon knows, and what waits for each", remote_peers},
    {"echo",     "[REMOTE] NAME", "the daemon asks a peer with DICOM C-ECHO", remote_echo},
    {"echo",     "[--host H] [--port P] [--called AE] [--calling AE]", "DICOM C-ECHO to the daemon", remote_echo},
};
// clang-format on

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_command(FILE *to, const struct command *command)
{
    fprintf(to, "  cardioscribe %s %s\n      %s\n", command->name, command->arguments, command->help);
}

static enum cli_exit print_help(void)
{
    printf("usage: cardioscribe COMMAND ...\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        print_command(stdout, &commands[i]);
    printf("\nREMOTE: --url URL (default $CARDIOSCRIBE_URL or http://127.0.0.1:8042),\n"
           "        --token-file FILE (default $CARDIOSCRIBE_TOKEN_FILE), --json\n"
           "ID: the number of a study in the list, or its Study Instance UID.\n"
           "Exit: 0 done, 1 refused or bad input, 2 wrong usage, 3 daemon not reachable.\n"
           "Not for clinical use.\n");
    return CLI_OK;
}

enum cli_exit cli_usage(const char *name, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "cardioscribe %s: ", name);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\nusage:\n");
    va_end(ap);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            print_command(stderr, &commands[i]);
    }
    return CLI_USAGE;
}

enum cli_exit cli_failed(const struct err *err)
{
    if (*err->reason)
        fprintf(stderr, "cardioscribe: %s (%s)\n", err->text, err->reason);
    else
        fprintf(stderr, "cardioscribe: %s\n", err->text);
    return CLI_REFUSED;
}

/* A full disk or a closed pipe is seen here at the latest: half an answer is none. */
static enum cli_exit all_written(enum cli_exit ended)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return ended;
    fprintf(stderr, "cardioscribe: the output cannot be written\n");
    return ended == CLI_OK ? CLI_REFUSED : ended;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help();
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("cardioscribe %s\n", CARDIOSCRIBE_VERSION);
        return CLI_OK;
    }
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, argv[1]) == 0)
            return all_written(commands[i].run(argc - 1, argv + 1));
    }
    fprintf(stderr, "cardioscribe: there is no command \"%s\"; see cardioscribe --help\n", argv[1]);
    return CLI_USAGE;
}
