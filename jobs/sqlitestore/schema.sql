-- Version 1. Times and durations are microseconds, times in UTC; 0 is the zero time. Labels, resources, warnings and data
-- are JSON. Numbers of states, reasons and kinds are those of the Go packages.

create table jobs (
	number      integer primary key autoincrement,
	id          text not null unique,
	tenant      text not null,
	actor       text not null,
	type        text not null,
	description text not null,
	key         text not null, -- '' for none
	key_hash    blob,
	labels      text,
	resources   text,
	priority    integer not null,
	state       integer not null,
	reason      text not null,
	run         integer not null,
	created     integer not null,
	queued      integer not null,
	started     integer not null,
	ended       integer not null,
	epoch       integer not null,
	owner       text not null,
	lease_until integer not null, -- 0: not leased
	hidden      integer not null default 0 -- 1: being deleted, 2: being inserted
);
create unique index jobs_key on jobs (tenant, key) where key <> '' and hidden = 0;
create index jobs_list on jobs (tenant, created desc, number desc);
create index jobs_all on jobs (created desc, number desc);
create index jobs_claim on jobs (state, priority desc, queued, number) where state in (1, 2);
create index jobs_hidden on jobs (hidden) where hidden <> 0;

-- Specs may be large, and rows of jobs change often.
create table specs (
	job  integer primary key,
	spec blob
);

create table operations (
	job       integer not null,
	op        integer not null,
	phase     integer not null,
	next      integer not null default 0, -- index of the first item that is in no part
	total     integer not null default 0,
	succeeded integer not null default 0,
	failed    integer not null default 0,
	skipped   integer not null default 0,
	unknown   integer not null default 0,
	elapsed   integer not null default 0,
	primary key (job, op)
) without rowid;

create table items (
	job         integer not null,
	op          integer not null,
	idx         integer not null,
	key         blob, -- any bytes; null when empty
	state       integer not null default 0,
	reason      integer not null default 0,
	kind        integer not null default 0,
	resend      integer not null default 0,
	attempts    integer not null default 0,
	elapsed     integer not null default 0,
	run         integer not null default 0,
	at          integer not null default 0,
	id          text, -- this and the next are null when empty
	code        text,
	message     text,
	fingerprint text,
	warnings    text,
	settled     integer, -- null for 0
	primary key (job, op, idx)
) without rowid;
create index items_errors on items (job, op, idx) where state in (2, 4);

-- Inputs do not change, and rows of items do.
create table inputs (
	job   integer not null,
	op    integer not null,
	idx   integer not null,
	input blob not null,
	primary key (job, op, idx)
) without rowid;

create table parts (
	job         integer not null,
	op          integer not null,
	part        integer not null,
	first       integer not null, -- index of its first item
	behind      integer not null, -- index behind its last item
	epoch       integer not null,
	owner       text not null,
	lease_until integer not null, -- 0: not leased
	done        integer not null default 0,
	primary key (job, op, part)
) without rowid;
create index parts_open on parts (job, op, part) where done = 0;

create table intents (
	job             integer not null,
	op              integer not null,
	part            integer not null,
	number          integer not null,
	indexes         blob not null, -- differences of the indexes as varints
	idempotency_key text not null,
	attempt         integer not null,
	handle          text not null,
	repeatable      integer not null,
	primary key (job, op, part, number)
) without rowid;

create table events (
	job    integer not null,
	number integer not null,
	type   text not null,
	at     integer not null,
	actor  text not null,
	run    integer not null,
	data   blob,
	primary key (job, number)
) without rowid;

create table "values" (
	name  text primary key,
	value blob
) without rowid;

create table templates (
	id         text not null,
	version    integer not null,
	tenant     text not null,
	actor      text not null,
	name       text not null,
	created    integer not null,
	definition blob not null,
	deleted    integer not null default 0,
	primary key (id, version)
) without rowid;
create index templates_list on templates (tenant, name, version);

create table schedules (
	id         text primary key,
	version    integer not null,
	tenant     text not null,
	actor      text not null,
	name       text not null,
	created    integer not null,
	changed    integer not null,
	definition blob not null,
	paused     integer not null,
	next       integer not null -- instant of the next run; 0 for none
) without rowid;
create index schedules_list on schedules (tenant, name);
create index schedules_due on schedules (next) where paused = 0 and next <> 0;

create table schedule_runs (
	schedule text not null,
	instant  integer not null,
	tenant   text not null,
	actor    text not null,
	at       integer not null, -- when it was decided
	job      text,             -- id of the job; null when it was skipped
	reason   text not null,    -- why it was skipped
	primary key (schedule, instant)
) without rowid;

create table endpoints (
	id         text primary key,
	version    integer not null,
	tenant     text not null,
	actor      text not null,
	kind       text not null, -- webhook or email
	created    integer not null,
	changed    integer not null,
	definition blob not null,
	disabled   integer not null default 0,
	reason     text not null default '' -- why it is disabled
) without rowid;
create index endpoints_list on endpoints (tenant, created);

create table deliveries (
	id       text primary key,
	endpoint text not null,
	tenant   text not null,
	actor    text not null,
	job      text not null, -- id of the job
	event    integer not null,
	type     text not null,
	created  integer not null,
	state    integer not null,
	attempts integer not null,
	next     integer not null, -- instant of the next attempt; 0 for none
	ended    integer not null,
	payload  blob not null,
	log      blob -- of the attempts
) without rowid;
create index deliveries_list on deliveries (endpoint, created);
create index deliveries_job on deliveries (job);
create index deliveries_due on deliveries (next) where next <> 0;
