create table {schema}.deal (
	tenant text collate "C" not null,
	id uuid not null,
	version bigint not null,
	name text collate "C" not null,
	stage text collate "C" not null,
	amount bigint not null,
	updated timestamptz not null,
	due date,
	note text collate "C",
	owner_id uuid,
	data jsonb not null,
	primary key (tenant, id)
);

create index deal_stage on {schema}.deal (tenant, stage, id);
create index deal_updated on {schema}.deal (tenant, updated, id);

create table {schema}.event (
	tenant text collate "C" not null,
	id uuid not null,
	deal_id uuid not null,
	at timestamptz not null,
	data jsonb not null,
	primary key (tenant, id)
);

create table {schema}.outbox (
	tenant text collate "C" not null,
	id uuid not null,
	due timestamptz not null,
	kind text collate "C" not null,
	primary key (tenant, id)
);

create table {schema}.job (
	tenant text collate "C" not null,
	id uuid not null,
	version bigint not null,
	bucket bigint not null,
	due timestamptz,
	kind text collate "C" not null,
	primary key (tenant, id)
);

create index job_due on {schema}.job (bucket, tenant, due nulls first, id);
