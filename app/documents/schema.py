"""The journal's tables and the columns that its records are read from.

`changes` has every document that something was done to, in order: what decides about who reads it,
for the memory of every process; what was written to its chunks and what became of its jobs, for
backups that go on from one of `marks`. Its ids are of documents, or one of the two words below.
"""

# Raised by a change that processes of the version before cannot live with: they must be gone
# first. New tables, indexes, and columns with a default are none. 0 had one process alone.
FORMAT = 1
EVERYTHING_CHANGED = ""
VECTORS_CHANGED = "vectors"
KEPT_CHANGES = 10_000  # who missed more reads everything anew
KEPT_MARKS = 1000  # of backups; who goes on from an older one takes a whole one

SCHEMA = """
create table if not exists documents (
    id text primary key, collection text not null, name text not null, sha256 text,
    size integer not null default 0, chunks integer not null default 0,
    pages integer not null default 0, deleting integer not null default 0,
    created text not null, updated text not null,
    owner text not null default '', space text not null default '',
    readers text not null default '["everyone"]', readers_written text,
    warnings text not null default '[]', quarantined integer not null default 0
) strict;
create table if not exists jobs (
    seq integer primary key autoincrement, id text not null unique, kind text not null,
    document_id text not null, collection text not null, name text not null,
    sha256 text not null, size integer not null, status text not null, stage text,
    progress real not null default 0, attempts integer not null default 0, chunks integer,
    pages integer, reason text, not_before real not null default 0,
    created text not null, updated text not null,
    files text not null default '[]', cancelling integer not null default 0,
    owner text not null default '', erasing integer not null default 0,
    warnings text not null default '[]', runner text not null default '',
    unended integer not null default 0
) strict;
create index if not exists jobs_by_document on jobs (document_id, seq);
create index if not exists jobs_open on jobs (status) where status in ('queued', 'running');
create table if not exists changes (
    seq integer primary key autoincrement, document_id text not null
) strict;
create table if not exists marks (
    seq integer primary key autoincrement, mark text not null unique, change integer not null,
    last_job integer not null, keys text not null, vectors text not null
) strict;
create trigger if not exists document_came after insert on documents begin
    insert into changes (document_id) values (new.id);
end;
create trigger if not exists document_went after delete on documents begin
    insert into changes (document_id) values (old.id);
end;
create trigger if not exists job_came after insert on jobs begin
    insert into changes (document_id) values (new.document_id);
end;
create trigger if not exists job_stopped
    after update of status on jobs when new.status != 'running' begin
    insert into changes (document_id) values (new.document_id);
end;
"""
# What a journal of an earlier version lacks. Its documents were everybody's, and stay that.
ADDED = {
    "jobs": {
        "files": "text not null default '[]'",
        "cancelling": "integer not null default 0",
        "owner": "text not null default ''",
        "erasing": "integer not null default 0",
        "warnings": "text not null default '[]'",
        # the token of the process that has it; none of a version that worked alone
        "runner": "text not null default ''",
        # readings that have begun and not ended: more than one's own are of killed processes
        "unended": "integer not null default 0",
    },
    "documents": {
        "owner": "text not null default ''",
        "space": "text not null default ''",
        "readers": """text not null default '["everyone"]'""",
        "readers_written": "text",
        "warnings": "text not null default '[]'",
        "quarantined": "integer not null default 0",
    },
}
# Made after the columns above; the index has documents whose chunks do not say yet who reads them.
INDEXES = """
create trigger if not exists document_changed
    after update of collection, owner, readers, sha256, deleting, quarantined on documents begin
    insert into changes (document_id) values (new.id);
end;
create trigger if not exists chunks_were_told
    after update of readers_written on documents begin
    insert into changes (document_id) values (new.id);
end;
create index if not exists documents_unwritten on documents (id)
    where readers_written is not readers and sha256 is not null;
"""
JOB = (
    "id, kind, document_id, collection, name, sha256, size, status, stage, progress, attempts,"
    " chunks, pages, reason, created, updated, files, cancelling, owner, warnings,"
    " unended"
)
DOCUMENT = """
select d.id, d.collection, d.name, d.sha256, d.size, d.chunks, d.pages, d.created, d.updated,
       d.owner, d.readers, d.readers_written, d.warnings, d.quarantined,
       j.id as job_id, j.status as job_status, j.reason
from documents d
join jobs j on j.seq = (select max(seq) from jobs where document_id = d.id)
where d.deleting = 0
"""
