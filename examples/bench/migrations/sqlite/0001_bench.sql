create table crm_customer (
	tenant text not null,
	id blob not null,
	version integer not null,
	created integer not null,
	updated integer not null,
	name text not null,
	email text,
	phone text,
	company text,
	city text not null,
	country text not null,
	stage text not null,
	owner_id blob,
	source text not null,
	score integer not null,
	employees integer,
	revenue integer not null,
	currency text not null,
	since text not null,
	note text,
	custom text not null,
	primary key (tenant, id)
) strict;

create index crm_customer_stage on crm_customer (tenant, stage, id);
create index crm_customer_updated on crm_customer (tenant, updated, id);

create table crm_event (
	tenant text not null,
	id blob not null,
	customer_id blob not null,
	at integer not null,
	verb text not null,
	data text not null,
	primary key (tenant, id)
) strict, without rowid;

create table crm_outbox (
	tenant text not null,
	id blob not null,
	event_id blob not null,
	due integer not null,
	kind text not null,
	primary key (tenant, id)
) strict, without rowid;

create table crm_job (
	tenant text not null,
	id blob not null,
	version integer not null,
	bucket integer not null,
	due integer,
	kind text not null,
	data text not null,
	primary key (tenant, id)
) strict;

create index crm_job_due on crm_job (bucket, tenant, due, id);
