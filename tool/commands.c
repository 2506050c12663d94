/* The table of commands. What each does is in a file of its own. */
#include "tool.h"

#include <limits.h>

/* A list of options, ended by OPT_COUNT. */
#define OPTIONS(...) ((const uint8_t[]){__VA_ARGS__, OPT_COUNT})

/* Words, ended by NULL. */
#define ACTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What is kept of a group. */
#define KEEP_OPTIONS                                                                               \
    OPT_KEEP_LAST, OPT_KEEP_HOURLY, OPT_KEEP_DAILY, OPT_KEEP_WEEKLY, OPT_KEEP_MONTHLY,             \
        OPT_KEEP_YEARLY, OPT_KEEP_GOOD, OPT_KEEP_WITHIN

/* How a store is shared with PBS, of a command that takes the locks of its tree. */
#define PBS_OPTIONS OPT_PBS_STORE, OPT_PBS_CONFIG, OPT_NOT_S3_CACHE

/* The options of a command that works with a key. */
#define KEY_OPTIONS OPT_KEY, OPT_PASSWORD_FILE, OPT_PASSWORD_FD, OPT_PASSWORD_COMMAND, OPT_GO_BLOBS

const struct command command_table[] = {
    {.name = "init",
     .operands = "STORE",
     .min = 1, .max = 1,
     .takes = OPTIONS(OPT_LAYOUT, OPT_PBS_STORE, OPT_SHARED, OPT_SYNC, OPT_JSON),
     .summary = "create a store",
     .help = "Creates the store STORE, and says what can open it. It cannot be inside another store, nor\n"
             "around one that is found up to four levels below. If its directory is made for it, nobody\n"
             "else may look into that (mode 0700), unless --shared or --pbs-store gives it the mode that\n"
             "PBS gives (0755): then every user of the machine may read owners, notes and small files\n"
             "(.blob) of its snapshots, but not with pxds: who can open the store is who may look into\n"
             ".chunks (0750), its user and those of its group. A directory that is there keeps its mode.\n"
             "With --pbs-store the layout is hex4 if --layout does not say otherwise.\n",
     .run = cmd_init},
    {.name = "convert",
     .operands = "STORE hex2|hex4",
     .min = 2, .max = 2,
     .takes = OPTIONS(OPT_NOT_S3_CACHE, OPT_DRY_RUN, OPT_JSON, OPT_SYNC, OPT_PBS_CONFIG),
     .summary = "change the layout of a store",
     .help = "Brings STORE into the layout hex2 or hex4 by renames; PBS needs hex4. Nobody else may be\n"
             "using the store. What is interrupted is finished by the same command; until then 'pxds\n"
             "gc' alone opens the store. With --dry-run nothing is changed.\n",
     .run = cmd_convert},
    {.name = "backup",
     .operands = "STORE TYPE/ID NAME=FILE...",
     .min = 3, .max = INT_MAX,
     .takes = OPTIONS(OPT_NS, OPT_TIME, OPT_COMMENT, OPT_OWNER, OPT_CHUNK_SIZE,
                      OPT_ANY_CHUNK_SIZE, OPT_JSON, OPT_SYNC, PBS_OPTIONS, OPT_CRYPT_MODE,
                      OPT_THREADS, OPT_STRICT, OPT_MASTER_PUBKEY, OPT_FROM_COMMAND, KEY_OPTIONS),
     .summary = "make a snapshot of files",
     .help = "Makes a snapshot of the group TYPE/ID, TYPE being vm, ct or host, with FILE ('-', once:\n"
             "standard input; 'fd:N': that descriptor) as the archive NAME. It appears when it is\n"
             "complete, or not at all.\n\n"
             "NAME.didx  a stream, such as a tar archive, cut where its content says\n"
             "NAME.fidx  the image of a disk, cut into pieces of one size\n"
             "NAME.blob  a small file, of 128 MiB at most, kept whole\n\n"
             "With --from-command, NAME=- is what the command CMD of '... --from-command -- CMD ARG...'\n"
             "prints. If it cannot be started, ends with another exit status than 0 or by a signal,\n"
             "there is no snapshot. Its standard input is /dev/null; it is ended when pxds is.\n",
     .run = cmd_backup},
    {.name = "restore",
     .operands = "STORE SNAPSHOT NAME OUT",
     .min = 4, .max = 4,
     .takes = OPTIONS(OPT_NS, OPT_OFFSET, OPT_LENGTH, OPT_SPARSE, OPT_SKIP_BAD, OPT_JSON,
                      PBS_OPTIONS, OPT_THREADS, OPT_ALLOW_UNSIGNED, KEY_OPTIONS),
     .exits = PARTLY,
     .summary = "restore an archive of a snapshot",
     .help = "Restores the archive NAME of a SNAPSHOT into OUT ('-': standard output), checked against\n"
             "the manifest. The name OUT appears only when the file is whole. A blob is decoded.\n\n"
             "With --key the manifest must be signed with it, and be that of this snapshot, or nothing\n"
             "is restored: whoever can write to the store could have put anything there. With --skip-bad\n"
             "a manifest that cannot be read counts as none, and one that does not fit is not heeded.\n"
             "Exit status 4 if there are zeros for bad chunks.\n",
     .run = cmd_restore},
    {.name = "list",
     .operands = "STORE",
     .min = 1, .max = 1,
     .takes = OPTIONS(OPT_PBS_CONFIG, OPT_NS, OPT_SORT, OPT_JSON),
     .exits = PARTLY,
     .summary = "list the snapshots",
     .help = "Lists the snapshots of STORE, of all namespaces; with --ns those of this one and of all\n"
             "below it.\n"
             "SIZE is the sum of the sizes in the manifest: of an index what it describes, of a .blob\n"
             "its file. VERIFIED is how the last 'pxds verify', or PBS's, found the snapshot, and when.\n"
             "Times are local, but for those in names, which are in UTC. Exit status 4 if something\n"
             "could not be seen or read; --json then ends with {\"complete\":false}.\n",
     .run = cmd_list},
    {.name = "files",
     .operands = "STORE SNAPSHOT",
     .min = 2, .max = 2,
     .takes = OPTIONS(OPT_NS, OPT_JSON, OPT_PBS_CONFIG),
     .exits = PARTLY,
     .summary = "list the archives of a snapshot",
     .help = "Lists the archives of a snapshot, as its manifest does. What the manifest does not list\n"
             "is marked, and its size is that of the file. Exit status 4 if there is a manifest that\n"
             "cannot be read.\n",
     .run = cmd_files},
    {.name = "notes",
     .operands = "STORE SNAPSHOT|GROUP",
     .min = 2, .max = 2,
     .takes = OPTIONS(OPT_NS, OPT_SET, OPT_JSON, OPT_SYNC, PBS_OPTIONS),
     .exits = PARTLY,
     .summary = "show or set the notes of a snapshot or group",
     .help = "Prints the notes of a SNAPSHOT or GROUP, or replaces them.\n",
     .run = cmd_notes},
    {.name = "protect",
     .operands = "STORE SNAPSHOT",
     .min = 2, .max = 2,
     .takes = OPTIONS(OPT_NS, OPT_JSON, OPT_SYNC, PBS_OPTIONS),
     .summary = "keep a snapshot from being removed",
     .help = "Marks a snapshot as one that nobody removes, neither pxds nor PBS.\n",
     .run = cmd_protect},
    {.name = "unprotect",
     .operands = "STORE SNAPSHOT",
     .min = 2, .max = 2,
     .takes = OPTIONS(OPT_NS, OPT_JSON, OPT_SYNC, PBS_OPTIONS),
     .summary = "undo that",
     .help = "Takes the mark of 'pxds protect' away.\n",
     .run = cmd_unprotect},
    {.name = "forget",
     .operands = "STORE SNAPSHOT|GROUP",
     .min = 2, .max = 2,
     .takes = OPTIONS(OPT_NS, OPT_RECURSIVE, OPT_DRY_RUN, OPT_JSON, OPT_SYNC, PBS_OPTIONS),
     .exits = PARTLY,
     .summary = "remove a snapshot, or a group",
     .help = "Removes a snapshot, unless it is protected; or all snapshots of a GROUP, and the group. Of\n"
             "a group protected ones stay, and the group with them; else what is no snapshot in its\n"
             "directory goes too, with a warning. It asks nothing (see --dry-run), and says what it has\n"
             "removed, unless that is the snapshot exactly as it was named. The chunks stay for garbage\n"
             "collection.\n",
     .run = cmd_forget},
    {.name = "groups",
     .operands = "STORE [GROUP]",
     .min = 1, .max = 2,
     .takes = OPTIONS(OPT_NS, OPT_JSON, OPT_PBS_CONFIG),
     .exits = PARTLY,
     .summary = "list the groups",
     .help = "Lists the groups of STORE, of all namespaces; with --ns those of this one and of all below\n"
             "it: how many snapshots each has, when its newest finished one was made, its owner and the\n"
             "first line of its notes.\n",
     .run = cmd_groups},
    {.name = "owner",
     .operands = "STORE GROUP [AUTHID]",
     .min = 2, .max = 3,
     .takes = OPTIONS(OPT_NS, OPT_RECURSIVE, OPT_JSON, OPT_SYNC, PBS_OPTIONS),
     .exits = PARTLY,
     .summary = "show or change who owns a group",
     .help = "Prints the owner of a GROUP, or gives it to AUTHID, a user@realm or user@realm!token.\n",
     .run = cmd_owner},
    {.name = "diff",
     .operands = "STORE SNAPSHOT SNAPSHOT",
     .min = 3, .max = 3,
     .takes = OPTIONS(OPT_NS, OPT_JSON, PBS_OPTIONS),
     .exits = PARTLY,
     .summary = "compare two snapshots by their indexes",
     .help = "Shows which archives the second snapshot has and the first one has not (added), the\n"
             "reverse (gone), and of those in both that differ (changed) how many bytes are new, how\n"
             "many are gone, and the ranges of the second one that are new. No chunk is read.\n\n"
             "What differs are whole chunks: of a .fidx those that are not the same at the same place,\n"
             "of a .didx those that the other one has nowhere: what has only moved is no difference. A\n"
             "range is of such chunks next to each other, in bytes of the second archive. A .blob\n"
             "differs as a whole. What is encrypted with another key, or not at all, is different.\n",
     .run = cmd_diff},
    {.name = "namespace",
     .alias = "ns",
     .operands = "create|remove STORE NS | list STORE [NS]",
     .actions = ACTIONS("create", "remove", "list"),
     .min = 2, .max = 3,
     .takes = OPTIONS(OPT_JSON, OPT_SYNC, PBS_OPTIONS),
     .exits = PARTLY,
     .summary = "make, remove or list namespaces",
     .help = "create  makes the namespace NS, a/b for example, and those above it. A backup with --ns\n"
             "        makes its own.\n"
             "remove  removes the namespace NS, which has to be empty\n"
             "list    prints the namespaces of STORE, or those below NS, all the way down. Exit status 4\n"
             "        if something could not be seen.\n",
     .run = cmd_namespace},
    {.name = "prune",
     .operands = "STORE [GROUP]",
     .min = 1, .max = 2,
     .takes = OPTIONS(KEEP_OPTIONS, OPT_NS, OPT_RECURSIVE, OPT_TZ, OPT_DRY_RUN, OPT_JSON,
                      OPT_SYNC, PBS_OPTIONS),
     .exits = PARTLY,
     .summary = "remove old snapshots of groups",
     .help = "Removes, group by group, the snapshots that no --keep option keeps, and shows what becomes\n"
             "of each, and why it stays. Without GROUP these are all groups of the root namespace, or of\n"
             "--ns, but of those below it only with --recursive. Each keeps what the options say.\n"
             "Protected snapshots stay, and so does the newest if it is not finished. Without a --keep\n"
             "option, or with counts of 0, everything is kept.\n\n"
             "The options count one after the other: last, hourly, daily, weekly, monthly, yearly.\n"
             "Each passes over what an earlier one has kept. --keep-good and --keep-within keep what\n"
             "they say besides, with a warning for each group of which no snapshot has verified; if\n"
             "nothing is kept, the newest stays. A snapshot whose verification has failed counts like\n"
             "any other, as in PBS: there is a warning before the last good one goes. Chunks stay for\n"
             "garbage collection.\n\n"
             "What fails in one group does not keep others from being pruned.\n",
     .run = cmd_prune},
    {.name = "stat",
     .operands = "STORE",
     .min = 1, .max = 1,
     .takes = OPTIONS(OPT_PBS_CONFIG, OPT_EXACT, OPT_JSON),
     .exits = PARTLY,
     .summary = "count what snapshots take and share",
     .help = "Shows how much the snapshots of STORE describe, how much of it they share, how much each\n"
             "brought that no older one has (NEW), and how much it has alone (OWN), by the indexes.\n"
             "With --exact also what the chunks take on the disk, which are missing, and which no index\n"
             "names: a look at each file, which takes its time.\n\n"
             "The dedup factor is the logical size by what is stored, the sharing factor by what is left\n"
             "without duplicates. Exit status 4 if something could not be seen or read, or if --exact\n"
             "finds that chunks are missing: 'pxds verify' says which snapshots need them.\n",
     .run = cmd_stat},
    {.name = "report",
     .operands = "STORE",
     .min = 1, .max = 1,
     .takes = OPTIONS(OPT_PBS_CONFIG, OPT_OUTPUT, OPT_FAST, OPT_JSON),
     .exits = PARTLY,
     .summary = "draw a page about a store",
     .help = "Writes a page in HTML with pictures of STORE: its size over time, what each snapshot\n"
             "brought, sizes of chunks, what groups share, and what has been verified. The page needs\n"
             "nothing else, and has no scripts. --json prints the numbers behind it; without it --output\n"
             "is needed. Exit status 4 if something could not be seen or read, or chunks are missing.\n",
     .run = cmd_report},
    {.name = "verify",
     .operands = "STORE [SNAPSHOT|GROUP]",
     .min = 1, .max = 2,
     .takes = OPTIONS(OPT_NS, OPT_READ_ONLY, OPT_REPAIR_FROM, OPT_SKIP_VERIFIED, OPT_THREADS,
                      OPT_JSON, OPT_SYNC, PBS_OPTIONS, OPT_ALLOW_UNSIGNED, KEY_OPTIONS),
     .exits = PARTLY | UNVOUCHED,
     .summary = "check snapshots and their chunks",
     .help = "Checks that everything the snapshots of STORE need, or of a GROUP, or one SNAPSHOT, is\n"
             "there and is what it was; with --ns alone, of this namespace and of all below it. Bad\n"
             "chunks are renamed, so that the next backup stores them anew, and the outcome is noted in\n"
             "the manifests. What is in use, or is removed meanwhile, is skipped.\n\n"
             "Of what is encrypted the CRC is checked; with --key it is decrypted, and signatures are\n"
             "checked. Snapshots that this key has not signed are named.\n\n"
             "Exit status 1 if anything failed, 5 if all that could be checked is good, but the key does\n"
             "not vouch for all snapshots, 4 if there are snapshots without a manifest, if something\n"
             "could not be seen or read, which is not noted as damage, or if an outcome could not be\n"
             "noted. --skip-verified passes over what was found good; what failed is checked again.\n",
     .run = cmd_verify},
    {.name = "gc",
     .operands = "STORE",
     .min = 1, .max = 1,
     .takes = OPTIONS(OPT_DRY_RUN, OPT_CUTOFF, OPT_ANY_CSUM, OPT_JSON, OPT_SYNC, PBS_OPTIONS),
     .exits = PARTLY,
     .summary = "remove the chunks that nothing refers to",
     .help = "Garbage collection: removes the chunks of STORE that no index refers to, and that were not\n"
             "touched lately (--cutoff, 1 minute to 2 days). It protects only indexes below the\n"
             "directory of the store, NAME.didx and NAME.fidx, and not those below a name that begins\n"
             "with a dot: an index of 'pxds put' that is kept elsewhere loses its chunks. Links are not\n"
             "followed.\n\n"
             "No other program may be writing to the store meanwhile. A backup that Proxmox Backup\n"
             "Server starts meanwhile fails, and leaves an empty snapshot. Stopping it at any time loses\n"
             "nothing.\n\n"
             "Nothing is removed unless all indexes are known: if a directory of the tree cannot be\n"
             "listed, or is a link, or an index cannot be read or has lost entries (but see --any-csum).\n"
             "Exit status 4 if chunks are missing, each with a warning: all else was done, but snapshots\n"
             "have lost data, which who runs this at night is to be told. See 'pxds verify'.\n\n"
             "Bad copies, which 'pxds verify' has set aside, are counted apart from chunks.\n",
     .run = cmd_gc},
    {.name = "manifest",
     .operands = "verify|show STORE SNAPSHOT",
     .actions = ACTIONS("verify", "show"),
     .min = 3, .max = 3,
     .takes = OPTIONS(OPT_NS, OPT_ALLOW_UNSIGNED, OPT_PBS_CONFIG, OPT_JSON, KEY_OPTIONS),
     .exits = PARTLY,
     .summary = "verify or show the manifest of a snapshot",
     .help = "verify  checks the signature with the key of --key, and that it is this snapshot's\n"
             "show    prints the manifest's JSON\n",
     .run = cmd_manifest},
    {.name = "key",
     .operands = "create|show|change-password FILE | recover SEALED FILE",
     .actions = ACTIONS("create", "show", "change-password", "recover"),
     .min = 2, .max = 3,
     .takes = OPTIONS(OPT_KDF, OPT_HINT, OPT_PASSWORD_FILE, OPT_PASSWORD_FD,
                      OPT_PASSWORD_COMMAND, OPT_NEW_PASSWORD_FILE, OPT_NEW_PASSWORD_FD,
                      OPT_MASTER_KEY, OPT_JSON),
     .summary = "make, show, change or recover a key file",
     .help = "create           makes a new key and the file FILE, under scrypt if --kdf does not say\n"
             "                 otherwise. What is there is not replaced.\n"
             "show             shows what the file says; with a password, or where it needs none, its\n"
             "                 fingerprint is verified\n"
             "change-password  puts the key under another password. What --kdf and --hint do not\n"
             "                 change stays; an empty hint is none.\n"
             "recover          makes the key file FILE of SEALED, the rsa-encrypted.key.blob of a\n"
             "                 snapshot, with the private key of --master-key. --password-file is for\n"
             "                 that one, --new-password-file for FILE. Needs a libpxds with master keys.\n\n"
             "A password that no option gives is asked for on the terminal, a new one twice. Of a file\n"
             "with a password the first line counts, without its end, which is LF or CR LF.\n",
     .run = cmd_key},
    {.name = "put",
     .operands = "STORE FILE INDEX",
     .min = 3, .max = 3,
     .takes = OPTIONS(OPT_NOT_S3_CACHE, OPT_AVG, OPT_NO_COMPRESS, OPT_SYNC, OPT_JSON, OPT_THREADS,
                      OPT_STRICT, OPT_PBS_CONFIG, KEY_OPTIONS),
     .summary = "store a file, its index anywhere",
     .help = "Stores what is new of FILE ('-': standard input) in STORE and writes INDEX, from\n"
             "which 'pxds get' restores the file. Garbage collection protects only indexes NAME.didx\n"
             "below the directory of the store, and not those below a name that begins with a dot.\n",
     .run = cmd_put},
    {.name = "get",
     .operands = "STORE INDEX OUT",
     .min = 3, .max = 3,
     .takes = OPTIONS(OPT_JSON, OPT_THREADS, OPT_PBS_CONFIG, KEY_OPTIONS),
     .summary = "restore such a file",
     .help = "Restores the file of INDEX from STORE into OUT ('-': standard output). The name OUT\n"
             "appears only when the file is whole.\n",
     .run = cmd_get},
    {.name = "copy",
     .operands = "STORE INDEX STORE2 [INDEX2]",
     .min = 3, .max = 4,
     .takes = OPTIONS(OPT_NOT_S3_CACHE, OPT_THREADS, OPT_SYNC, OPT_JSON, OPT_PBS_CONFIG,
                      KEY_OPTIONS),
     .summary = "copy such a file to another store",
     .help = "Copies the chunks of INDEX that STORE2 does not have from STORE to it, as they are\n"
             "encoded, and writes the same index to INDEX2, or under its name into STORE2. Each is\n"
             "checked before; the digests of encrypted ones only with --key.\n",
     .run = cmd_copy},
    {.name = "index",
     .operands = "INDEX",
     .min = 1, .max = 1,
     .takes = OPTIONS(OPT_ENTRIES, OPT_JSON),
     .summary = "show an index",
     .help = "Shows the header of INDEX and whether its checksum is that of its entries.\n",
     .run = cmd_index},
    {.name = "chunk",
     .operands = "FILE",
     .min = 1, .max = 1,
     .takes = OPTIONS(OPT_AVG, OPT_JSON),
     .summary = "show how a file is cut into chunks",
     .help = "Prints a line 'END SIZE DIGEST' for each chunk of FILE ('-': standard input).\n"
             "END is the offset after its last byte, DIGEST the SHA-256 of its bytes.\n",
     .run = cmd_chunk},
    {.name = "blob",
     .operands = "encode|decode|info IN [OUT]",
     .actions = ACTIONS("encode", "decode", "info"),
     .min = 2, .max = 3,
     .takes = OPTIONS(OPT_COMPRESS, OPT_JSON, KEY_OPTIONS),
     .summary = "encode, decode or show a blob",
     .help = "encode  makes a blob of the bytes of IN, an encrypted one with --key\n"
             "decode  gives back the bytes in the blob IN\n"
             "info    shows the header of the blob IN\n\n"
             "IN may be '-' for standard input. OUT, if not given or '-', is standard output.\n",
     .run = cmd_blob},
    {.name = "help",
     .operands = "[COMMAND]",
     .min = 0, .max = 1,
     .takes = OPTIONS(OPT_COUNT),
     .summary = "tell about a command, or which there are",
     .help = "Prints what 'pxds COMMAND --help' does, or else the commands.\n",
     .run = cmd_help},
    {.name = "version",
     .operands = "",
     .min = 0, .max = 0,
     .takes = OPTIONS(OPT_JSON),
     .summary = "print the version",
     .help = "Prints the version of libpxds, as 'pxds --version' does.\n",
     .run = cmd_version},
    {.name = NULL},
};

const struct exit_status exit_table[] = {
    {0, DONE, "done"},
    {1, FAILED, "failed"},
    {2, MISUSED, "wrong usage: nothing was done"},
    {3, BUSY, "busy: what others do with it was in the way, such as a lock (see --wait)"},
    {4, PARTLY, "done in part: something could not be done, seen or read, or is missing"},
    {5, UNVOUCHED, "all that could be checked is good, but the key does not vouch for all of it"},
    {0, 0, NULL},
};

const char snapshot_help[] =
    "SNAPSHOT is [ns/NAME/...]TYPE/ID/TIME. For TIME there may be 'latest', the newest finished\n"
    "one of its group, or the beginning of a time that only one has, such as 2020-06. Without a\n"
    "group both are looked for in the whole store. What is not certain, since something could\n"
    "not be seen, is a failure. A path in the file system, STORE/TYPE/ID/TIME, will do.\n";

const char group_help[] =
    "GROUP is [ns/NAME/...]TYPE/ID. A pattern such as 'host/*' stands for all groups that fit,\n"
    "where a command can do with several: those of one namespace, or with --recursive of those\n"
    "below it too. What only shows or checks always looks below: 'list', 'groups', 'namespace\n"
    "list' and 'verify'; and so does a SNAPSHOT without a group.\n";

const struct command *find_command(const char *name)
{
    for (const struct command *command = command_table; command->name != NULL; command++)
        if (strcmp(command->name, name) == 0 ||
            (command->alias != NULL && strcmp(command->alias, name) == 0))
            return command;
    return NULL;
}

int store_operand(const struct command *command)
{
    const char *word = command->operands;
    int i = 0;

    while (strncmp(word, "STORE", 5) != 0 || (word[5] != ' ' && word[5] != '\0')) {
        word = strchr(word, ' ');
        if (word == NULL)
            return -1;
        word++;
        i++;
    }
    return i;
}

bool has_option(const struct command *command, enum option_id option)
{
    const uint8_t *id = command->takes;

    while (*id != OPT_COUNT && *id != option)
        id++;
    return *id == option || is_common(option) ||
           ((option == OPT_WAIT || option == OPT_STORE) && store_operand(command) >= 0);
}

bool has_exit(const struct command *command, uint32_t bit)
{
    return bit == DONE || bit == FAILED || bit == MISUSED || (command->exits & bit) != 0 ||
           (bit == BUSY && store_operand(command) >= 0);
}
