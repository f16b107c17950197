create table crm_customer (
	tenant text not null,
	id blob not null,
	version integer not null,
	owner_id blob,
	created integer not null,
	updated integer not null,
	deleted integer,
	refs text,
	custom text,
	name text not null,
	name_fold text,
	name_sort blob,
	email text,
	phone text,
	company text,
	city text not null,
	country text not null,
	stage text not null,
	source text,
	score integer not null,
	employees integer,
	revenue integer,
	revenue_currency text,
	since text,
	note text,
	referrer_id blob,
	primary key (tenant, id),
	foreign key (tenant, referrer_id) references crm_customer (tenant, id)
);

create unique index crm_customer_email on crm_customer (tenant, email) where deleted is null;
create index crm_customer_name on crm_customer (tenant, name_sort, id) where deleted is null;
create index crm_customer_updated on crm_customer (tenant, updated, id) where deleted is null;
create index crm_customer_stage on crm_customer (tenant, stage, id) where deleted is null;
create index crm_customer_owner on crm_customer (tenant, owner_id);
create index crm_customer_referrer on crm_customer (tenant, referrer_id);
