create table {schema}.customer (
	tenant text collate "C" not null,
	id uuid not null,
	version bigint not null,
	created timestamptz not null,
	updated timestamptz not null,
	name text collate "C" not null,
	email text collate "C",
	phone text collate "C",
	company text collate "C",
	city text collate "C" not null,
	country text collate "C" not null,
	stage text collate "C" not null,
	owner_id uuid,
	source text collate "C" not null,
	score bigint not null,
	employees bigint,
	revenue bigint not null,
	currency text collate "C" not null,
	since date not null,
	note text collate "C",
	custom jsonb not null,
	primary key (tenant, id)
);

create index customer_stage on {schema}.customer (tenant, stage, id);
create index customer_updated on {schema}.customer (tenant, updated, id);

create table {schema}.event (
	tenant text collate "C" not null,
	id uuid not null,
	customer_id uuid not null,
	at timestamptz not null,
	verb text collate "C" not null,
	data jsonb not null,
	primary key (tenant, id)
);

create table {schema}.outbox (
	tenant text collate "C" not null,
	id uuid not null,
	event_id uuid not null,
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
	data jsonb not null,
	primary key (tenant, id)
);

create index job_due on {schema}.job (bucket, tenant, due nulls first, id);
