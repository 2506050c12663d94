"""What the manual pages of the tool show as EXAMPLES: {page: [(sentence, commands)]}.

The tests run them, those of a page in one shell, beside a store with two snapshots of host/laptop and of vm/100.
"""

NEWEST = "host/laptop/2026-11-29T20:00:00Z"

EXAMPLES = {
    "pxds": [
        ("Make a store, and a backup of a directory and of the image of a disk:",
         "pxds init new-store\n"
         "pxds backup new-store host/web documents.tar.didx=- disk.img.fidx=disk.img \\\n"
         "    --from-command -- tar -c -f - documents\n"
         "pxds list new-store\n"),
        ("Restore a directory, and an image with its holes:",
         "pxds restore /srv/store host/laptop/latest documents.tar.didx - | tar -x -f -\n"
         "pxds restore /srv/store vm/100/2026-11-29T20:00:00Z disk.img.fidx restored.img --sparse\n"),
        ("Each night: keep a week of days and a year of months, give the space back, check what is new:",
         "pxds prune /srv/store --recursive --keep-daily 7 --keep-monthly 12\n"
         "pxds gc /srv/store --wait 2h\n"
         "pxds verify /srv/store --skip-verified 30\n"),
    ],
    "init": [("A store that PBS can use too, on a disk of its own:", "pxds init new-store --layout hex4 --shared\n")],
    "convert": [("Bring a store into the layout of PBS; first see what that takes:",
                 "pxds convert /srv/store hex4 --dry-run\npxds convert /srv/store hex4\n")],
    "backup": [
        ("A directory; if tar fails there is no snapshot:",
         "pxds backup /srv/store host/laptop documents.tar.didx=- --from-command -- tar -c -f - documents\n"),
        ("The image of a disk, encrypted, into the namespace `offsite`:",
         "pxds key create backup.key --password-file password\n"
         "pxds backup /srv/store vm/100 disk.img.fidx=disk.img --ns offsite --key backup.key \\\n"
         "    --password-file password\n"),
    ],
    "restore": [
        ("One file of a tar archive:",
         f"pxds restore /srv/store {NEWEST} documents.tar.didx - | tar -x -f - documents/letter.txt\n"),
        ("64 KiB of the image of a disk:",
         "pxds restore /srv/store vm/100/2026-11-29T20:00:00Z disk.img.fidx part --offset 8M --length 64K\n"),
    ],
    "list": [("All snapshots, and those as JSON:", "pxds list /srv/store\npxds list /srv/store --json\n")],
    "files": [("The archives of a snapshot:", f"pxds files /srv/store {NEWEST}\n")],
    "notes": [("Set notes, and read them:",
               f"pxds notes /srv/store {NEWEST} --set 'before the move'\npxds notes /srv/store {NEWEST}\n")],
    "protect": [("Keep a snapshot:", f"pxds protect /srv/store {NEWEST}\n")],
    "unprotect": [("Keep a snapshot, and no longer:",
                   f"pxds protect /srv/store {NEWEST}\npxds unprotect /srv/store {NEWEST}\n")],
    "forget": [("Remove a snapshot, and then give back its space:",
                "pxds forget /srv/store host/laptop/2026-11-28T20:00:00Z\npxds gc /srv/store\n"),
               ("Remove a group with all its snapshots:", "pxds forget /srv/store vm/100\n")],
    "groups": [("All groups, and those of hosts:", "pxds groups /srv/store\npxds groups /srv/store 'host/*'\n")],
    "owner": [("Give a group to another user:",
               "pxds owner /srv/store host/laptop\npxds owner /srv/store host/laptop backup@pbs\n")],
    "diff": [("What has changed since the day before:",
              "pxds diff /srv/store host/laptop/2026-11-28 host/laptop/latest\n")],
    "namespace": [("Make one, see which there are, remove it:",
                   "pxds namespace create /srv/store offsite/berlin\n"
                   "pxds namespace list /srv/store\n"
                   "pxds namespace remove /srv/store offsite/berlin\n")],
    "prune": [("See what would be removed, then remove it:",
               "pxds prune /srv/store host/laptop --keep-daily 7 --keep-weekly 4 --dry-run\n"
               "pxds prune /srv/store host/laptop --keep-daily 7 --keep-weekly 4\n"),
              ("All groups of the store, each of which also keeps the last two that were verified:",
               "pxds prune /srv/store --recursive --keep-within 30d --keep-monthly 12 --keep-good 2\n")],
    "stat": [("What takes the space, also on the disk:", "pxds stat /srv/store --exact\n")],
    "report": [("The same as a page:", "pxds report /srv/store -o report.html\n")],
    "verify": [("Check what was not checked within 30 days, and take bad chunks from another store:",
                "pxds verify /srv/store --skip-verified 30 --repair-from offsite\n")],
    "gc": [("See what would be removed, then remove it:", "pxds gc /srv/store --dry-run\npxds gc /srv/store\n")],
    "manifest": [("The manifest of a snapshot:", f"pxds manifest show /srv/store {NEWEST}\n")],
    "key": [("Make a key, and put it under another password:",
             "pxds key create backup.key --password-file password\n"
             "pxds key change-password backup.key --password-file password --new-password-file new-password\n")],
    "put": [("Store a file, and restore it:",
             "pxds put /srv/store documents.tar /srv/store/documents.didx\n"
             "pxds get /srv/store /srv/store/documents.didx copy.tar\n")],
    "get": [("Of a snapshot, by its index:",
             f"pxds get /srv/store /srv/store/{NEWEST}/documents.tar.didx copy.tar\n")],
    "copy": [("To another store, with the chunks that it lacks:",
              f"pxds copy /srv/store /srv/store/{NEWEST}/documents.tar.didx offsite offsite/documents.didx\n")],
    "index": [("The chunks of an image:",
               "pxds index /srv/store/vm/100/2026-11-29T20:00:00Z/disk.img.fidx --entries\n")],
    "chunk": [("Where a file would be cut:", "pxds chunk documents.tar --avg 64K\n")],
    "help": [("What a command does:", "pxds help backup\n")],
    "version": [("The version:", "pxds version\n")],
    "blob": [("Make a blob of a file, and look at it:",
              "pxds blob encode --compress documents.tar documents.blob\n"
              "pxds blob info documents.blob\n")],
}
