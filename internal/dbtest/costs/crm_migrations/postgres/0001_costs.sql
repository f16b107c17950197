create table {schema}.customer (
	tenant text collate "C" not null,
	id uuid not null,
	version bigint not null,
	owner_id uuid,
	created timestamptz not null,
	updated timestamptz not null,
	deleted timestamptz,
	refs jsonb,
	custom jsonb,
	name text collate "C" not null,
	name_fold text collate "C",
	name_sort bytea,
	email text collate "C",
	phone text collate "C",
	company text collate "C",
	city text collate "C" not null,
	country text collate "C" not null,
	stage text collate "C" not null,
	source text collate "C",
	score bigint not null,
	employees bigint,
	revenue bigint,
	revenue_currency text collate "C",
	since date,
	note text collate "C",
	referrer_id uuid,
	primary key (tenant, id),
	foreign key (tenant, referrer_id) references {schema}.customer (tenant, id)
);

create unique index customer_email on {schema}.customer (tenant, email) where deleted is null;
create index customer_name on {schema}.customer (tenant, name_sort nulls first, id) where deleted is null;
create index customer_updated on {schema}.customer (tenant, updated, id) where deleted is null;
create index customer_stage on {schema}.customer (tenant, stage, id) where deleted is null;
create index customer_owner on {schema}.customer (tenant, owner_id);
create index customer_referrer on {schema}.customer (tenant, referrer_id);
