create table crm_deal (
	tenant text not null,
	id blob not null,
	version integer not null,
	name text not null,
	stage text not null,
	amount integer not null,
	updated integer not null,
	due text,
	note text,
	owner_id blob,
	data text not null,
	primary key (tenant, id)
) strict;

create index crm_deal_stage on crm_deal (tenant, stage, id);
create index crm_deal_updated on crm_deal (tenant, updated, id);

create table crm_event (
	tenant text not null,
	id blob not null,
	deal_id blob not null,
	at integer not null,
	data text not null,
	primary key (tenant, id)
) strict, without rowid;

create table crm_outbox (
	tenant text not null,
	id blob not null,
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
	primary key (tenant, id)
) strict;

create index crm_job_due on crm_job (bucket, tenant, due, id);
