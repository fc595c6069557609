-- Version 1. Times and durations are microseconds, times in UTC; 0 is the zero time. Labels, resources and warnings are
-- JSON. Numbers of states, reasons and kinds are those of the Go packages. A text that Postgres cannot hold is stored as the
-- character 1 and its bytes in hexadecimal form.

create table jobs (
	number      bigint generated always as identity primary key,
	id          text not null unique,
	tenant      text not null,
	actor       text not null,
	type        text not null,
	description text not null,
	key         text not null, -- '' for none
	key_hash    bytea,
	labels      bytea,
	resources   bytea,
	priority    bigint not null,
	state       bigint not null,
	reason      text not null,
	run         bigint not null,
	created     bigint not null,
	queued      bigint not null,
	started     bigint not null,
	ended       bigint not null,
	epoch       bigint not null,
	owner       text not null,
	lease_until bigint not null, -- 0: not leased
	hidden      bigint not null default 0 -- 1: being deleted
);
create unique index jobs_key on jobs (tenant, key) where key <> '' and hidden = 0;
create index jobs_list on jobs (tenant, created desc, number desc);
create index jobs_all on jobs (created desc, number desc);
create index jobs_claim on jobs (state, priority desc, queued, number) where state in (1, 2);
create index jobs_hidden on jobs (hidden) where hidden <> 0;

-- Specs may be large, and rows of jobs change often.
create table specs (
	job  bigint primary key,
	spec bytea
);

create table operations (
	job       bigint not null,
	op        bigint not null,
	phase     bigint not null,
	next      bigint not null default 0, -- index of the first item that is in no part
	total     bigint not null default 0,
	succeeded bigint not null default 0,
	failed    bigint not null default 0,
	skipped   bigint not null default 0,
	unknown   bigint not null default 0,
	elapsed   bigint not null default 0,
	primary key (job, op)
);

create table items (
	job         bigint not null,
	op          bigint not null,
	idx         bigint not null,
	key         bytea, -- any bytes; null when empty
	state       smallint not null default 0,
	reason      smallint not null default 0,
	kind        smallint not null default 0,
	resend      smallint not null default 0,
	attempts    integer not null default 0,
	elapsed     bigint not null default 0,
	run         bigint not null default 0,
	at          bigint not null default 0,
	id          bytea, -- this and the next are null when empty
	code        text,
	message     bytea,
	fingerprint bytea,
	warnings    bytea,
	settled     bigint, -- null for 0
	primary key (job, op, idx)
);
create index items_errors on items (job, op, idx) where state in (2, 4);

-- Inputs do not change, and rows of items do.
create table inputs (
	job   bigint not null,
	op    bigint not null,
	idx   bigint not null,
	input bytea not null,
	primary key (job, op, idx)
);

create table parts (
	job         bigint not null,
	op          bigint not null,
	part        bigint not null,
	first       bigint not null, -- index of its first item
	behind      bigint not null, -- index behind its last item
	epoch       bigint not null,
	owner       text not null,
	lease_until bigint not null, -- 0: not leased
	done        bigint not null default 0,
	primary key (job, op, part)
);
create index parts_open on parts (job, op, part) where done = 0;

create table intents (
	job             bigint not null,
	op              bigint not null,
	part            bigint not null,
	number          bigint not null,
	indexes         bigint[] not null,
	idempotency_key bytea not null,
	attempt         bigint not null,
	handle          bytea not null,
	repeatable      bigint not null,
	primary key (job, op, part, number)
);

create table events (
	job    bigint not null,
	number bigint not null,
	type   text not null,
	at     bigint not null,
	actor  text not null,
	run    bigint not null,
	data   bytea,
	primary key (job, number)
);

create table "values" (
	name  text primary key,
	value bytea
);

create table templates (
	id         text not null,
	version    bigint not null,
	tenant     text not null,
	actor      text not null,
	name       text not null,
	created    bigint not null,
	definition bytea not null,
	deleted    bigint not null default 0,
	primary key (id, version)
);
create index templates_list on templates (tenant, name, version);

create table schedules (
	id         text primary key,
	version    bigint not null,
	tenant     text not null,
	actor      text not null,
	name       text not null,
	created    bigint not null,
	changed    bigint not null,
	definition bytea not null,
	paused     bigint not null,
	next       bigint not null -- instant of the next run; 0 for none
);
create index schedules_list on schedules (tenant, name);
create index schedules_due on schedules (next) where paused = 0 and next <> 0;

create table schedule_runs (
	schedule text not null,
	instant  bigint not null,
	tenant   text not null,
	actor    text not null,
	at       bigint not null, -- when it was decided
	job      text,             -- id of the job; null when it was skipped
	reason   text not null,    -- why it was skipped
	primary key (schedule, instant)
);

create table endpoints (
	id         text primary key,
	version    bigint not null,
	tenant     text not null,
	actor      text not null,
	kind       text not null, -- webhook or email
	created    bigint not null,
	changed    bigint not null,
	definition bytea not null,
	disabled   bigint not null default 0,
	reason     text not null default '' -- why it is disabled
);
create index endpoints_list on endpoints (tenant, created);

create table deliveries (
	id       text primary key,
	endpoint text not null,
	tenant   text not null,
	actor    text not null,
	job      text not null, -- id of the job
	event    bigint not null,
	type     text not null,
	created  bigint not null,
	state    bigint not null,
	attempts bigint not null,
	next     bigint not null, -- instant of the next attempt; 0 for none
	ended    bigint not null,
	payload  bytea not null,
	log      bytea -- of the attempts
);
create index deliveries_list on deliveries (endpoint, created);
create index deliveries_job on deliveries (job);
create index deliveries_due on deliveries (next) where next <> 0;

